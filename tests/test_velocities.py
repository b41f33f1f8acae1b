"""Velocities from a MIDI file to a song: roll, corpus, refusals, levels, written notes."""

import io

import numpy as np
import pretty_midi
import pytest

from midigen.__main__ import main
from midigen.backends.cpu import cpu_backend
from midigen.config import Grid, ModelConfig
from midigen.corpus import Corpus, Song, longest_hold
from midigen.generation import choose_levels, generate
from midigen.midi.read import read_notes
from midigen.midi.roll import notes_to_roll
from midigen.midi.write import Playing, midi_bytes, roll_to_midi
from midigen.model.card import Levels
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm

GRID = Grid(low=60, high=67, values="velocity")


def random_roll(frames=40, seed=0, grid=GRID):
    """Notes that each keep one velocity, with rests between them."""
    rng, roll = np.random.default_rng(seed), np.zeros((frames, grid.pitches), np.uint8)
    for start in range(0, frames, 4):
        for column in rng.choice(grid.pitches, 2, replace=False):
            roll[start : start + rng.integers(1, 4), column] = rng.integers(20, 128)
    return roll


def write_midi(path, roll, **options):
    path.write_bytes(midi_bytes(roll_to_midi(roll, GRID, 120, **options)))
    return path


def test_a_song_keeps_its_velocities_through_a_file(tmp_path):
    roll = random_roll()
    again, _ = notes_to_roll(read_notes(write_midi(tmp_path / "a.mid", roll)), GRID)
    np.testing.assert_array_equal(again, roll[: len(again)])
    assert len(np.unique(roll)) > 10 and not roll[len(again) :].any()


@pytest.mark.parametrize(
    "articulation, expected",
    [
        ("gap", [[50], [50], [50], [0], [90], [90], [90], [90]]),
        ("sustain", [[50], [50], [50], [50], [90], [90], [90], [90]]),
        ("onset", [[50, 50], [50, 0], [50, 0], [50, 0], [90, 90], [90, 0], [90, 0], [90, 0]]),
    ],
)
def test_a_second_strike_brings_its_own_velocity(tmp_path, articulation, expected):
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    midi.instruments.append(pretty_midi.Instrument(0))
    midi.instruments[0].notes = [
        pretty_midi.Note(50, 60, 0.0, 0.5),
        pretty_midi.Note(90, 60, 0.5, 1.0),
    ]
    path = tmp_path / "a.mid"
    midi.write(str(path))
    grid = Grid(low=60, high=60, articulation=articulation, values="velocity")
    np.testing.assert_array_equal(notes_to_roll(read_notes(path), grid)[0], expected)


def test_of_notes_struck_together_the_loudest_counts_and_one_velocity_may_be_given(tmp_path):
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    for velocity in (40, 70, 60):
        midi.instruments.append(pretty_midi.Instrument(0))
        midi.instruments[-1].notes = [pretty_midi.Note(velocity, 60, 0.0, 0.25)]
    midi.write(str(tmp_path / "a.mid"))
    roll, _ = notes_to_roll(read_notes(tmp_path / "a.mid"), GRID)
    np.testing.assert_array_equal(roll[:, 0], [70, 70])
    again = pretty_midi.PrettyMIDI(
        io.BytesIO(midi_bytes(roll_to_midi(roll, GRID, 120, playing=Playing(velocity=33))))
    )
    assert [note.velocity for note in again.instruments[0].notes] == [33]


def make_corpus(count=4, grid=GRID):
    return Corpus(
        grid,
        [
            Song(
                f"s{i}", "train" if i else "valid", f"{i:064x}", 120.0, (4, 4), random_roll(seed=i)
            )
            for i in range(count)
        ],
    )


def test_the_corpus_keeps_velocities(tmp_path):
    corpus = make_corpus()
    corpus.save(tmp_path / "c")
    again = Corpus.load(tmp_path / "c")
    assert (again.grid, again.digest) == (corpus.grid, corpus.digest)
    for a, b in zip(again.songs, corpus.songs, strict=True):
        np.testing.assert_array_equal(a.roll, b.roll)
    figures, rolls = again.statistics(), np.concatenate([song.roll for song in corpus.songs])
    assert np.isclose(figures["notes_per_frame"], (rolls > 0).sum() / len(rolls))
    assert np.isclose(figures["velocity_mean"], rolls[rolls > 0].mean())
    assert np.isclose(figures["velocity_deviation"], rolls[rolls > 0].std())
    assert longest_hold(np.array([[0, 9], [0, 8], [7, 0]])) == 2


def test_an_old_corpus_has_no_velocities():
    old = Grid().to_json()
    del old["values"]
    assert Grid.from_json(old) == Grid()


def make_model(**changes):
    config = ModelConfig(
        GRID.channels, rbm_hidden=4, recurrent=3, hidden=(), visible_model="gaussian", **changes
    )
    rolls = np.concatenate(make_corpus().rolls("train")) / 127
    return RnnRbm.initial(config, GRID, rolls.mean(axis=0), 0, None, rolls.var(axis=0))


def levels_of(model, rolls):
    placed = PlacedModel(model, cpu_backend())
    return choose_levels(placed, rolls, seed=1)


def test_levels_give_the_songs_notes_and_velocities():
    model, rolls = make_model(), [random_roll(400, i) for i in range(3)]
    model.card.levels = levels_of(model, rolls)
    made, real = generate(model, 400, count=3), np.concatenate(rolls)
    made = made.reshape(-1, GRID.channels)
    assert made.dtype == np.uint8 and made.max() <= 127
    assert (
        abs((made > 0).mean() / (real > 0).mean() - 1) < 0.15
    )  # a new model does not heed the frames before
    assert abs(made[made > 0].mean() - real[real > 0].mean()) < 8
    assert abs(made[made > 0].std() / real[real > 0].std() - 1) < 0.25


def test_levels_of_silence():
    model = make_model()
    silence = [np.zeros((20, GRID.channels), np.uint8)]
    model.card.levels = levels_of(model, silence)
    assert (
        model.card.levels == Levels(model.card.levels.threshold)
        and not model.roll(np.zeros((1, GRID.channels))).any()
    )


def test_prepare_train_generate(tmp_path, monkeypatch, capsys):
    """The whole way: refusals, a resumed run, a Gaussian model of a corpus without velocities."""
    monkeypatch.chdir(tmp_path)
    songs = tmp_path / "songs"
    songs.mkdir()
    for i in range(4):
        write_midi(songs / f"{i}.mid", random_roll(64, i))
    common = ["--range", "note", "--split", "3/1/0", "-q"]
    assert main(["prepare", "songs", "--values", "velocity", "-o", "v", *common]) == 0
    assert main(["prepare", "songs", "--parts", "none", "-o", "b", *common]) == 0
    sizes = ["--rbm-hidden", "4", "--recurrent", "3", "--hidden", "none", "--epochs", "1", "-q"]
    for corpus, options, message in (
        ("v", ["--visible-model", "bernoulli"], "which need --visible-model gaussian"),
        ("v", ["--negative", "bounded"], "--negative pushes away random songs"),
        ("v", ["--deviation", "1,0.1"], "deviation must be two growing numbers"),
        ("v", ["--deviation", "nan,1"], "'--deviation': nan is not a number"),
        ("v", ["--deviation", "soft"], "write the lowest and the highest"),
        ("v", ["--exact", "--rbm-hidden", "17"], "at most 16 hidden units"),
    ):
        capsys.readouterr()
        assert main(["train", corpus, *sizes, *options]) == 2
        assert message in capsys.readouterr().err
    assert main(["train", "v", "-o", "run", *sizes]) == 0
    assert main(["train", "--resume", "run", "--epochs", "2", "-q"]) == 0
    model = RnnRbm.load("run")
    assert model.gaussian and isinstance(model.card.levels, Levels)
    capsys.readouterr()
    assert (
        main(
            [
                "generate",
                "run",
                "--length",
                "32 beats",
                "--seed",
                "1",
                "--primer",
                str(songs / "0.mid"),
            ]
        )
        == 0
    )
    printed = capsys.readouterr()
    assert "velocity" in printed.err and "(corpus" in printed.err
    notes = read_notes(printed.out.strip()).notes
    assert len(np.unique(notes[:, 3])) > 5
    assert main(["train", "b", "-o", "binary", "--visible-model", "gaussian", *sizes]) == 0
    assert set(np.unique(generate(RnnRbm.load("binary"), 50))) <= {0, 1}


def test_resuming_a_gaussian_run_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_corpus().save("c")
    options = ["--rbm-hidden", "4", "--recurrent", "3", "--hidden", "4", "--transpose", "0", "-q"]
    assert main(["train", "c", "-o", "whole", "--epochs", "4", *options]) == 0
    assert main(["train", "c", "-o", "halves", "--epochs", "2", *options]) == 0
    assert main(["train", "--resume", "halves", "--epochs", "4", "-q"]) == 0
    assert np.array_equal(RnnRbm.load("whole").theta, RnnRbm.load("halves").theta)
