"""Write docs/performance.md and docs/performance.png from what `run.py` found. Nothing in them is typed.

python benchmarks/page.py [benchmarks/results.json] [--out docs]        with narrows installed
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import report
from measures import ratios, spread
from report import Results, duration, ranged
from works import AXES, CONTENDERS, GROWTH_AT, GROWTH_CONTENDERS, MEMORY, STARTUP, WORKS

from narrows.figures.palette import ACCENT, FAINT, INK, SECOND
from narrows.figures.style import page_of, rendered

DOCS = Path(__file__).resolve().parents[1] / "docs"
QUICK = (
    "> **This is a trial (`--quick`): sizes are tiny, and no figure here says anything about speed.**"
)  # fmt: skip


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def names(keys: Sequence[str]) -> str:
    """Return contenders as one lists them."""
    return ", ".join(CONTENDERS[key].title for key in keys)


def goals(results: Results) -> str:
    """Return the goals beside what was measured."""
    rows = []
    for name in results["works"]:
        for judged in report.goals(name, results):
            reached = "yes" if judged.reached else "no"
            goal = f"{judged.goal.times:g}x faster than {names(judged.goal.against)}"
            if judged.goal.times == 1:
                goal = f"not slower than {names(judged.goal.against)}"
            _, quality = report.quality(name, results, "narrows")
            rows.append([WORKS[name].title, goal, ranged(judged.ratio, "x"), quality, reached])
    work, most = MEMORY
    if work in results["works"] and "narrows" in report.measured(work, results):
        entry = report.measured(work, results)["narrows"]
        memory = entry["peak"] - entry["bare"]
        rows.append(
            ["peak memory of the 10 epochs", f"< {most:g} MB above `import torch`", f"{memory:.0f} MB", "",
             "yes" if memory < most else "no"]
        )  # fmt: skip
    for key, seconds in results["startup"].items():
        title, _, _, limit = STARTUP[key]
        if limit is not None:
            median = spread(seconds).median
            rows.append([title, f"< {limit:g} s", duration(median), "", "yes" if median < limit else "no"])
    return grid(["work", "goal", "measured", "result", "reached"], rows)


def works(results: Results) -> str:
    """Return a table per work, with every contender."""
    parts = []
    for name, found in results["works"].items():
        rows = []
        for row in report.rows(name, results):
            if row.seconds is None:
                rows.append([row.title, "left out", "", "", "", ""])
                continue
            quality = "" if row.quality is None else f"{row.quality:.4g}"
            rows.append(
                [
                    row.title, f"{duration(row.seconds.median)}", ranged(row.ratio, "x") if row.ratio else "",
                    quality, row.verdict, "" if row.limit else f"{row.memory:.0f} MB",
                ]
            )  # fmt: skip
        told = f"{found['rounds']} rounds" if found["rounds"] > 1 else "1 round"
        if "narrows_compiled" in WORKS[name].contenders:
            told += (
                ". Where narrows is compiled, as for JAX, compiling falls into the warm-up round, which is not counted"
            )
        head = ["", "median", "relative to narrows", measure(found), "quality", "memory"]
        parts.append(f"### {WORKS[name].title}\n\n{told}.\n\n{grid(head, rows)}")
    return "\n\n".join(parts)


def measure(found: dict[str, Any]) -> str:
    """Return what quality is measured by in a work."""
    measures = [key for c in found["contenders"].values() for key in c.get("quality", {})]
    return measures[0].replace("_", " ") if measures else ""


def limits(results: Results) -> str:
    """Return the share of narrows' time that the matrix products take."""
    rows = []
    for name in results["works"]:
        bounds = [row for row in report.rows(name, results) if row.limit and row.ratio]
        rows += [
            [WORKS[name].title, row.title, duration(row.seconds.median), f"{row.ratio.median:.0%}"] for row in bounds
        ]
    return grid(["work", "bound", "time", "share of narrows' time"], rows)


def startup(results: Results) -> str:
    """Return the commands' times."""
    rows = [
        [STARTUP[key][0], duration(spread(s).median), f"{duration(min(s))} to {duration(max(s))}"]
        for key, s in results["startup"].items()
    ]
    return grid(["command", "median", "range"], rows)


def growth(results: Results) -> str:
    """Return a table per axis: seconds, memory and ratio of every contender at every size."""
    own, *others = GROWTH_CONTENDERS
    parts = []
    for axis, title in AXES.items():
        points = {(p["value"], p["contender"]): p for p in results["growth"] if p["axis"] == axis}
        rows = []
        for value in sorted({value for value, _ in points}):
            cells = [f"{value:,}"]
            for name in GROWTH_CONTENDERS:
                point = points.get((value, name), {"error": "not run"})
                failed = "error" in point
                cells += ["", "left out"] if failed else [
                    duration(spread(point["seconds"]).median), f"{point['peak'] - point['bare']:.0f} MB"
                ]  # fmt: skip
                if name in others:
                    judged = not failed and "error" not in points.get((value, own), {"error": "not run"})
                    cells.append(ranged(ratios(point["seconds"], points[value, own]["seconds"]), "x") if judged else "")
            rows.append(cells)
        head = [title]
        for name in GROWTH_CONTENDERS:
            head += [f"{CONTENDERS[name].title}{what}" for what in ("", ", memory")]
            head += ["relative to narrows"] * (name in others)
        parts += [grid(head, rows)] if rows else []
    return "\n\n".join(parts)


def environments(results: Results) -> str:
    """Return the versions, and what could not be installed or run."""
    rows = [
        [
            name,
            ", ".join(f"{k} {v}" for k, v in e["packages"].items()) if "packages" in e else f"left out: {e['error']}",
        ]
        for name, e in results["environments"].items()
    ]
    failed = [
        [f"{report.title(label)}, {WORKS[name].title}", f"left out: {c['error']}"]
        for name, found in results["works"].items()
        for label, c in found["contenders"].items()
        if "error" in c
    ]
    return grid(["environment", "versions"], rows + failed)


def about(results: Results) -> str:
    """Return the command and what it ran on."""
    told = {"command": f"`{results['command']}`", "started": results["started"], "source": results["source"]}
    return grid(["", ""], [[key, str(value)] for key, value in (told | results["machine"]).items()])


def text(results: Results) -> str:
    """Return the page."""
    at = ", ".join(f"{title.lower()} {GROWTH_AT[axis]:,}" for axis, title in AXES.items())
    parts = [
        "# Performance", QUICK if results["quick"] else "",
        "The same work done by narrows and by other libraries, interleaved on one machine: each runs once per round, "
        "in an order that changes from round to round. Times are medians. A ratio is another library's time divided by "
        "narrows' time in the same round: median and range. Memory is the peak of the process above what importing its "
        "library takes.",
        about(results),
        "![Times relative to narrows](performance.png)",
        "## Goals", goals(results),
        "Quality is \"equal\" where the test loss differs from that of the reference by no more than two seeds of the "
        "reference differ from each other (or by 0.3%, where that is more), or where the error is below a bound: the "
        "test loss itself, 0.001% of the variance for PCA, 2% of the codes' standard deviation for encoding. A library "
        "whose error is above such a bound is not compared, and a goal counts as reached only at equal quality.",
        "## Works", works(results),
        "## Matrix products only",
        "Time of the matrix products of the same training by themselves: no implementation in that precision can be "
        "faster.", limits(results),
        "## Start-up", startup(results),
        "## Scaling",
        f"One epoch of a VAE with 400 hidden units on random pixels. Unless varied: {at}.",
        growth(results), "## Versions", environments(results),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def picture(results: Results):
    """Return bars of the ratios with their range, from the line at 1, which is narrows; goals are marked."""
    bars = []
    for name in reversed(results["works"]):
        rows = [r for r in report.rows(name, results) if r.ratio and not r.limit and ", another seed" not in r.title]
        wanted = {CONTENDERS[k].title: g.times for g in WORKS[name].goals for k in g.against if len(g.against) == 1}
        bars += [(row.title, row.ratio, wanted.get(row.title)) for row in reversed(rows)] + [(name, None, None)]
    figure, axes = page_of(7.0, 0.6 + 0.19 * len(bars))
    labels = []
    for y, (title, ratio, wanted) in enumerate(bars):
        labels.append(WORKS[title].title if ratio is None else title)
        if ratio is None:
            continue
        ends = [[ratio.median - ratio.low], [ratio.high - ratio.median]]
        colour = SECOND if ratio.median >= 1 else FAINT
        axes.barh(y, ratio.median - 1, 0.65, 1, color=colour, xerr=ends, error_kw={"ecolor": INK, "lw": 0.8})
        beside = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
        # A goal that would run through the number is passed on its far side.
        near = wanted is not None and ratio.high <= wanted < 1.6 * max(1.0, ratio.high)
        at = wanted if near else max(1.0, ratio.high)
        axes.annotate(f"{ratio.median:.2f}", (at, y), fontsize=7, color=INK, **beside)
        if wanted:
            axes.plot([wanted] * 2, [y - 0.45, y + 0.45], color=ACCENT, lw=1.5)
    axes.axvline(1, color=INK, lw=0.8)
    axes.set_xscale("log", base=2)
    axes.set_yticks(range(len(bars)), labels)
    for label, (_, ratio, _) in zip(axes.get_yticklabels(), bars, strict=True):
        label.set(fontsize=7, color=INK, fontweight="normal" if ratio else "bold")
    low, high = axes.get_xlim()
    powers = range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
    axes.set_xticks([2.0**p for p in powers], [f"{2**p}" if p >= 0 else f"1/{2**-p}" for p in powers])
    axes.set_xlim(low, high * 1.4)
    axes.set_ylim(-0.8, len(bars) - 0.2)
    axes.set_xlabel("times as long as narrows (goals in red)")
    return rendered(figure)


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="?", default=Path(__file__).with_name("results.json"), type=Path)
    parser.add_argument("--out", default=DOCS, type=Path)
    asked = parser.parse_args()
    results: dict[str, Any] = json.loads(asked.results.read_text())
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "performance.md").write_text(text(results))
    picture(results).save(asked.out / "performance.png", optimize=True)


if __name__ == "__main__":
    main()
