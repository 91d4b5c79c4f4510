"""Calls: what a view asks of a model in one message, over the socket, over HTTP, and in a notebook alike.

A message names the call in `do`; its other JSON values and its tensors are the arguments. Each is checked here for its
type; what it may be is checked by what it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from narrows.data.arrays import Array
from narrows.errors import ConfigError, NarrowsError, did_you_mean
from narrows.page.codes import LIMIT, MOST_TILES, Maps
from narrows.page.explorer import Explorer
from narrows.page.info import info
from narrows.page.kept import Progress
from narrows.page.wire import Message


class Arguments:
    """The arguments of a call, taken by name and type."""

    def __init__(self, message: Message) -> None:
        self.meta, self.tensors = message.meta, message.tensors
        self.call = str(message.meta.get("do", ""))[:40]

    def tensor(self, name: str) -> Array | None:
        """Return a tensor, or None where there is none; a list of numbers in the JSON serves as well."""
        if name in self.tensors:
            return self.tensors[name]
        value = self.meta.get(name)
        if value is None:
            return None
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise self.wrong(name, "numbers", value) from None
        return array

    def rows(self, name: str = "rows") -> list[int] | None:
        """Return whole numbers, or None where there are none."""
        values = self.tensor(name)
        if values is None:
            return None
        flat = values.reshape(-1)
        if not (np.isfinite(flat) & (flat == np.floor(flat)) & (np.abs(flat) < 2**31)).all():
            raise self.wrong(name, "whole numbers", flat[:5].tolist())
        return [int(value) for value in flat]

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self.meta.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(name, "a whole number", value)
        return value

    def real(self, name: str, default: float | None = None) -> float:
        """Return a finite number."""
        value = self.meta.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(name, "a number", value)
        return float(value)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text."""
        value = self.meta.get(name, default)
        if not isinstance(value, str) or len(value) > 2_000:
            raise self.wrong(name, "a text", value)
        return value

    @property
    def split(self) -> str | None:
        """The split that rows count in; None for the one that models are evaluated on."""
        return None if self.meta.get("split") is None else self.text("split")

    @property
    def y(self) -> Any:
        """The condition, if one is given."""
        return self.meta.get("y")

    def wrong(self, name: str, what: str, value: Any) -> ConfigError:
        """Return the error of an argument that is of another type."""
        return ConfigError(f"{self.call}: {name} must be {what}; got {str(value)[:40]!r}.")


def _decode(explorer: Explorer, given: Arguments) -> Mapping[str, Any]:
    z = given.tensor("z")
    if z is not None:
        return explorer.decode(z, given.y)
    rows = given.rows() or []
    weights = given.tensor("weights")
    return explorer.blend(rows, np.ones(len(rows)) if weights is None else weights, given.split, given.y)


def _encode(explorer: Explorer, given: Arguments) -> Mapping[str, Any]:
    return explorer.encode(given.tensor("x"), given.tensor("input"), given.y)


def _reconstruct(explorer: Explorer, given: Arguments) -> Mapping[str, Any]:
    return explorer.reconstruct(given.rows() or [], given.split)


def _samples(explorer: Explorer, given: Arguments) -> Mapping[str, Any]:
    rows = given.rows() or []
    answer = explorer.reconstruct(rows, given.split)
    on = explorer.on(given.split)
    ids = explorer.dataset.ids(on.split or explorer.default_split).values[rows]
    return {**answer, "labels": explorer.labels.names(on.shown.y, np.array(rows)), "ids": [str(each) for each in ids]}


def combined(given: Arguments) -> dict[str, Any]:
    """Return the arguments of `Explorer.combine`."""
    return {
        "expression": given.text("expression") if given.meta.get("expression") is not None else None,
        "rows": given.rows(), "weights": given.tensor("weights"), "split": given.split, "y": given.y,
    }  # fmt: skip


def _interpolate(explorer: Explorer, given: Arguments) -> Mapping[str, Any]:
    t = given.tensor("t")
    t = np.linspace(0, 1, 9) if t is None else t.reshape(-1)
    return explorer.interpolate(given.whole("a"), given.whole("b"), t, given.text("way", "linear"), given.split)


def denoised(given: Arguments) -> dict[str, Any]:
    """Return the arguments of `Explorer.denoise`."""
    return {
        "split": given.split, "row": None if given.meta.get("row") is None else given.whole("row"),
        "input": given.tensor("input"), "corruption": given.text("corruption", ""),
        "strength": None if given.meta.get("strength") is None else given.real("strength"),
        "seed": given.whole("seed", 0), "y": given.y,
    }  # fmt: skip


def drawn(given: Arguments) -> dict[str, Any]:
    """Return the arguments of `Explorer.drawn`."""
    return {
        "n": given.whole("n", 16), "sampler": given.text("sampler", "prior"),
        "temperature": given.real("temperature", 1.0), "seed": given.whole("seed", 0),
    }  # fmt: skip


def _nearest(explorer: Explorer, given: Arguments) -> Mapping[str, Any]:
    return explorer.nearest(given.tensor("z"), given.tensor("x"), given.tensor("input"), given.y)


def _prepare(explorer: Explorer, given: Arguments) -> Mapping[str, Any]:
    """Take a drawing `x` (h, w), or the bytes of a picture file as `file`."""
    drawn, file = given.tensor("x"), given.tensor("file")
    if drawn is None and file is None:
        raise given.wrong("x", "a drawing, or file a picture", None)
    if file is not None:
        return explorer.prepare(file.astype(np.uint8).tobytes(), draw=bool(given.meta.get("draw")))
    return explorer.prepare(drawn)


VERBS: dict[str, Callable[[Explorer, Arguments], Mapping[str, Any]]] = {
    "decode": _decode, "encode": _encode, "reconstruct": _reconstruct,
    "combine": lambda explorer, given: explorer.combine(**combined(given)), "interpolate": _interpolate,
    "denoise": lambda explorer, given: explorer.denoise(**denoised(given)),
    "generate": lambda explorer, given: explorer.generate(**drawn(given), y=given.y), "nearest": _nearest,
    "samples": _samples, "prepare": _prepare, "info": lambda explorer, given: info(explorer),
}  # fmt: skip
"""Calls on a model."""


def _codes(maps: Maps, given: Arguments) -> Message | Progress:
    return maps.map(given.text("map", "pca"), given.split, given.whole("limit", LIMIT))


def _values(maps: Maps, given: Arguments) -> Message:
    return maps.values(given.split, given.whole("limit", LIMIT))


def _thumbnails(maps: Maps, given: Arguments) -> Message:
    return maps.tiles(given.split, given.whole("from", 0), given.whole("to", MOST_TILES), given.whole("limit", LIMIT))


ON_SPLITS: dict[str, Callable[[Maps, Arguments], Message | Progress]] = {
    "codes": _codes, "values": _values, "thumbnails": _thumbnails,
}  # fmt: skip
"""Calls on all samples of a split."""


def steps(maps: Maps, message: Message) -> Iterator[float]:
    """Do what takes long in a call, in steps between which others may use the model."""
    given = Arguments(message)
    if given.call == "codes":
        yield from maps.steps(given.split)
    elif given.call == "values":
        yield from maps.explorer.on(given.split).evaluate()


def answer(maps: Maps, message: Message) -> Message | Progress:
    """Return the answer to a call: tensors, and JSON with its `seq`; or that it is still being computed.

    Raises: NarrowsError with a sentence for whoever asked.
    """
    given = Arguments(message)
    if given.call in ON_SPLITS:
        return ON_SPLITS[given.call](maps, given)
    if given.call not in VERBS:
        known = [*VERBS, *ON_SPLITS]
        raise ConfigError(f"do must be one of {', '.join(known)}; got {given.call!r}.{did_you_mean(given.call, known)}")
    parts = VERBS[given.call](maps.explorer, given)
    tensors = {name: part for name, part in parts.items() if isinstance(part, np.ndarray)}
    return Message({name: part for name, part in parts.items() if name not in tensors}, tensors)


def reply(maps: Maps, message: Message) -> Message:
    """Return the answer to a call as a message with its `seq`; an error is a sentence in it."""
    try:
        result = answer(maps, message)
    except Exception as error:
        return refusal(message, error)
    seq = message.meta.get("seq")
    if isinstance(result, Progress):
        return Message({"seq": seq, "progress": result.sentence})
    return Message({**result.meta, "seq": seq}, result.tensors)


def refusal(message: Message, error: Exception) -> Message:
    """Return the answer to a call that failed: nobody's view ends by it, even where the fault is narrows' own."""
    sentence = str(error) if isinstance(error, NarrowsError) else f"{type(error).__name__}: {str(error)[:200]}"
    return Message({"seq": message.meta.get("seq"), "error": sentence})
