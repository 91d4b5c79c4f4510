"""Calls that wait for a model: of each lane, such as what a pointer drags, only the newest is worth an answer."""

from __future__ import annotations

from narrows.errors import ConfigError
from narrows.page.wire import Message

MOST = 64
"""Lanes in which calls of one view may wait at once."""


class Lanes:
    """Calls that wait for their turn: of every lane the newest, in the order in which lanes came."""

    def __init__(self) -> None:
        self._waiting: dict[str, Message] = {}

    def put(self, message: Message) -> bool:
        """Let a call wait; return whether its lane is new, and False where it took the place of an older call.

        Raises: ConfigError where too many lanes wait already.
        """
        lane = str(message.meta.get("lane") or message.meta.get("do"))[:80]
        new = lane not in self._waiting
        if new and len(self._waiting) >= MOST:
            raise ConfigError(f"At most {MOST} lanes may wait at once; got another. Wait for an answer.")
        self._waiting[lane] = message
        return new

    def take(self) -> Message:
        """Return the next call, which waits no longer."""
        return self._waiting.pop(next(iter(self._waiting)))

    def __len__(self) -> int:
        return len(self._waiting)
