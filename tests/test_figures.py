import threading

import numpy as np
import pytest

from narrows import figures
from narrows.analyses.latent_map import agreement
from narrows.figures import charts, levels_of
from narrows.figures.samples import colours_of, resized


def pixels(picture):
    return np.asarray(picture)


def history(n, **terms):
    return [
        {"epoch": i, "train": {name: f(i) for name, f in terms.items()}, "validation": None} for i in range(1, n + 1)
    ]


def test_images_are_shown_pixel_by_pixel():
    X = np.array([[[[0, 255], [128, 64]]]], np.uint8)
    page = pixels(figures.gallery(X))
    margin, scale = 12, 48  # the longer side of 2 pixels gets 96
    assert page.shape == (2 * margin + 96, 2 * margin + 96, 3)
    for row in range(2):
        for column in range(2):
            block = page[margin + row * scale :, margin + column * scale :][:scale, :scale]
            assert (block == X[0, 0, row, column]).all()


def test_colours_and_other_numbers_of_channels():
    red = np.zeros((1, 3, 4, 6), np.uint8)
    red[:, 0] = 200
    page = pixels(figures.gallery(red))
    assert (page[12:-12, 12:-12] == (200, 0, 0)).all()
    two = np.stack([np.zeros((1, 4, 4)), np.ones((1, 4, 4))], 1)
    assert set(pixels(figures.gallery(two))[12:-12, 12:-12].ravel().tolist()) == {128}  # their mean


def test_reconstructions_stand_below_originals_on_the_same_scale():
    original, rebuilt = np.zeros((3, 1, 8, 8), np.float32), np.full((3, 1, 8, 8), 2.0, np.float32)
    original[0] = 1.0
    page = pixels(figures.compare({"original": original, "reconstruction": rebuilt}))
    top, bottom = page[12 : 12 + 96, -108:-12], page[12 + 98 : 12 + 98 + 96, -108:-12]
    assert (top == 0).all()  # the last original is 0
    assert (bottom == 255).all()  # 2 is beyond the originals' range: white


def test_values_outside_0_1_use_the_range_of_the_first_version():
    X = np.array([-3.0, 1.0], np.float32).reshape(1, 1, 1, 2)
    page = pixels(figures.gallery(X))
    assert page[12, 12].tolist() == [0, 0, 0]
    assert page[12, -13].tolist() == [255, 255, 255]


def test_large_images_are_reduced_by_a_whole_number():
    page = figures.gallery(np.zeros((1, 3, 600, 400), np.uint8))
    assert page.size == (400 // 3 + 24, 600 // 3 + 24)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (5,), (40,), (30, 2), (28, 28), (1, 7, 5), (3, 5, 9), (1, 1, 6)])
def test_every_kind_of_sample_has_pictures(shape):
    X = np.random.default_rng(0).normal(size=(figures.room(shape), *shape))
    for picture in (figures.compare({"a": X, "b": X / 2}, samples=X[:4]), figures.gallery(X[:9])):
        page = pixels(picture)
        assert picture.mode == "RGB"
        assert page.std() > 5  # something is drawn
        assert max(page.shape) < 3000


def test_a_gallery_is_square_where_images_are():
    page = figures.gallery(np.zeros((64, 1, 28, 28), np.uint8))
    assert page.width == page.height
    wide = figures.gallery(np.zeros((6, 1, 8, 8), np.uint8), columns=6)
    assert wide.width > 5 * wide.height


def test_a_term_that_is_the_loss_again_gets_no_panel():
    twin = history(5, loss=lambda i: 9 / i, reconstruction=lambda i: 9 / i, elbo=lambda i: -9 / i)
    assert charts._drawn(twin) == ["loss"]
    other = history(5, loss=lambda i: 9 / i, reconstruction=lambda i: 7 / i, kl=lambda i: 2 / i, elbo=lambda i: -9 / i)
    assert charts._drawn(other) == ["loss", "reconstruction", "kl"]


@pytest.mark.parametrize("n", [1, 2, 100])
def test_curves_of_any_length_with_and_without_validation(n):
    records = history(n, loss=lambda i: 1000.0 / i**2, kl=lambda i: float(i))
    alone = pixels(figures.curves(records))
    records[-1]["validation"] = {"loss": None, "kl": 3.0}  # null: it was not finite
    assert pixels(figures.curves(records)).shape == alone.shape


@pytest.mark.parametrize("k", [1, 2, 7])
@pytest.mark.parametrize(
    "labels",
    [None, np.arange(30) % 3, np.arange(30) % 2 == 0, np.linspace(0, 1, 30), np.arange(30), np.zeros(30, int)],
    ids=["none", "classes", "bool", "numbers", "too many classes", "one class"],
)
def test_maps_of_codes(k, labels):
    Z = np.random.default_rng(0).normal(size=(30, k))
    assert pixels(figures.latent_map(Z, labels, ("a", "b", "c"))).std() > 5


def test_the_map_of_many_numbers_keeps_classes_apart():
    """Groups whose two principal components are the same noise: PCA lays them on each other, t-SNE does not."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    Z = np.concatenate([rng.normal(size=(180, 2)) * 9, np.eye(3)[labels] * 12 + rng.normal(size=(180, 3)) * 0.1], 1)
    points, names = charts._plane(Z, classes=True, seed=0)
    flat, _ = charts._plane(Z, classes=False, seed=0)
    assert "t-SNE" in names[0]
    apart = [agreement(found, labels, 10) for found in (points, flat)]
    assert apart[0] > 0.9 > 0.8 > apart[1]


def test_the_plane_of_many_numbers_is_that_of_most_variance():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(500, 4)) * [0.1, 5, 0.1, 2] + 7
    flat, names = charts._plane(Z, classes=False, seed=0)
    assert np.abs(np.corrcoef(flat[:, 0], Z[:, 1])[0, 1]) > 0.999
    assert np.abs(np.corrcoef(flat[:, 1], Z[:, 3])[0, 1]) > 0.999
    share = flat[:, 0].var() / Z.var(0).sum()
    assert f"({share:.0%} of the variance)" in names[0]


def test_codes_that_do_not_vary_and_a_single_code_are_drawn():
    assert figures.latent_map(np.ones((5, 3))).mode == "RGB"
    assert figures.latent_map(np.ones((1, 3))).mode == "RGB"
    assert figures.latent_map(np.ones((4, 1))).mode == "RGB"


def test_pictures_can_be_made_in_any_thread_and_leave_no_global_figure():
    import sys

    found = []
    thread = threading.Thread(target=lambda: found.append(figures.latent_map(np.eye(4)).size))
    thread.start()
    thread.join()
    assert found == [figures.latent_map(np.eye(4)).size]
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_a_plane_has_no_seams_and_y_grows_upwards():
    X = np.linspace(0, 1, 6).reshape(2, 3, 1, 1, 1) * np.ones((2, 3, 1, 4, 4))  # (y, x, ...)
    page = pixels(figures.plane(X, np.array([-1.0, 0, 1]), np.array([0.0, 2])))
    k = 24 * 4  # tiles of 4 pixels are enlarged 24 times
    rows, columns = np.nonzero((page == 51).all(2))  # the second tile of the lower row: 0.2 * 255
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == k
    top, left = rows.min(), columns.min()
    for dy, row in ((0, 0), (-k, 1)):
        for dx, column in ((-k, 0), (0, 1), (k, 2)):
            block = page[top + dy : top + dy + k, left + dx : left + dx + k]
            assert (block == round(X[row, column, 0, 0, 0] * 255)).all()


def test_large_planes_are_reduced_and_small_ones_enlarged():
    wide = figures.plane(np.zeros((20, 20, 3, 128, 128), np.float32), np.arange(20), np.arange(20))
    assert 800 < wide.width < 1400
    small = figures.plane(np.zeros((2, 2, 1, 8, 8), np.float32), np.arange(2), np.arange(2))
    assert small.width < 2 * 96 + 120


def test_rows_have_their_samples_in_place_and_some_apart():
    X = np.zeros((2, 4, 1, 8, 8), np.float32)
    X[1, 3] = 1
    close = pixels(figures.rows(X, ["a", "b"], list("1234"), limits=(0, 1)))
    apart = pixels(figures.rows(X, ["a", "b"], list("1234"), limits=(0, 1), apart=(1, 3)))
    assert apart.shape[1] == close.shape[1] + 20
    assert (apart[-108:-12, -108:-12] == 255).all()
    assert (apart[-206:-110, -108:-12] == 0).all()


def test_directions_are_grey_at_zero_each_on_its_own_scale():
    X = np.zeros((3, 1, 2, 2))
    X[0, 0, 0, 0], X[1, 0, 1, 1] = 5.0, -0.01
    page = pixels(figures.signed(X, ["", "", ""], columns=3))
    tiles = [page[12:108, 12 + 98 * i : 108 + 98 * i] for i in range(3)]
    assert [int(t[10, 10, 0]) for t in tiles] == [255, 128, 128]
    assert [int(t[-10, -10, 0]) for t in tiles] == [128, 0, 128]
    assert (tiles[2] == 128).all()  # what does nothing


def test_a_sum_is_a_row_with_signs_between():
    x = np.ones((1, 8, 8))
    picture = figures.total([("", x, "sample 3"), ("\u2212", x, "a long caption of 7")], (x * 0, "decoded"), (0, 1))
    assert (pixels(picture)[12:108, -108:-12] == 0).all()
    assert picture.width > 3 * 96 + 40


def test_other_pictures_are_put_side_by_side():
    pages = {f"epoch {i}": figures.latent_map(np.eye(3) * i) for i in range(1, 8)}
    assert figures.sheet(pages).width == 1200
    assert figures.sheet({"epoch 1": pages["epoch 1"]}).height > 300


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 5, 60])
def test_clouds_and_codes_of_any_size(n):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, 3))
    flat, Z = X[:, :2], X[:, :2]
    arrows = [(np.zeros(2), np.array([3.0, 1.0]), "18.4\u00b0"), (np.zeros(2), np.array([-0.1, 0.3]), "108\u00b0")]
    line = np.array([[0.0, 0.0], [1.0, 1.0]])
    for picture in (
        figures.cloud(flat, flat * 0.9, arrows=arrows, line=line),
        figures.cloud(flat, flat * 0.9, curve=line),
        figures.codes(X, X * 0.9, Z, rng.normal(size=(4, 4, 3))),
    ):
        assert pixels(picture).std() > 5


def test_channels_last_are_shown_as_channels_first():
    X = np.random.default_rng(0).random((4, 9, 8, 3))
    assert np.array_equal(figures.gallery(X), figures.gallery(X.transpose(0, 3, 1, 2)))


@pytest.mark.parametrize("shape", [(1, 7, 6), (2, 5, 5), (3, 9, 8), (4, 9, 8), (9, 7)])
def test_levels_of_all_are_those_of_each(shape):
    X = np.random.default_rng(0).normal(0.4, 0.6, size=(5, *shape))
    X[0, ..., 0] = np.nan
    for limits in ((0.0, 1.0), (-1.0, 2.3)):
        each = np.stack([resized(colours_of(x, limits), 1) for x in X])
        colour = len(shape) == 3 and shape[0] >= 3
        np.testing.assert_array_equal(levels_of(X, limits), each if colour else each[..., 0])
