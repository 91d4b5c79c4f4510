"""docs/defaults.md from what `defaults.py` measured, and its lines for the terminal. Nothing in them is typed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from page import DOCS, about, grid

Fit = dict[str, Any]
NEAR = 1.05
"""What a VAE's error may be of PCA's on pixels: it is trained for the bound, not for the error."""
EVEN = 1e-3
"""A difference of ratios, or in nats, that is none: a fit that stays at PCA differs from it by rounding."""
HEAD = """# Defaults

What a first fit gives, with nothing set but the seed, on data as people have them: `AE().fit(X_train)` and
`VAE().fit(X_train)`, 30% of the rows held out by a seeded split, beside PCA with the same latent dimension fitted to
the same training rows. For tables a code of a quarter of the columns is measured as well. Every figure is of held-out
rows, and a median over the seeds with its range."""
SCALE = """**Which scale.** An error is a sum over columns, so that it depends on their units. narrows standardises the
columns of tables and the features of series unless all values lie in [0, 1]; pixels count in [0, 1]. The first ratio
is taken on that scale, where both the model and its PCA minimise the error. This is the one to judge by: no column
counts more because of its unit. Beside it stand the same reconstructions against a PCA fitted to the data *as given*
and to *standardised* columns. Where the units of columns differ widely, PCA of the data as given is a reconstruction
of the one or two columns with the largest numbers, and whatever treats columns alike is far from it, PCA of
standardised columns included: set `scale=None` where the units are meant so."""
WAYS = """**What `epochs="auto"` does.** A tenth of the samples is held out, 100 at least, 10,000 or a quarter of all at
most; they choose the best epoch, PCA's maps without any training included. Where that is more than a tenth, of 80 to
1,000 samples, the model is then trained anew on all of them, for as many steps as were best; a learned scale of the
likelihood is corrected by what the held-out samples said of it, since training samples lie nearer to what was fitted
to them. What was better by less than 1.645 standard errors counts as chance, and leaves PCA of all samples.
`fit(X, validation=...)` holds out what it is given, and trains once. `narrows train` trains the same model as `fit`,
bit for bit, unless `--validation` gives a share, the data come with a validation split or without a test split, or the
rows are in the order of time: then a tenth is held out apart, the last rows of a series, and the model is trained
once."""
READING = """`-` as a ratio: PCA's code holds the sample, and its error is rounding alone; *leaves* is the share of the
variance that the AE leaves. *Nats above PPCA* is the held-out ELBO less the exact log-likelihood of probabilistic PCA
with the same latent dimension, per sample; `-` where the likelihood is no density. MLPRegressor is scikit-learn's at
its defaults, with the layers of narrows' network, trained to reconstruct the same values; *time* is its time over
AE's, `-` where it would take too long. Times are those of the processor, on one thread: other work on the machine does
not count."""
UNSCALED = """## As given

Tables and series with `scale=None`, whose columns keep their units: the error and PCA's are of the data as given."""
FAILED = (
    """*failed*: the number of seeds whose training diverged, with an error that says so; the others are measured."""
)
NETWORKS = """## Why auto is what it is

Every network at its defaults, all else equal, one seed. The best of each row is in bold."""


def number(value: float | None) -> str:
    """Return a ratio or a share with three digits, a dash where there is none."""
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def line(fit: Fit) -> str:
    """Return a fit as a line for the terminal."""
    ae, vae, rival = fit["AE"], fit["VAE"], fit.get("rival")
    parts = [
        f"{fit['data']:18} {fit['rows']:5} of {size(fit):8} -> {fit['latent_dim']:3} {fit['network'][:12]:12} "
        f"seed {fit['settings']['seed']}",
        f"AE failed: {ae['failed']}" if "failed" in ae else
        f"AE/PCA {number(ae['ratio']):6} as given {number(ae['as_given']):6} "
        f"standardised {number(ae.get('standardised')):6} leaves {number(ae['left']):8} in training "
        f"{number(ae['fitted']):8} {ae['epochs']:4} epochs {ae['processor']:6.2f} s",
        f"VAE failed: {vae['failed']}" if "failed" in vae else
        f"VAE nats above PPCA {number(vae.get('gain')):8} /PCA {number(vae['ratio']):6} {vae['epochs']:4} epochs "
        f"{vae['processor']:6.2f} s",
    ]  # fmt: skip
    if rival:
        parts.append(f"MLPRegressor/PCA {number(rival['ratio']):6} {rival['processor']:6.2f} s")
    return "  ".join(parts)


def size(fit: Fit) -> str:
    """Return the shape of a sample."""
    return "x".join(map(str, fit["shape"]))


class Row:
    """The fits of one data set with one code, a seed each."""

    def __init__(self, fits: Sequence[Fit]) -> None:
        self.fits, self.first = fits, fits[0]

    def values(self, model: str, key: str) -> list[float]:
        """Return what was measured of a model, where it was."""
        found = [fit.get(model) or {} for fit in self.fits]
        return [values[key] for values in found if values.get(key) is not None]

    def middle(self, model: str, key: str) -> float | None:
        """Return the median over the seeds."""
        values = self.values(model, key)
        return median(values) if values else None

    def ranged(self, model: str, key: str) -> str:
        """Return the median with the range, and how many seeds failed."""
        values, failed = self.values(model, key), self.failed(model)
        if not values:
            return f"failed {failed}" if failed else "-"
        low, high = number(min(values)), number(max(values))
        spread = f" ({low} to {high})" if low != high else ""
        return number(median(values)) + spread + (f", failed {failed}" if failed else "")

    def failed(self, model: str) -> int:
        """Return with how many seeds the training of a model diverged."""
        return sum("failed" in (fit.get(model) or {}) for fit in self.fits)

    @property
    def times(self) -> float | None:
        """MLPRegressor's time over AE's of the same seed: the median."""
        timed = [fit for fit in self.fits if fit.get("rival") and "processor" in fit["AE"]]
        pairs = [(fit["rival"]["processor"], fit["AE"]["processor"]) for fit in timed]
        return median(theirs / own for theirs, own in pairs) if pairs else None


def rows_of(fits: dict[str, Fit], part: str) -> list[Row]:
    """Return the fits of a part, those of all seeds together."""
    groups: dict[str, list[Fit]] = {}
    for fit in fits.values():
        if fit["part"] == part:
            others = {name: value for name, value in fit["settings"].items() if name != "seed"}
            groups.setdefault(f"{fit['data']} {others}", []).append(fit)
    return [Row(group) for group in groups.values()]


def verdicts(rows: Sequence[Row], model: str, key: str, worse: Callable[[float], bool]) -> tuple[int, int, list[str]]:
    """Return how many data sets are not worse, of how many, and which ones are worse in the median, or failed.

    Those whose seeds fall on both sides are named with "some seeds".
    """
    found, losers, worst = 0, [], math.inf if worse(math.inf) else -math.inf
    for row in rows:
        if values := [*row.values(model, key), *[worst] * row.failed(model)]:
            found += 1
            name = f"{row.first['data']} (code {row.first['latent_dim']})"
            if worse(median(values)):
                losers.append(name + ("" if all(map(worse, values)) else ", some seeds"))
    return found - len(losers), found, losers


def summary(rows: Sequence[Row]) -> str:
    """Return the counts."""
    pixels = [row for row in rows if row.first["AE"].get("scale") == "pixels"]
    lines = []
    for of, what, model, key, worse in (
        (rows, "`AE`: the error is at most PCA's", "AE", "ratio", lambda v: v > 1 + EVEN),
        (rows, "the same against PCA of standardised columns", "AE", "standardised", lambda v: v > 1 + EVEN),
        (rows, "the same against PCA of the data as given", "AE", "as_given", lambda v: v > 1 + EVEN),
        (rows, "`VAE`: the ELBO is at least probabilistic PCA's log-likelihood", "VAE", "gain", lambda v: v < -EVEN),
        (pixels, f"`VAE` on pixels: the error is at most {NEAR} of PCA's", "VAE", "ratio", lambda v: v > NEAR),
        (rows, "MLPRegressor: the error is at most PCA's", "rival", "ratio", lambda v: v > 1 + EVEN),
    ):  # fmt: skip
        good, n, losers = verdicts(of, model, key, worse)
        values = [value for row in of if (value := row.middle(model, key)) is not None]
        if values:
            named = "" if not losers else ": " + ", ".join(losers) if len(losers) < 7 else f": {len(losers)} are"
            lines.append([what, f"{good} of {n}", number(median(values)), f"not so{named}" if losers else ""])
    if times := [row.times for row in rows if row.times is not None]:
        slower = sum(value < 1 for value in times)
        lines.append(["MLPRegressor's time is at least AE's", f"{len(times) - slower} of {len(times)}",
                      number(median(times)), ""])  # fmt: skip
    return grid(["", "data sets and codes", "median", ""], lines)


def table(rows: Sequence[Row]) -> str:
    """Return a line per data set and code."""
    lines = []
    for row in rows:
        first = row.first
        lines.append([
            first["data"], f"{first['rows']:,} of {size(first)}", str(first["latent_dim"]), first["network"],
            row.ranged("AE", "ratio"), number(row.middle("AE", "as_given")), number(row.middle("AE", "standardised")),
            number(row.middle("AE", "left")), row.ranged("VAE", "gain"), number(row.middle("VAE", "ratio")),
            seconds(row.middle("AE", "processor")), seconds(row.middle("VAE", "processor")),
            number(row.middle("rival", "ratio")), number(row.times),
        ])  # fmt: skip
    head = ["data", "samples", "code", "network", "AE: error / PCA's", "as given", "standardised", "leaves",
            "VAE: nats above PPCA", "error / PCA's", "AE, s", "VAE, s",
            "MLPRegressor: error / PCA's", "time"]  # fmt: skip
    return grid(head, lines)


def seconds(value: float | None) -> str:
    """Return seconds with two digits."""
    return "-" if value is None else f"{value:.2g}" if value < 100 else f"{value:.0f}"


def networks(rows: Sequence[Row]) -> str:
    """Return a line per data set: every network's error, bound and time."""
    names: list[str] = []
    groups: dict[tuple[str, Any], dict[str, Fit]] = {}
    for row in rows:
        name = row.first["settings"]["network"]
        names += [name] if name not in names else []
        groups.setdefault((row.first["data"], row.first["latent_dim"]), {})[name] = row.first
    parts = []
    for title, model, key, best in (
        ("Error of AE over PCA's", "AE", "ratio", min), ("Held-out ELBO of VAE, nats per sample", "VAE", "elbo", max),
        ("Seconds of AE", "AE", "processor", min),
    ):  # fmt: skip
        lines = []
        for (data, _), fits in groups.items():
            values = {name: fit[model][key] for name, fit in fits.items() if fit[model].get(key) is not None}
            first = next(iter(fits.values()))
            if values:
                top = best(values.values())
                cells = [number(values.get(name)) for name in names]
                cells = [f"**{c}**" if values.get(n) == top else c for n, c in zip(names, cells, strict=True)]
                lines.append([data, f"{first['rows']:,} of {size(first)}", str(first["latent_dim"]), *cells])
        parts.append(f"### {title}\n\n" + grid(["data", "samples", "code", *names], lines))
    return "\n\n".join(parts)


def text(results: dict[str, Any]) -> str:
    """Return the page."""
    rows, others, unscaled = (rows_of(results["fits"], part) for part in ("defaults", "networks", "unscaled"))
    checks = [fit[model].get(key, 0.0) for fit in results["fits"].values() for model in ("AE", "VAE")
              for key in ("check", "check_likelihood")]  # fmt: skip
    trial = any("epochs" in fit["settings"] for fit in results["fits"].values())
    parts = [HEAD, "> **This is a trial (`--quick`): no figure here says anything.**" if trial else ""]
    if rows:
        parts += [summary(rows), WAYS, SCALE, "## Every data set", table(rows), READING]
    if unscaled:
        parts += [UNSCALED, summary(unscaled), table(unscaled)]
    if any(row.failed(model) for row in (*rows, *unscaled) for model in ("AE", "VAE")):
        parts.append(FAILED)
    if others:
        parts += [NETWORKS, networks(others)]
    parts += ["## About", "narrows' PCA and its likelihood differ from scikit-learn's by at most "
              f"{max(checks, default=math.nan):.0e} of their values here.", about(results)]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def write(path: Path) -> None:
    """Write docs/defaults.md from a file of results."""
    (DOCS / "defaults.md").write_text(text(json.loads(path.read_text())))
