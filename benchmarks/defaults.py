"""Measure fits at default settings on data that a user might have, held out, against PCA of the same size.

python benchmarks/defaults.py                     every data set, three seeds: about an hour on two cores
python benchmarks/defaults.py --only iris,wine    some of them
python benchmarks/defaults.py --quick             two epochs of small parts: does it all run?
python benchmarks/defaults.py --part networks     every network instead of the default one, with one seed
python benchmarks/defaults.py --page              write docs/defaults.md from what was measured

What was measured is kept in benchmarks/defaults.json, written after each fit: the same command goes on where it was
stopped. Data sets that this machine lacks are said and left out; NARROWS_DATA is the folder that holds them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

PARTS = ("defaults", "networks", "unscaled")
HERE = Path(__file__).resolve().parent
QUICK = 120
"""Samples of a quick run."""


def main() -> None:
    """Measure, print a line per fit, and write the file after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="data sets, with commas between")
    parser.add_argument("--skip", default="", help="data sets to leave out, written alike")
    parser.add_argument("--seeds", type=int, default=3, help="0, 1 and so on (default 3)")
    parser.add_argument(
        "--part", default="defaults", choices=PARTS,
        help="the defaults; every network with one seed; tables and series as given, with scale=None",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, help="of narrows and scikit-learn alike (default 1)")
    parser.add_argument("--no-rival", action="store_true", help="without scikit-learn's MLPRegressor")
    parser.add_argument("--quick", action="store_true", help="two epochs of small parts")
    parser.add_argument("--again", action="store_true", help="measure anew what the file holds already")
    parser.add_argument("--list", action="store_true", help="name the data sets")
    parser.add_argument("--page", action="store_true", help="write docs/defaults.md from the file")
    parser.add_argument("--out", type=Path, help="the file (default: defaults.json beside this script)")
    asked = parser.parse_args()
    if asked.seeds < 1 or asked.threads < 1:
        parser.error("--seeds and --threads must be 1 or more")
    for name in ("OMP", "MKL", "OPENBLAS"):  # before numpy and torch are there
        os.environ[f"{name}_NUM_THREADS"] = str(asked.threads)
    from default_data import SOURCES

    path = asked.out or HERE / ("defaults-quick.json" if asked.quick else "defaults.json")
    if asked.list:
        print("\n".join(f"{source.kind:8}{name}" for name, source in SOURCES.items()))
    elif asked.page:
        from default_page import write

        write(path)
    else:
        wanted, unwanted = _names(parser, asked.only, SOURCES), _names(parser, asked.skip, SOURCES)
        run([name for name in wanted or SOURCES if name not in unwanted], path, asked)


def run(names: list[str], path: Path, asked: argparse.Namespace) -> None:
    """Measure data sets that the file does not hold yet."""
    from default_data import LIMITS, MOST, SOURCES, MissingDataError, read
    from default_fits import measure
    from default_page import line
    from run import machine, source

    found = _read(path)
    found |= {
        "command": "python benchmarks/defaults.py " + shlex.join(sys.argv[1:]), "source": source(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(asked.threads),
    }  # fmt: skip
    measure(read("iris", QUICK), {"seed": 0, "epochs": 1})  # what is loaded and started once
    for name in names:
        kind = SOURCES[name].kind
        try:
            X = read(name, QUICK if asked.quick else LIMITS.get(name, MOST))
        except MissingDataError as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        pending = [settings | ({"epochs": 2} if asked.quick else {}) for settings in _settings(kind, asked)]
        while pending:
            settings = pending.pop(0)
            key = f"{name}; {', '.join(f'{option}={value}' for option, value in settings.items())}"
            if asked.again or key not in found["fits"]:
                started = time.perf_counter()
                fit = measure(X, settings, rival=asked.part == "defaults" and not asked.no_rival)
                fit |= {"data": name, "kind": kind, "part": asked.part, "source": source(),
                        "took": time.perf_counter() - started}  # fmt: skip
                found["fits"][key] = fit
                _save(path, found)
                print(line(fit), flush=True)
            if "latent_dim" not in settings:
                pending[:0] = [settings | {"latent_dim": k} for k in _narrower(found["fits"][key])]


def _settings(kind: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the settings of all fits of a part, for samples of a kind."""
    from default_data import NETWORKS

    if asked.part == "networks":
        return [{"network": network, "seed": 0} for network in NETWORKS[kind]]
    if asked.part == "unscaled":
        return [{"scale": None, "seed": seed} for seed in range(asked.seeds) if kind != "images"]
    return [{"seed": seed} for seed in range(asked.seeds)]


def _narrower(fit: dict[str, Any]) -> list[int]:
    """Return a quarter of a table's columns, where the default code is wider."""
    k = max(2, math.prod(fit["shape"]) // 4)
    return [k] if fit["kind"] == "table" and k < fit["latent_dim"] else []


def _names(parser: argparse.ArgumentParser, text: str, known: dict[str, Any]) -> list[str]:
    """Return the names of a list; those with a comma are found whole first."""
    names, rest = [], text
    for name in sorted(known, key=len, reverse=True):
        if f",{name}," in f",{rest},":
            rest = f",{rest},".replace(f",{name},", ",")
            names.append(name)
    if unknown := [name for name in rest.split(",") if name]:
        parser.error(f"no data set is called {', '.join(unknown)}: see --list")
    return [name for name in known if name in names]


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {"fits": {}}


def _save(path: Path, found: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(found, indent=1) + "\n")
    new.replace(path)


if __name__ == "__main__":
    main()
