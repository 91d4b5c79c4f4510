"""The order of rows is a bijection, looks drawn, and is the same from wherever it is begun."""

import numpy as np
import pytest
from scipy.stats import chi2

from narrows.data.order import Division, Order, Permutation

SIZES = [1, 2, 3, 7, 8, 9, 16, 17, 100, 255, 256, 257, 1000]


@pytest.mark.parametrize("drawn", [0, 2**20])
@pytest.mark.parametrize("n", SIZES)
def test_a_permutation_is_a_bijection(n, drawn):
    rows = Permutation(n, 0, 1, drawn=drawn)(np.arange(n))
    np.testing.assert_array_equal(np.sort(rows), np.arange(n))
    assert n < 16 or not np.array_equal(rows, Permutation(n, 0, 2, drawn=drawn)(np.arange(n)))


def test_a_permutation_of_many_rows_is_a_bijection():
    n = 2**20 + 3
    assert (np.bincount(Permutation(n, 0, 1)(np.arange(n)), minlength=n) == 1).all()


@pytest.mark.parametrize("drawn", [0, 2**20])
def test_positions_and_neighbours_are_uniform(drawn):
    n, trials = 13, 3000
    rows = np.stack([Permutation(n, seed, drawn=drawn)(np.arange(n)) for seed in range(trials)])
    counts = np.stack([np.bincount(rows[:, position], minlength=n) for position in range(n)])
    assert chi2.sf(((counts - trials / n) ** 2 / (trials / n)).sum(), (n - 1) ** 2) > 1e-3
    pairs = np.zeros((n, n))
    np.add.at(pairs, (rows[:, :-1].ravel(), rows[:, 1:].ravel()), 1)
    expected, among = trials / n, ~np.eye(n, dtype=bool)
    assert chi2.sf(((pairs[among] - expected) ** 2 / expected).sum(), n * (n - 1) - 1) > 1e-3


@pytest.mark.parametrize(("block", "window"), [(1, 1), (10, 40), (300, 3000), (2**20, 2**26)])
@pytest.mark.parametrize("n", SIZES)
def test_an_order_is_a_bijection_from_wherever_it_begins(n, block, window):
    order = Order(n, 3, 5, 1, block=block, window=window)
    rows = order.rows(0, n)
    np.testing.assert_array_equal(np.sort(rows), np.arange(n))
    for start in (n // 3, n - 1, n):
        np.testing.assert_array_equal(Order(n, 3, 5, 1, block=block, window=window).rows(start, n), rows[start:])
    spans = [span for window in range(order.windows) for span in order.spans(window)]
    assert sum(span.stop - span.start for span in spans) == n


def test_every_row_may_come_at_any_place():
    """Also those of the rest that fills no block: where blocks begin is another place in every epoch."""
    n, epochs = 50, 500
    places = np.stack([np.argsort(Order(n, 1, 0, epoch, block=7, window=21).rows(0, n)) for epoch in range(epochs)])
    counts = np.stack([np.bincount(places[:, row] // 10, minlength=5) for row in range(n)])
    assert chi2.sf(((counts - epochs / 5) ** 2 / (epochs / 5)).sum(), 4 * (n - 1)) > 1e-3


def test_a_window_reads_whole_blocks():
    order = Order(10_000, 100, 0, 1, block=1000, window=10_000)  # 10 rows a block, 10 blocks a window
    assert order.windows == 100
    spans = order.spans(3)
    assert sum(span.stop - span.start for span in spans) == 100
    assert len(spans) <= 11
    rows = order.rows(order.start_of(3), order.start_of(4))
    assert {row // 10 for row in (rows - order._shift).tolist()} == {(s.start - order._shift) // 10 for s in spans}


@pytest.mark.parametrize("n", SIZES)
def test_a_division_holds_out_so_many_rows_of_all_parts(n):
    for k in {0, 1, n // 5, n // 2, n - 1, n}:
        division = Division(n, k, 3)
        held, kept = division.held(np.arange(k)), division.kept(np.arange(n - k))
        np.testing.assert_array_equal(np.sort(np.concatenate([held, kept])), np.arange(n))
        assert (np.diff(held) > 0).all()
        assert (np.diff(kept) > 0).all()
        if k and 2 * k <= n:
            edges = np.arange(k + 1) * n // k
            assert ((edges[:-1] <= held) & (held < edges[1:])).all()


def test_a_division_is_drawn_with_its_seed():
    one, other = (Division(1000, 100, seed).held(np.arange(100)) for seed in (0, 1))
    assert (one != other).sum() > 70
    assert abs((one % 10).mean() - 4.5) < 1
