"""Pairs of one's own: npz files, folders of pictures, frames; which are held out."""

import math

import numpy as np
import PIL.Image
import pytest

from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError

P = 23
RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(256, size=(2, P, 6, 5, 3), dtype=np.uint8)
FACTORS = RANDOM.randint(3, size=(2, P, 4))
K = np.sum(FACTORS[0] != FACTORS[1], axis=1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mvhg_tf"


def open_pairs(path, *bindings):
    bindings = ["dataset.name = 'pairs'", f"pairs.path = {str(path)!r}", *bindings]
    with gin_config.configured([], bindings):
        return named_data.get_named_ground_truth_data()


def write(folder, **changes):
    arrays = {"images_1": IMAGES[0], "images_2": IMAGES[1]} | changes
    path = folder / "p.npz"
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    return path


def save(picture, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(picture.squeeze()).save(path)


def views_of(data) -> np.ndarray:
    return np.stack([data.images_of_rows(rows) for rows in data.pairs.T])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_an_npz_file(tmp_path, channels, kind):
    images = np.resize(IMAGES, (2, P, 6, 5, channels))
    if kind != np.uint8:
        images = (images / 255).astype(kind)
    data = open_pairs(write(tmp_path, images_1=images[0], images_2=images[1]))
    assert data.observation_shape == [6, 5, channels]
    seen = views_of(data)
    assert seen.dtype == (np.uint8 if kind == np.uint8 else np.float32)
    np.testing.assert_array_equal(seen, images.astype(seen.dtype))
    assert data.k is None and data.factors_num_values == []


def test_known_factors_and_k(tmp_path):
    path = write(tmp_path, factors_1=FACTORS[0], factors_2=FACTORS[1], k=K)
    data = open_pairs(path)
    np.testing.assert_array_equal(data.k, K)
    np.testing.assert_array_equal(data.factors[data.pairs], FACTORS.swapaxes(0, 1))
    assert data.factors_num_values == [3, 3, 3, 3]
    data = open_pairs(write(tmp_path, k=K))
    np.testing.assert_array_equal(data.k, K)
    with pytest.raises(UserError, match="factors of .* are not known"):
        data.sample(3, np.random.RandomState(0))
    _, held_out = data.split()
    seen = held_out.sample_observations(200, np.random.RandomState(0))
    rows = {image.tobytes() for image in np.rint(seen * 255).astype(np.uint8)}
    pairs = held_out.images_of_rows(held_out.pairs.ravel())
    assert rows == {image.tobytes() for image in pairs}  # all 6 of them


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"images_2": None}, "holds no array 'images_2', only .*store it again"),
        (
            {"images_2": IMAGES[1, 1:]},
            r"images_2 .*\[22, 6, 5, 3\], but both must have",
        ),
        ({"images_1": IMAGES[0, ..., 0]}, r"images_1 of .* is uint8 \[23, 6, 5\]"),
        ({"images_1": IMAGES[0, ..., :2]}, "1, 3 or 4 channels"),
        ({"images_1": IMAGES[0] * 1.0}, "values from 0 to 255, but floats must be in"),
        ({"images_2": IMAGES[1].astype(int)}, "images_2 of .* is int64"),
        ({"k": K[1:]}, r"k of .* is int64 \[22\], but must be integers \[23\]"),
        ({"k": K - 9}, "of at least 0"),
        ({"factors_1": FACTORS[0]}, "holds no factors_2"),
        ({"factors_1": FACTORS[0], "factors_2": FACTORS[1, :, :2]}, "the same"),
        ({"factors_1": FACTORS[0], "factors_2": FACTORS[1] - 1}, "from -1"),
        (
            {"factors_1": FACTORS[0], "factors_2": FACTORS[1], "k": K + 1},
            f"is {K[0] + 1} for pair 0, but {K[0]} of its factors differ",
        ),
    ],
)
def test_npz_files_that_are_refused(tmp_path, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        open_pairs(write(tmp_path, **changes))


def test_a_folder_of_views(tmp_path, cache):
    folder = tmp_path / "pictures"
    for name, pictures in zip("ab", IMAGES, strict=True):
        for number, picture in enumerate(pictures):
            save(picture, folder / name / f"{number}.png")
    (folder / "a" / "notes.txt").write_text("no picture")
    before = sorted(folder.rglob("*"))
    np.testing.assert_array_equal(views_of(open_pairs(folder)), IMAGES)
    assert sorted(folder.rglob("*")) == before
    (unpacked,) = cache.iterdir()
    made = unpacked.stat().st_ino
    open_pairs(folder)
    assert unpacked.stat().st_ino == made
    save(255 - IMAGES[0, 7], folder / "a" / "7.png")
    np.testing.assert_array_equal(
        views_of(open_pairs(folder))[0, 7], 255 - IMAGES[0, 7]
    )


@pytest.mark.parametrize("gap", [1, 4])
def test_frames(tmp_path, gap):
    """In the order of their numbers, and of any kind of picture."""
    for number, picture in enumerate(IMAGES[0, ..., :1]):
        save(picture, tmp_path / f"frame{number}.png")
    data = open_pairs(tmp_path, f"pairs.gap = {gap}", "pairs.held_out = 0")
    seen = views_of(data)
    np.testing.assert_array_equal(seen[0], IMAGES[0, :-gap, ..., :1])
    np.testing.assert_array_equal(seen[1], IMAGES[0, gap:, ..., :1])
    data = open_pairs(tmp_path, f"pairs.gap = {gap}", "pairs.held_out = 0.3")
    learned, held_out = data.split()
    border = P - math.ceil(0.3 * P)
    np.testing.assert_array_equal(learned.pairs[:, 1], np.arange(gap, border))
    np.testing.assert_array_equal(held_out.pairs[:, 0], np.arange(border, P - gap))


def test_pairs_are_held_out_in_every_run_the_same(tmp_path):
    path = write(tmp_path, factors_1=FACTORS[0], factors_2=FACTORS[1])
    parts = open_pairs(path).split()
    assert [len(part.pairs) for part in parts] == [20, 3]
    rows = np.sort(np.concatenate([part.pairs[:, 0] for part in parts]))
    np.testing.assert_array_equal(rows, np.arange(P))
    for part in parts:
        np.testing.assert_array_equal(part.k, K[part.pairs[:, 0]])
        drawn = part.draw_pairs(200, None, np.random.RandomState(0))
        assert set(drawn[:, 0]) == set(part.pairs[:, 0])
        assert set(part.rows) == set(part.pairs.ravel())
        seen = part.sample_factors(300, np.random.RandomState(0))
        allowed = set(map(tuple, part.factors[part.rows].tolist()))
        assert set(map(tuple, seen.tolist())) == allowed
    again = open_pairs(path).split()
    np.testing.assert_array_equal(again[1].pairs, parts[1].pairs)
    whole = open_pairs(path, "pairs.held_out = 0").split()
    assert [len(part.pairs) for part in whole] == [P, P]


def _one_view(folder):
    save(IMAGES[0, 0], folder / "a" / "1.png")


def _unpaired(folder):
    _one_view(folder)
    save(IMAGES[0, 0], folder / "b" / "1.png")
    save(IMAGES[0, 0], folder / "b" / "2.png")


def _alike_names(folder):
    _one_view(folder)
    save(IMAGES[0, 0], folder / "b" / "1.png")
    save(IMAGES[0, 0], folder / "b" / "1.bmp")


def _other_size(folder):
    save(IMAGES[0, 0], folder / "1.png")
    save(IMAGES[0, 0, :4], folder / "2.png")


def _damaged(folder):
    save(IMAGES[0, 0], folder / "1.png")
    (folder / "2.png").write_bytes(b"no picture")


def _sixteen_bits(folder):
    for name in "12":
        save(np.zeros([4, 4], np.uint16), folder / f"{name}.png")


def _frames(folder):
    for number in range(4):
        save(IMAGES[0, number], folder / f"{number}.png")


@pytest.mark.parametrize(
    ("fill", "bindings", "sentence"),
    [
        (_one_view, [], "only one of the folders a and b"),
        (_unpaired, [], "a lacks 1 of the other folder's pictures, such as 2"),
        (_alike_names, [], "differ only in the extension"),
        (_other_size, [], r"2\.png is 5 x 4 with 3 channels, but .*1\.png is 5 x 6"),
        (_damaged, [], r"2\.png could not be read"),
        (_sixteen_bits, [], "mode 'I;16', which is not one of"),
        (lambda folder: folder.mkdir(), [], "holds neither pictures"),
        (_frames, ["pairs.gap = 4"], "gap is 4, but must be from 1 to 3"),
        (_frames, ["pairs.gap = 0"], "gap is 0, but must be a positive integer"),
        (
            _frames,
            ["pairs.gap = 2", "pairs.held_out = 0.5"],
            "leaves one part without pairs",
        ),
        (_frames, ["pairs.held_out = 1"], "held_out is 1, but must be at least 0"),
        (lambda folder: None, [], r"pairs.path is '.*', but .* does not exist"),
    ],
)
def test_folders_that_are_refused(tmp_path, fill, bindings, sentence):
    folder = tmp_path / "pictures"
    fill(folder)
    with pytest.raises(UserError, match=sentence):
        open_pairs(folder, *bindings)


def test_what_does_not_go_together(tmp_path):
    with pytest.raises(UserError, match="gap is 1, but .* is not a folder of frames"):
        open_pairs(write(tmp_path), "pairs.gap = 1")
    one = write(tmp_path, images_1=IMAGES[0, :1], images_2=IMAGES[1, :1])
    with pytest.raises(UserError, match="leaves none of the 1 pairs"):
        open_pairs(one)
