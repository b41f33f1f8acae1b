import numpy as np
import pytest

from midigen import files
from midigen.config import Grid, ModelConfig
from midigen.errors import MidigenError
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm

GRID = Grid(low=60, high=65)


def small_model(hidden=(7,), dtype="float32"):
    config = ModelConfig(visible=6, rbm_hidden=5, recurrent=4, hidden=hidden, dtype=dtype)
    return RnnRbm.initial(
        config, GRID, np.array([0.5, 0.1, 0.01, 0.2, 0.0, 1.0]), seed=3, card=ModelCard(bpm=90.0)
    )


def test_a_new_model_has_the_log_odds_of_the_notes_as_its_biases():
    model = small_model()
    a, _ = model.run(np.zeros((1, 6), np.uint8))
    p = 1 / (1 + np.exp(-a[0]))
    assert np.allclose(p[:4], [0.5, 0.1, 0.01, 0.2], atol=0.02)
    assert p[4] > 0 and p[5] < 1  # never quite impossible, never quite certain


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [(), (7,), (6, 9)])
def test_save_and_load(tmp_path, hidden, dtype):
    model = small_model(hidden, dtype)
    model.save(tmp_path / "model.safetensors")
    for path in (tmp_path, tmp_path / "model.safetensors"):
        again = RnnRbm.load(path)
        assert np.array_equal(again.theta, model.theta) and again.theta.dtype == dtype
        assert (again.config, again.grid, again.card) == (model.config, model.grid, model.card)
        assert again.digest == model.digest


def test_damaged_and_foreign_files_are_refused_in_one_line(tmp_path):
    path = tmp_path / "model.safetensors"
    small_model().save(path)
    data = path.read_bytes()
    for bad in (data[:-10], data[:40], b"", b"MThd", data[:-1] + bytes([data[-1] ^ 1])):
        path.write_bytes(bad)
        with pytest.raises(MidigenError) as caught:
            RnnRbm.load(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(MidigenError, match="holds no model.safetensors"):
        RnnRbm.load((tmp_path / "empty").mkdir() or tmp_path / "empty")


@pytest.mark.parametrize(
    "tensors, header",
    [
        ({"network.1": np.zeros((11, 7), np.float32)}, {}),  # as many numbers, in another shape
        ({"rbm.weight": np.zeros((6, 5), np.float32)}, {}),
        ({"rbm.weight": np.full((5, 6), np.nan, np.float32)}, {}),
        *[
            ({}, {"about": about})
            for about in (
                [1],
                {"bpm": "fast"},
                {"bpm": None},
                {"bpm": -3.0},
                {"bpm": float("nan")},
                {"bpm": 10**400},
                {"metre": [0, 0]},
                {"metre": 3},
                {"metre": ["a", "b"]},
                {"metre": [4, 3]},
                {"notes_per_frame": "x"},
                {"longest_hold": 4.5},
                {"velocity_mean": float("inf")},
                {"levels": {"threshold": "x"}},
                {"levels": 3},
                {"dynamics": 3},
                {"dynamics": {"melody": {"level": 80}}},
            )
        ],
        *[
            ({}, {"grid": {**GRID.to_json(), **grid}})
            for grid in ({"steps_per_beat": 4.5}, {"low": 61}, {"low": 59.5})
        ],
        ({}, {"grid": []}),
        *[
            ({}, {"config": {**small_model().config.to_json(), **config}})
            for config in ({"rbm_hidden": 5.0}, {"hidden": 7}, {"hidden": [7.0]})
        ],
    ],
)
def test_what_does_not_fit_is_damaged_whatever_its_checksum(tmp_path, tensors, header):
    small_model().save(tmp_path / "m")
    old_tensors, old_header = files.load(tmp_path / "m", "model", 1)
    files.save(tmp_path / "m", "model", 1, {**old_tensors, **tensors}, {**old_header, **header})
    with pytest.raises(MidigenError, match="m is damaged .*: train it again"):
        RnnRbm.load(tmp_path / "m")


def test_each_frame_is_given_the_frames_before_it_only():
    model = small_model()
    model.theta[:] = np.random.default_rng(0).normal(0, 0.5, model.theta.size)
    roll = (np.random.default_rng(1).random((8, 6)) < 0.4).astype(np.uint8)
    changed = roll.copy()
    changed[5] = 1 - changed[5]
    a, b = model.run(roll)
    a2, b2 = model.run(changed)
    assert np.array_equal(a[:6], a2[:6]) and np.array_equal(b[:6], b2[:6])
    assert not np.array_equal(a[6:], a2[6:])


def test_exact_log_likelihood_sums_to_one():
    model = small_model(dtype="float64")
    model.theta[:] = np.random.default_rng(0).normal(0, 0.5, model.theta.size)
    states = ((np.arange(64)[:, None] >> np.arange(6)) & 1).astype(np.uint8)
    total = np.logaddexp.reduce([model.exact_log_likelihood(state[None])[0] for state in states])
    assert abs(total) < 1e-10


def test_a_wrong_theta_is_refused():
    with pytest.raises(ValueError, match=r"theta must have shape"):
        RnnRbm(ModelConfig(visible=6), GRID, np.zeros(3))


@pytest.mark.parametrize(
    "roll, message",
    [
        (np.zeros((3, 7)), r"roll must have shape \(any, 6\), not \(3, 7\)"),
        (np.zeros(6), r"roll must have shape \(any, 6\), not \(6,\)"),
        (np.full((2, 6), np.nan), "roll holds values that are not finite"),
    ],
)
@pytest.mark.parametrize(
    "method", ["run", "free_energy", "pseudo_log_likelihood", "exact_log_likelihood"]
)
def test_rolls_that_do_not_fit(method, roll, message):
    with pytest.raises(ValueError, match=message):
        getattr(small_model(), method)(roll)
