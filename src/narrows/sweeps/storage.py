"""Where the trials of a study are: in PostgreSQL for any number of machines, or in a journal file on one of them."""

from __future__ import annotations

import contextlib
import importlib
import re
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from narrows.errors import ConfigError, TrainingError

SERVER = re.compile(r"postgres(?:ql)?(?:\+\w+)?://")
GRACE = 4
"""Missed heartbeats after which a worker counts as dead."""


def optuna() -> Any:
    """Return the package `optuna`, or raise ConfigError where it is not installed."""
    try:
        return importlib.import_module("optuna")
    except ImportError:
        raise ConfigError(
            'sweep: the extra `sweep` must be installed; optuna is missing. Run: pip install "narrows[sweep]"'
        ) from None


class Storage:
    """A study's storage, opened in this process.

    Parameters
    ----------
    where
        `postgresql://user@host/database`, or the path of a journal file. A password is better in ~/.pgpass or
        PGPASSWORD than here.
    heartbeat
        Seconds between two signs of life of a worker; on one machine the system knows who lives.
    revive
        Called with the study and a trial whose worker gave no sign of life.
    """

    def __init__(self, where: str, heartbeat: float, revive: Callable[[Any, Any], None]) -> None:
        package = optuna()
        self.shared = SERVER.match(where) is not None
        self.heartbeat = max(1, round(heartbeat))
        with warnings.catch_warnings(), self.told(where):
            warnings.simplefilter("ignore", package.exceptions.ExperimentalWarning)
            if self.shared:
                self.url = SERVER.sub("postgresql+psycopg://", where)
                self._check_driver()
                with self.exclusive("tables"):  # which two workers that come first would both make
                    self.storage = package.storages.RDBStorage(
                        self.url, heartbeat_interval=self.heartbeat, grace_period=GRACE * self.heartbeat,
                        heartbeat_stale_trial_callback=revive, engine_kwargs={"pool_pre_ping": True},
                    )  # fmt: skip
            else:
                self.path = _journal(where)
                backend = package.storages.journal.JournalFileBackend(str(self.path))
                self.storage = package.storages.JournalStorage(backend)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.shared:  # connections that are left open keep a server from ending
            self.storage.remove_session()
            self.storage.engine.dispose()

    def _check_driver(self) -> None:
        try:
            importlib.import_module("psycopg")
        except ImportError:
            raise ConfigError(
                'sweep: the extra `sweep` must be installed; psycopg is missing. Run: pip install "narrows[sweep]"'
            ) from None

    @contextlib.contextmanager
    def told(self, where: str) -> Iterator[None]:
        """Say which storage cannot be reached, without its password."""
        try:
            yield
        except ConfigError:
            raise
        except Exception as error:
            if not type(error).__module__.startswith(("sqlalchemy", "psycopg")) and not isinstance(error, OSError):
                raise
            shown = re.sub(r"(://[^:/@]*):[^@/]*@", r"\1@", where)
            reason = str(error).partition("\n")[0].partition("(Background")[0][:200]
            raise TrainingError(f"sweep: --storage must be one that can be reached; got {shown!r}: {reason}") from error

    @contextlib.contextmanager
    def exclusive(self, study: str) -> Iterator[None]:
        """Let one worker of a study in at a time, on any machine; who dies lets the next one in."""
        if not self.shared:
            from filelock import FileLock

            with FileLock(self.path.with_name(f"{self.path.name}.workers")):
                yield
            return
        sqlalchemy = importlib.import_module("sqlalchemy")
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.pool.NullPool)
        key = zlib.crc32(f"narrows {study}".encode())
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": key})
            try:
                yield
            finally:
                connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock(:key)"), {"key": key})

    def fail_silent(self, study: Any) -> None:
        """Mark the trials whose workers have not given a sign of life for long as failed; they are given back."""
        package = optuna()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", package.exceptions.ExperimentalWarning)
            package.storages.fail_stale_trials(study)

    def claimed(self, study: Any) -> Any:
        """Return a trial that waits, claimed for this worker."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that nobody gives signs of life; `beating` does
            return study.ask()

    @contextlib.contextmanager
    def beating(self, study: str, number: int) -> Iterator[None]:
        """Give signs of life for a trial while in here."""
        if not self.shared:
            yield
            return
        trial = self.storage.get_trial_id_from_study_id_trial_number(self.storage.get_study_id_from_name(study), number)
        self.storage.record_heartbeat(trial)
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self.heartbeat):
                with contextlib.suppress(Exception):  # a server that restarts is asked again
                    self.storage.record_heartbeat(trial)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _journal(where: str) -> Path:
    """Return the path of a journal file, its folder made. Raises: ConfigError where it cannot be one."""
    if "://" in where:
        raise ConfigError(
            f"sweep: --storage must be postgresql://user@host/database, or a file; got {where.partition('://')[0]}://..."
        )
    path = Path(where)
    if path.is_dir() or (path.parent.exists() and not path.parent.is_dir()):
        raise ConfigError(f"sweep: --storage must be a file that can be written; got {where!r}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
