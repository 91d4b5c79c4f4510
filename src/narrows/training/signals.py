"""SIGINT and SIGTERM while training: the step at work is ended and its state saved before they act.

There is one handler for all trainings of a process, installed when the first begins and removed when the last ends, in
whatever order they end. A second signal acts at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)

_trainings: set[object] = set()
"""One token for each training of the main thread that is open."""
_before: dict[int, Any] = {}
"""The handlers in whose place ours stands."""
_pending = 0
"""The signal that came and has not acted yet, or 0."""


@contextmanager
def deferred() -> Iterator[None]:
    """Defer signals to the next call of `act` while in here; those that come too late for one act at the end.

    Only the main thread gets signals: in any other this does nothing.
    """
    if not _in_main_thread():
        yield
        return
    token = object()
    _trainings.add(token)
    _install()
    try:
        yield
    finally:
        _trainings.discard(token)
        if _in_main_thread():  # a generator may be closed in any; the handler that stays then is harmless, see there
            if _trainings:
                _install()  # a signal that stopped this training may have removed it
            else:
                _uninstall()
                if number := _taken():
                    signal.raise_signal(number)


def pending() -> bool:
    """Tell whether a signal waits for the training that asks, which is then to save its state and to call `act`."""
    return bool(_pending and _trainings and _in_main_thread())


def act() -> None:
    """Do what the signal that waits asks for: raise KeyboardInterrupt for SIGINT, SystemExit for SIGTERM."""
    number = _taken()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _taken() -> int:
    """Return the signal that waits, or 0; it waits no longer."""
    global _pending
    number, _pending = _pending, 0
    return number


def _handle(number: int, frame: FrameType | None) -> None:
    global _pending
    _uninstall()  # a second signal acts at once
    if _trainings:
        _pending = number
    else:  # the last training was ended by another thread, which could not remove this handler
        signal.raise_signal(number)


def _install() -> None:
    for number in NUMBERS:
        handler = signal.getsignal(number)
        if handler not in (_handle, signal.SIG_IGN, None):  # None: it is not Python's, and could not be put back
            _before[number] = handler
            signal.signal(number, _handle)


def _uninstall() -> None:
    """Put back the handlers from before, unless somebody has set others since."""
    for number in NUMBERS:
        if signal.getsignal(number) is _handle:
            signal.signal(number, _before[number])


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
