"""What a model hears before each frame: as it is, hidden, or from its own Markov chains."""

from dataclasses import replace

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.columns import columns_of
from midigen.config import Grid, ModelConfig, Part, TrainConfig
from midigen.generation import generate
from midigen.model.context import context_of
from midigen.model.hearing import Hiding
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Songs, Told, told
from midigen.outline import Outline

GRID = Grid(
    steps_per_beat=1,
    parts=(
        Part(name="melody", low=60, high=66, kind="line"),
        Part(name="chords", low=48, high=49, kind="block"),
        Part(name="drums", low=36, high=37, kind="drums"),
    ),
)
V, T = GRID.channels, 16
KINDS = {name: ModelConfig.setting_of(name).choices for name in ("context", "gates")}
FORM = np.array(
    [[0, 0, 0], [0, 0, 0], [2, 1, 0], [2, 0, 0], [0, 0, 0], [1, 1, 1], [2, 2, 2], [7] * 3]
)


def make_model(grid=GRID, scale=0.5, **changes):
    config = ModelConfig(grid.channels, rbm_hidden=3, recurrent=3, hidden=(), **(KINDS | changes))
    model = RnnRbm.initial(config, grid, np.full(grid.channels, 0.2))
    model.theta[:] = np.random.default_rng(0).normal(0, scale, model.theta.size)
    return model


def song(seed=0):
    """Eight bars of two frames."""
    rng = np.random.default_rng(seed)
    roll = (rng.random((T, V)) < 0.4).astype(np.uint8)
    roll[:, :8] = np.eye(9, dtype=np.uint8)[rng.integers(0, 9, T)][:, :8]
    return Told(roll, Outline(T, ((0, 2, 4),), form=FORM))


SONGS = [song(0), song(1)]
NOTHING = {
    "own": np.zeros(2 * T, bool),
    "lines": np.zeros(2 * T, bool),
    "forms": np.zeros(2 * T, bool),
}


def hear(backend, hiding=None, shift=0, particles=None, number=1, **changes):
    """What is heard of the second song: v, before, x, sources, last, and the sources' names."""
    model = make_model(**changes)
    placed = PlacedModel(model, backend)
    songs = Songs(backend, model, SONGS, with_particles=True)
    if particles is not None:
        places = songs.places(number, 0)
        songs.particles.write(backend.to_device(particles, np.float32), backend.to_device(places))
    place = np.concatenate([[-1], songs.places(number, shift)])[:, None]
    names = placed.context.gates.sources
    if isinstance(hiding, dict):
        silent = np.zeros((2, len(names)), bool)
        hiding = Hiding(**{**NOTHING, "sources": silent, **hiding})
    keys = [backend.per_series([i + 1], np.uint64) for i in range(1 + len(names))]
    rows = backend.per_series([0], np.int64)
    heard = placed.hear(songs, place, np.zeros((T, 1), np.uint8), hiding, None, keys, rows)
    found = {name: backend.to_host(part).copy() for name, part in heard._asdict().items()}
    return {**found, "names": names, "context": placed.context}


def source(found, name):
    return found["sources"][found["names"].index(name)]


def behind(roll, distance):
    """The frame so many frames before each, silent where that is 0."""
    t = np.arange(len(roll))
    return roll[t - distance] * (np.asarray(distance) > 0)[:, None]


def test_as_it_is_every_source_is_the_frame_that_it_names(backend):
    found, (roll, outline) = hear(backend), SONGS[1]
    context = found["context"]
    distances = np.concatenate([context.line_back(roll), context.back(outline)], axis=1)
    assert np.array_equal(found["v"], roll)
    assert np.array_equal(found["before"][1:], roll[:-1]) and not found["before"][0].any()
    for i in range(len(found["names"])):
        assert np.array_equal(found["sources"][i], behind(roll, distances[:, i]))
    assert (distances.max(axis=0)[:2] > 1).all()


def test_the_network_is_given_the_frame_before_the_lines_latest_and_the_context(backend):
    found, outline = hear(backend), SONGS[1].outline
    lines = [source(found, "line 0")[:, :7], source(found, "line 1")[:, 8:10]]
    context = found["context"].rows(outline)
    expected = np.concatenate([found["before"], *lines, context], axis=1)
    assert np.array_equal(found["x"], expected)


def test_last_pitches_are_the_highest_of_the_lines_latest_notes(backend):
    found = hear(backend)
    for line, (first, stop) in enumerate(found["context"].lines):
        latest = found["sources"][line][:, first:stop]
        highest = np.where(latest.any(axis=1), stop - 1 - latest[:, ::-1].argmax(axis=1), -1)
        assert np.array_equal(found["last"][line], highest)
        assert -1 in highest and (highest >= 0).sum() > T // 2


def test_a_transposed_song_is_transposed_in_all_that_is_heard(backend):
    plain, moved = hear(backend), hear(backend, shift=2)
    moves = columns_of(GRID).moves[2]
    for name in ("v", "before"):
        assert np.array_equal(moved[name], plain[name][:, moves])
    assert np.array_equal(moved["sources"], plain["sources"][:, :, moves])
    width = plain["context"].width
    assert np.array_equal(moved["x"][:, -width:], plain["x"][:, -width:])


def test_lags_are_silent_in_songs_and_nothing_else_is(backend):
    names = context_of(make_model().config, GRID).gates.sources
    silent = np.zeros((2, len(names)), bool)
    silent[1, names.index("lag 2")] = silent[0, names.index("lag 1")] = True
    found, plain = hear(backend, {"sources": silent}), hear(backend)
    for name in names:
        expected = np.zeros((T, V)) if name == "lag 2" else source(plain, name)
        assert np.array_equal(source(found, name), expected)
    assert source(plain, "lag 2").any() and np.array_equal(found["x"], plain["x"])


def test_frames_without_the_lines_know_no_last_pitch(backend):
    lines = np.zeros(2 * T, bool)
    lines[T + 3 :: 2] = True
    found, plain = hear(backend, {"lines": lines}), hear(backend)
    unknown = lines[T:]
    assert (found["last"][:, unknown] == -1).all()
    assert np.array_equal(found["last"][:, ~unknown], plain["last"][:, ~unknown])
    assert not found["x"][unknown, V : V + 9].any()
    assert np.array_equal(found["x"][:, :V], plain["x"][:, :V])


def test_bars_without_the_form_are_not_told_it_in_any_way(backend):
    forms = np.zeros(2 * T, bool)
    forms[T + 4 : T + 6] = forms[T + 12 : T + 14] = True
    found, plain = hear(backend, {"forms": forms}), hear(backend)
    context, untold = found["context"], forms[T:]
    for part in range(3):
        name = f"form {part}"
        assert not source(found, name)[untold].any()
        assert np.array_equal(source(found, name)[~untold], source(plain, name)[~untold])
    columns = context.inputs - context.width + np.arange(context.width)[context.form_columns]
    assert not found["x"][np.ix_(untold, columns)].any()
    assert plain["x"][np.ix_(untold, columns)].any()
    others = np.setdiff1d(np.arange(context.inputs), columns)
    assert np.array_equal(found["x"][:, others], plain["x"][:, others])
    assert np.array_equal(found["x"][~untold], plain["x"][~untold])


def test_dropped_notes_are_of_the_frame_before_and_of_lags(backend):
    """What is left is louder by as much, so that the network hears as much as without."""
    found, plain = hear(backend, {"dropout": 0.5}), hear(backend)
    for name in found["names"]:
        now, whole = source(found, name), source(plain, name)
        assert np.isin(now, [0, 1, 2]).all() and ((now > 0) <= whole).all()
        is_dropped = name.startswith("lag") and whole.any()  # nothing lies eight bars ago
        assert np.array_equal(now, whole) != is_dropped, name
    left = found["before"] > 0
    assert (left <= plain["before"]).all() and left.sum() < plain["before"].sum()
    assert set(np.unique(found["before"])) == {0, 2}
    assert np.array_equal(found["v"], plain["v"])


def test_self_fed_frames_are_those_of_the_particles(backend):
    """But what the form repeats, and what is to be learned, is what is written."""
    other, own = song(7).roll, np.zeros(2 * T, bool)
    own[T + 2 :: 3] = True
    found, plain = hear(backend, {"own": own}, particles=other), hear(backend)
    roll = SONGS[1].roll
    mixed = np.where(own[T:, None], other, roll)
    assert np.array_equal(found["v"], roll)
    assert np.array_equal(found["before"][1:], mixed[:-1])
    context = found["context"]
    distances = np.concatenate([context.line_back(roll), context.back(SONGS[1].outline)], axis=1)
    for i, name in enumerate(found["names"]):
        expected = (
            source(plain, name) if name.startswith("form") else behind(mixed, distances[:, i])
        )
        assert np.array_equal(source(found, name), expected), name
    assert not np.array_equal(found["sources"], plain["sources"])


def draw(settings, model=None, particles=True):
    model = model or make_model()
    songs = Songs(cpu_backend(), model, SONGS, with_particles=particles)
    names = context_of(model.config, model.grid).gates.sources
    return Hiding.draw(np.random.default_rng(0), songs, names, TrainConfig(**settings)), names


def test_shares_of_what_is_hidden():
    shares = ("self_fed", "lag_dropout", "interval_dropout", "form_dropout")
    none, _ = draw(dict.fromkeys(shares, 0.0) | {"dropout": 0.0})
    assert not any(x.any() for x in (none.own, none.sources, none.lines, none.forms))
    everything, names = draw(dict.fromkeys(shares, 1.0) | {"dropout": 0.25, "noise": 0.125})
    assert all(x.all() for x in (everything.own, everything.lines, everything.forms))
    assert (everything.dropout, everything.noise) == (0.25, 0.125)
    assert np.array_equal(everything.sources[0], [name.startswith("lag") for name in names])
    some, _ = draw(dict.fromkeys(shares, 0.5))
    assert 0 < some.own.mean() < 1 and 0 < some.lines.mean() < 1
    # the frames of a bar have their form, or none has
    assert np.array_equal(some.forms[0::2], some.forms[1::2]) and 0 < some.forms.mean() < 1


def test_without_particles_no_frame_is_self_fed():
    assert not draw({"self_fed": 1.0}, particles=False)[0].own.any()


@pytest.mark.parametrize(
    "grid", [GRID, Grid(steps_per_beat=1, low=60, high=66)], ids=["parts", "plain"]
)
@pytest.mark.parametrize("begun", [0, 5])
def test_a_song_is_made_as_it_is_heard(backend, grid, begun):
    """Cold, and without weights of the RBM, a new song is the most likely one given the past.

    So the biases that a whole song gives, where each frame is read from what is written, say what
    was played when only the frames before it were there.
    """
    model = make_model(grid, scale=1.0)
    model.w[:] = 0
    form = np.repeat(FORM[:, :1], columns_of(grid).parts, axis=1)
    outline = Outline(T, ((0, 2, 4),), form=form, minor=True)
    primer = None
    if begun:
        primer = np.zeros((begun, grid.channels), np.uint8)
        primer[np.arange(begun), np.arange(begun) % 5] = 1
    made = generate(
        model,
        0,
        primer=primer,
        temperature=1e-6,
        gibbs_steps=2,
        backend=backend,
        outlines=[outline],
    )[0]
    whole = made if primer is None else np.concatenate([primer, made])
    a = model.run(Told(whole, outline))[0][begun:]
    expected = (a > 0).astype(np.uint8)
    for first, stop in columns_of(grid).groups:
        fields = a[:, first:stop]
        expected[:, first:stop] = (fields == fields.max(axis=1, keepdims=True)) & (fields > 0)
    assert np.array_equal(made, expected)
    assert len(np.unique(made, axis=0)) > 3


def test_songs_and_their_outlines():
    roll = np.zeros((3, V), np.uint8)
    assert told(roll).outline.metres == ((0, 4, 4),) and told(roll).outline.frames == 3
    assert told(SONGS[0]) == SONGS[0]
    with pytest.raises(ValueError, match="an outline of 3 frames for 16"):
        told(Told(SONGS[0].roll, replace(SONGS[0].outline, frames=3)))
