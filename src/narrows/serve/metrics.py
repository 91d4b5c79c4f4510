"""What the server counts, in the text format of Prometheus."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "narrows_requests", "Requests that were answered.", ["model", "status"], registry=self.registry
        )
        self._refused = self._requests.labels("", "503")
        self._seconds = Histogram(
            "narrows_request_seconds", "From the head of a request to the end of its answer.", ["model"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self._rows = Histogram(
            "narrows_batch_rows", "Rows that were computed together.", ["model"], buckets=ROWS, registry=self.registry
        )
        self.waiting = Gauge("narrows_waiting_rows", "Rows that wait.", registry=self.registry)

    def answered(self, model: str, status: int, seconds: float) -> None:
        """Count an answer; `model` is empty where the request was for none."""
        self._requests.labels(model, str(status)).inc()
        self._seconds.labels(model).observe(seconds)

    def refused(self) -> None:
        """Count a request that was answered with 503 at once, whatever it asked."""
        self._refused.inc()

    def computed(self, model: str, rows: int) -> None:
        """Count a batch."""
        self._rows.labels(model).observe(rows)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
