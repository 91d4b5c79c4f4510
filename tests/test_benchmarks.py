"""The benchmark's arithmetic on timings that are made up: no rival is needed, and nothing is timed."""

import importlib
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not FOLDER.exists():
    pytest.skip("the benchmark is not part of this copy of the source", allow_module_level=True)
sys.path.insert(0, str(FOLDER))
try:
    environments, measures, page, process, report, works = map(
        importlib.import_module, ("environments", "measures", "page", "process", "report", "works")
    )
finally:
    sys.path.remove(str(FOLDER))


def entry(*seconds, quality=None, peak=600.0):
    found = {"seconds": list(seconds), "bare": 200.0, "peak": peak}
    return found | ({"quality": {"test_error": quality}} if quality is not None else {"quality": {}})


@pytest.fixture
def results():
    contenders = {
        "narrows": entry(1.0, 1.0, 2.0, quality=105.8),
        "torch_classic": entry(7.0, 7.5, 13.0, quality=106.0),
        "torch_memory": entry(2.0, 1.8, 4.0, quality=105.6),
        "lightning": {"error": "ModuleNotFoundError: No module named 'lightning'"},
        "gemm_bf16": entry(0.5, 0.5, 1.0),
        "torch_memory again": entry(2.0, 2.0, 4.0, quality=106.1),
    }
    return {
        "command": "python benchmarks/run.py", "started": "2026-01-02T03:04:05", "quick": False, "source": "0123abc",
        "machine": {"processor": "made up", "threads": 2},
        "environments": {"narrows": {"packages": {"torch": "2.13.0"}}, "lightning": {"error": "no such version"}},
        "works": {"vae": {"rounds": 3, "settings": {}, "contenders": contenders}},
        "startup": {"help": [0.3, 0.5, 0.2]},
        "growth": [
            {"axis": "rows", "value": value, "contender": key, "seconds": seconds, "peak": peak, "bare": 200.0}
            for value, key, seconds, peak in (
                (1000, "narrows", [0.1, 0.3], 250.0),
                (2000, "narrows", [0.5, 0.5], 260.0),
                (2000, "torch_memory", [1.5, 0.75], 230.0),
            )
        ],
    }  # fmt: skip


def test_everyone_begins_a_round_in_turn():
    names = ["a", "b", "c"]
    rounds = [measures.rotation(names, i) for i in range(4)]
    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def test_ratios_are_of_the_same_round():
    # The third round was slow for both: its ratio is not.
    assert measures.ratios([2.0, 1.8, 40.0], [1.0, 1.0, 20.0]) == measures.Spread(2.0, 1.8, 2.0, 3)
    assert measures.spread([3.0, 1.0, 2.0, 10.0]) == measures.Spread(2.5, 1.0, 10.0, 4)
    with pytest.raises(ValueError, match="shorter"):
        measures.ratios([1.0, 2.0], [1.0])


def test_the_fastest_rival_of_each_round_counts():
    assert measures.fastest([[3.0, 1.0], [2.0, 5.0]]) == [2.0, 1.0]


@pytest.mark.parametrize(
    ("value", "references", "said"),
    [
        (105.9, (105.5, 106.0), "equal"),  # between the seeds
        (106.4, (105.5, 106.0), "equal"),  # as far from one seed as the other is
        (106.6, (105.5, 106.0), "not equal"),
        (104.9, (105.5, 106.0), "better"),
        (105.9, (105.7, 105.7), "equal"),  # two seeds agree by chance: 0.3% is left
        (106.1, (105.7, 105.7), "not equal"),
        (float("nan"), (105.5, 106.0), "not equal"),
    ],
)
def test_a_result_is_as_good_within_the_spread_of_two_seeds(value, references, said):
    assert measures.verdict(value, references) == said


def test_differences_below_the_least_and_errors_below_the_limit_are_none():
    assert measures.verdict(8e-6, (1e-9, 2e-9)) == "not equal"
    assert measures.verdict(8e-6, (1e-9, 2e-9), least=1e-5) == "equal"
    assert measures.within(1e-4, 1e-4) == "equal"
    assert measures.within(2e-4, 1e-4) == "not equal"


def test_rows_tell_of_everybody(results):
    found = {row.title: row for row in report.rows("vae", results)}
    assert found["classic PyTorch script"].ratio == measures.Spread(7.0, 6.5, 7.5, 3)
    assert found["narrows"].ratio is None
    assert found["narrows"].memory == 400
    assert found["narrows"].verdict == "equal"
    assert found["Lightning"].error.endswith("No module named 'lightning'")
    assert found["matrix products only, bf16"].limit
    assert found["matrix products only, bf16"].verdict == ""
    assert found["PyTorch in memory, another seed"].ratio.median == 2


def test_a_round_of_many_calls_is_told_by_the_call(results):
    contenders = {"narrows": entry(1.0, quality=1e-3), "torch_memory": entry(3.0, quality=1e-3)}
    results["works"] = {"encode_one": {"rounds": 1, "settings": {"calls": 1000}, "contenders": contenders}}
    own, rival = report.rows("encode_one", results)
    assert (own.seconds.median, rival.seconds.median, rival.ratio.median) == (1e-3, 3e-3, 3.0)


def test_goals_count_only_at_equal_quality(results):
    classic, frameworks = report.goals("vae", results)
    assert (classic.ratio.median, classic.reached) == (7.0, True)
    assert (frameworks.ratio.median, frameworks.reached) == (2.0, True)  # who is left out does not count
    results["works"]["vae"]["contenders"]["narrows"]["quality"]["test_error"] = 107.0
    assert not any(goal.reached for goal in report.goals("vae", results))


def test_without_the_second_seed_nothing_is_reached(results):
    del results["works"]["vae"]["contenders"]["torch_memory again"]
    assert {row.verdict for row in report.rows("vae", results) if row.quality} == {"no reference"}
    assert not any(goal.reached for goal in report.goals("vae", results))


def test_who_misses_the_bound_is_no_rival(results):
    contenders = {
        "narrows": entry(1.0, quality=1e-7),
        "sklearn_eigh": entry(1.5, quality=1e-7),
        "sklearn_randomized": entry(0.5, quality=4e-5),
    }
    results["works"] = {"pca64": {"rounds": 1, "settings": {}, "contenders": contenders}}
    (goal,) = report.goals("pca64", results)
    assert (goal.ratio.median, goal.reached) == (1.5, True)


def test_the_page_tells_what_was_found_and_what_was_not(results):
    text = page.text(json.loads(json.dumps(results)))
    assert "| 6.5x faster than classic PyTorch script | 7.00x (6.50 to 7.50) | equal | yes |" in text
    assert "| matrix products only, bf16 | 500 ms | 50% |" in text
    assert "| narrows --help | < 0.4 s | 300 ms |  | yes |" in text
    assert "| lightning | left out: no such version |" in text
    assert "| 1,000 | 200 ms | 50 MB |  | left out |  |" in text
    assert "| 2,000 | 500 ms | 60 MB | 1.12 s | 30 MB | 2.25x (1.50 to 3.00) |" in text
    assert "trial" not in text
    assert "trial" in page.text(results | {"quick": True})
    assert page.picture(results).width > 500


def test_works_name_contenders_that_there_are():
    for work in works.WORKS.values():
        named = {*work.contenders, *(key for goal in work.goals for key in goal.against)}
        assert named <= set(works.CONTENDERS)
        assert (work.reference is None) == (work.limit is not None)
        assert work.reference is None or work.reference in work.contenders
    for contender in works.CONTENDERS.values():
        assert contender.environment in environments.REQUIREMENTS
        assert (process.SCRIPTS / contender.script).is_file()


def test_versions_are_pinned_in_one_place():
    loose = [r for all_of in environments.REQUIREMENTS.values() for r in all_of if "==" not in r and "/" not in r]
    assert loose == ["-e"]


def test_every_contender_has_the_same_number_of_threads(monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    env = process.variables(2, tmp_path)
    assert {env[f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS")} == {"2"}
    assert env["NARROWS_BENCHMARK_DATA"] == str(tmp_path)
