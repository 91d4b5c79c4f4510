"""What the results say: a row per contender, verdicts on quality and goals, and the table that a terminal shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from measures import Spread, fastest, ratios, spread, verdict, within
from works import CONTENDERS, STARTUP, WORKS, Goal

AGAIN = " again"
"""Marks the reference under another seed: its ratio to its first time shows how far equal work differs by chance."""

Results = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One contender's part in a work."""

    title: str
    limit: bool
    seconds: Spread | None = None
    """Of the thing that the work is told in: an epoch, a step, a call."""
    ratio: Spread | None = None
    """How many times as long as narrows, round by round."""
    quality: float | None = None
    verdict: str = ""
    memory: float | None = None
    """MB at its peak above the bare import of its library."""
    error: str = ""


@dataclass(frozen=True)
class Judged:
    """A goal and what came of it."""

    goal: Goal
    ratio: Spread
    reached: bool
    """Whether the ratio is reached, and narrows' result is as good."""


def title(label: str) -> str:
    """Return how a contender, or the reference's second seed, is called."""
    name = label.removesuffix(AGAIN)
    return CONTENDERS[name].title + (", another seed" if label != name else "")


def measured(name: str, results: Results) -> dict[str, Any]:
    """Return what is there of the contenders that came through a work, by name."""
    return {label: c for label, c in results["works"][name]["contenders"].items() if "error" not in c}


def quality(name: str, results: Results, label: str) -> tuple[float | None, str]:
    """Return a contender's loss or error, and whether it is as good as it must be."""
    work, done = WORKS[name], measured(name, results)
    found = done[label].get("quality")
    if not found:
        return None, ""
    value = next(iter(found.values()))
    if work.limit is not None:
        return value, within(value, work.limit)
    references = [
        next(iter(done[key]["quality"].values())) for key in (work.reference, f"{work.reference}{AGAIN}") if key in done
    ]
    return value, verdict(value, references, work.least) if len(references) == 2 else "no reference"


def rows(name: str, results: Results) -> list[Row]:
    """Return a row per contender, in the order of the work's list."""
    work, done, found = WORKS[name], measured(name, results), []
    times = results["works"][name]["settings"][work.per] if work.per else 1
    own = done.get("narrows", {}).get("seconds")
    for label, entry in results["works"][name]["contenders"].items():
        limit = CONTENDERS[label.removesuffix(AGAIN)].limit
        if label not in done:
            found.append(Row(title(label), limit, error=entry["error"]))
            continue
        value, judged = quality(name, results, label)
        found.append(
            Row(
                title(label), limit, spread([s / times for s in entry["seconds"]]),
                ratios(entry["seconds"], own) if own and label != "narrows" else None,
                value, judged, max(0.0, entry["peak"] - entry["bare"]),
            )
        )  # fmt: skip
    return found


def goals(name: str, results: Results) -> list[Judged]:
    """Return the goals of a work whose rivals were there, judged."""
    done, found = measured(name, results), []
    if "narrows" not in done:
        return []
    good = quality(name, results, "narrows")[1] in ("equal", "better")
    for goal in WORKS[name].goals:
        there = [key for key in goal.against if key in done]
        if WORKS[name].limit is not None:  # who does not do what is asked for is no rival
            there = [key for key in there if quality(name, results, key)[1] == "equal"]
        rivals = [done[key]["seconds"] for key in there]
        if rivals:
            ratio = ratios(fastest(rivals), done["narrows"]["seconds"])
            found.append(Judged(goal, ratio, good and ratio.median >= goal.times))
    return found


def duration(seconds: float) -> str:
    """Return seconds as one reads them."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def ranged(value: Spread, unit: str = "") -> str:
    """Return a ratio with its least and greatest value."""
    return f"{value.median:.2f}{unit} ({value.low:.2f} to {value.high:.2f})"


def table(name: str, results: Results) -> str:
    """Return what the terminal shows of a work."""
    if name == "startup":
        return "\n".join(f"  {STARTUP[k][0]:45}{duration(spread(s).median):>10}" for k, s in results[name].items())
    if name == "growth":
        return "\n".join(_point(point) for point in results[name])
    lines = [f"  {'':32}{'median':>10}   {'times narrows':24}{'quality':>10}  {'':10}{'memory':>9}"]
    for row in rows(name, results):
        if row.seconds is None:
            lines.append(f"  {row.title:32}left out: {row.error}")
            continue
        ratio = ranged(row.ratio) if row.ratio else ""
        value = "" if row.quality is None else f"{row.quality:.4g}"
        lines.append(
            f"  {row.title:32}{duration(row.seconds.median):>10}   {ratio:24}{value:>10}  {row.verdict:10}"
            f"{row.memory:6.0f} MB"
        )
    for judged in goals(name, results):
        said = "reached" if judged.reached else "fell short"
        lines.append(f"  goal {judged.goal.times:g}: {judged.ratio.median:.2f}, {said}")
    return "\n".join(lines)


def _point(point: dict[str, Any]) -> str:
    what = f"  {point['axis']} {point['value']:,}, {CONTENDERS[point['contender']].title}"
    if "error" in point:
        return f"{what:50}left out: {point['error']}"
    return f"{what:50}{duration(spread(point['seconds']).median):>10}{point['peak'] - point['bare']:8.0f} MB"
