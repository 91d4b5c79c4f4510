"""What tests of safety share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _reports_of_epochs() -> Iterator[None]:
    """No report within an epoch, however busy the machine: tests count the next ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.INTERVAL", float("inf"))
        yield
