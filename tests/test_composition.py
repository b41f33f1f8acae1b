"""New songs as they are asked for: forms, lengths, pickups, keys, primers, to the MIDI file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import midigen
from midigen.cli import main
from midigen.composition import compose, plan_songs, read_song
from midigen.config import BEST_OF, GenerateConfig, Grid, ModelConfig, Part, SteerConfig
from midigen.errors import MidigenError
from midigen.midi.dynamics import Dynamics
from midigen.midi.read import read_notes
from midigen.midi.write import midi_bytes, roll_to_midi
from midigen.model.card import ModelCard
from midigen.model.context import context_of
from midigen.model.rnn_rbm import RnnRbm
from midigen.outline import Outline
from midigen.steering import redraw
from tests.steering.songs import BAND, band, lively

GRID = Grid(
    steps_per_beat=2,
    parts=(
        Part(name="melody", low=60, high=71, kind="line"),
        Part(name="bass", low=40, high=45, kind="line"),
    ),
)
BAR = 8  # frames of four quarters
NO_FORM = np.zeros((0, 0), np.int64)


def parrot(grid=GRID, outlines=(), copies="form", **card):
    """A model whose lines play any note in every frame, or what is written where it repeats."""
    config = ModelConfig(
        grid.channels, rbm_hidden=0, recurrent=1, hidden=(), gates=("hold", "form")
    )
    model = RnnRbm.initial(config, grid, np.full(grid.channels, 0.1))
    model.theta[:] = 0
    bias = model.network.layers(model.params)[-1][:, -1]
    bias[model.output_parts[0]] = 8.0  # of all pitches alike: silence is rare
    gates = context_of(config, grid).gates
    for row, name in enumerate(gates.sources):
        if name.startswith(copies):
            numbers = gates.table[row][gates.table[row] >= 0]
            bias[model.gate_part][numbers] = 30.0
    model.card = ModelCard(name="parrot", outlines=list(outlines), **card)
    return model


def made(model, primer=None, form_of=None, **settings):
    """The rolls, and the songs, of what is asked for."""
    settings = GenerateConfig(
        **{"seed": 1, "gibbs_steps": 1, "length": (16.0, "bars"), "temperature": 1.0, **settings}
    )
    plan = plan_songs(model, settings, primer, form_of)
    return plan, list(compose(model, plan))


def bars(roll, first=0):
    """The bars of a roll in four quarters, as bytes that are the same for the same notes."""
    return [roll[at : at + BAR].tobytes() for at in range(first, len(roll) - BAR + 1, BAR)]


def test_sections_with_the_same_letter_are_the_same_music():
    [song] = made(parrot(), form="AABA")[1]
    found = bars(song.roll)
    assert len(found) == 16 and len(set(found[:4])) == 4
    assert found[4:8] == found[:4] == found[12:]
    assert not set(found[8:12]) & set(found[:4])


def test_sections_begin_with_whole_bars():
    """A pickup is none of them."""
    known = [Outline(64, ((0, 4, 4),), pickup=6)]
    [song] = made(parrot(outlines=known), form="AABA", length=(16 + 0.25, "bars"))[1]
    found = bars(song.roll, 2)
    assert len(found) == 16 and len(set(found)) == 8
    assert found[4:8] == found[:4] == found[12:]


def test_without_a_form_nothing_that_is_known_repeats():
    [song] = made(parrot())[1]
    assert len(set(bars(song.roll))) == 16


def test_a_form_is_drawn_like_those_of_the_songs():
    form = np.repeat([0] * 8 + [8] * 8, 2).reshape(16, 2)
    known = Outline(16 * BAR, ((0, 4, 4),), form=form)
    [song] = made(parrot(outlines=[known]))[1]
    assert bars(song.roll)[8:] == bars(song.roll)[:8]


def tune(path, order, seed=0, pickup=0):
    """A file whose melody and bass have bars of random notes, the same for the same letter."""
    rng = np.random.default_rng(seed)
    roll = np.zeros((BAR * len(order), GRID.channels), np.uint8)
    notes = {letter: rng.integers(0, 12, BAR) for letter in sorted(set(order))}
    for bar, letter in enumerate(order):
        for t, note in enumerate(notes[letter]):
            roll[BAR * bar + t, note] = roll[BAR * bar + t, 13 + note % 6] = 1
    roll = roll[BAR - pickup if pickup else 0 :]
    outline = Outline(len(roll), ((0, 4, 4),), BAR - pickup if pickup else 0)
    path.write_bytes(midi_bytes(roll_to_midi(roll, GRID, 120, outline=outline)))
    return roll


@pytest.mark.parametrize("theirs, ours", [(0, 0), (2, 0), (0, 6), (2, 6)])
def test_the_form_of_a_song_without_its_notes(tmp_path, theirs, ours):
    """Bar for bar, whether the one, the other, or both have a pickup."""
    tune(tmp_path / "model.mid", "Z" * (theirs > 0) + "ABCDABCDEFGHABCD", pickup=theirs)
    known = [Outline(64, ((0, 4, 4),), pickup=ours)]
    first = BAR - ours if ours else 0
    length = (2.0 * (16 + first / BAR) * 2, "beats")
    plan, [song] = made(parrot(outlines=known), form_of=tmp_path / "model.mid", length=length)
    found = bars(song.roll, first)
    assert len(found) == 16 and len(set(found)) == 8
    assert found[4:8] == found[:4] == found[12:]
    written = read_song("song", tmp_path / "model.mid", GRID).roll
    assert not set(found) & set(bars(written, theirs))
    assert plan.begun == 0 and plan.frames(GRID) == len(song.roll) == first + 16 * BAR


@pytest.mark.parametrize(
    "length, frames",
    [((16.0, "bars"), 128), ((2.5, "bars"), 20), ((31.0, "beats"), 62), ((6.0, "seconds"), 24)],
)
@pytest.mark.parametrize("pickup", [0, 3])
def test_lengths_are_kept_to_the_frame(length, frames, pickup):
    known = [Outline(64, ((0, 4, 4),), pickup)]
    plan, songs = made(parrot(outlines=known), length=length, count=3)
    assert [len(song.roll) for song in songs] == [frames] * 3 and plan.frames(GRID) == 3 * frames


def test_bars_are_those_of_each_song_s_own_metre():
    known = [Outline(64, ((0, 3, 4),)), Outline(64, ((0, 4, 4),))]
    plan, songs = made(parrot(outlines=known), length=(4.0, "bars"), count=12)
    metres = [outline.metres[0][1] for outline in plan.outlines]
    assert set(metres) == {3, 4}
    assert [len(song.roll) for song in songs] == [8 * beats for beats in metres]
    for song, beats in zip(songs, metres, strict=True):
        [change] = song.midi.time_signature_changes
        assert (change.numerator, change.denominator) == (beats, 4)
    plan, songs = made(parrot(outlines=known), length=(4.0, "bars"), count=4, metre=(6, 8))
    assert [len(song.roll) for song in songs] == [24] * 4


def test_bars_on_a_grid_of_seconds_follow_the_tempo():
    grid = Grid(unit="seconds", step=0.5, low=60, high=71)
    model = parrot(grid, bpm=60.0, metre=(3, 4))
    _, [song] = made(model, length=(4.0, "bars"))
    assert len(song.roll) == 24  # three seconds each


def starts(midi):
    return sorted(note.start for part in midi.instruments for note in part.notes)


def test_a_pickup_is_heard_ahead_of_the_first_whole_bar():
    known = [Outline(64, ((0, 4, 4),), pickup=6, form=np.zeros((9, 2), np.int64))]
    plan, [song] = made(parrot(outlines=known), length=(4.0, "bars"), bpm=120.0)
    [outline] = plan.outlines
    assert outline.pickup == 6 and outline.bar_starts(GRID).tolist() == [-6, 2, 10, 18, 26, 34]
    assert starts(song.midi)[0] == pytest.approx(6 * 0.25, abs=1e-3)


@pytest.mark.parametrize("shift", [-3, 0, 4])
def test_songs_are_moved_back_to_the_key_that_they_were_read_from(shift):
    plain, moved = (
        made(parrot(outlines=[Outline(64, ((0, 4, 4),), shift=s)]), bpm=120.0)[1][0]
        for s in (0, shift)
    )
    assert np.array_equal(plain.roll, moved.roll)
    for one, other in zip(plain.midi.instruments, moved.midi.instruments, strict=True):
        assert [n.pitch - shift for n in one.notes] == [n.pitch for n in other.notes]


@pytest.mark.parametrize("pickup", [0, 2])
def test_a_primer_is_kept_or_left_out_and_gone_on_from(tmp_path, pickup):
    roll = tune(tmp_path / "p.mid", "ABCD", pickup=pickup)
    known, path = [Outline(64, ((0, 3, 4),), style="jigs")], tmp_path / "p.mid"
    settings = {"length": (2.0, "bars"), "bpm": 120.0}
    plan, [kept] = made(parrot(outlines=known), primer=path, **settings)
    assert plan.begun == len(roll) and len(kept.roll) == 2 * BAR  # in the primer's metre
    [outline] = plan.outlines
    assert (outline.frames, outline.metres) == (len(roll) + 2 * BAR, ((0, 4, 4),))
    _, [rest] = made(parrot(outlines=known), primer=path, keep_primer=False, **settings)
    assert np.array_equal(kept.roll, rest.roll)
    written = read_notes(path).notes
    whole = starts(kept.midi)
    assert len(whole) == len(written) + len(starts(rest.midi))
    assert whole[0] == pytest.approx((BAR - pickup if pickup else 0) * 0.25, abs=1e-3)


def test_a_primer_that_is_copied_goes_on_holding_what_it_held(tmp_path):
    """With the hold gates the last notes of the primer are all that follows."""
    roll = tune(tmp_path / "p.mid", "AB")
    _, [song] = made(parrot(copies="line"), primer=tmp_path / "p.mid", length=(2.0, "bars"))
    assert np.array_equal(song.roll, np.repeat(roll[-1:], 2 * BAR, axis=0))


def test_a_note_that_the_primer_holds_goes_on_in_the_file(tmp_path):
    """And is not struck anew, or out of nothing where the primer is left out."""
    tune(tmp_path / "p.mid", "AB")
    model = parrot(copies="nothing")
    a = model.network.layers(model.params)[-1][model.output_parts[0], -1]
    a[:] = -20.0
    a[[12, 19]] = 20.0  # both lines hold what they have, for ever
    settings = {"primer": tmp_path / "p.mid", "length": (2.0, "bars"), "bpm": 120.0}
    _, [song] = made(model, **settings)
    assert song.roll[:, [12, 19]].all() and song.roll.sum() == 2 * 2 * BAR
    written = read_notes(tmp_path / "p.mid").notes
    assert len(starts(song.midi)) == len(written)
    ends = [max(note.end for note in part.notes) for part in song.midi.instruments]
    assert ends == pytest.approx([4 * BAR * 0.25] * 2, abs=1e-3)
    _, [rest] = made(model, keep_primer=False, **settings)
    assert starts(rest.midi) == []


def test_a_primer_that_is_read_in_one_key_sounds_in_its_own(tmp_path):
    scale = np.array([2, 4, 6, 7, 9, 11, 1, 2])  # D major, over 60
    roll = np.zeros((len(scale), GRID.channels), np.uint8)
    roll[np.arange(len(scale)), scale] = roll[0, 15] = 1
    path = tmp_path / "p.mid"
    path.write_bytes(midi_bytes(roll_to_midi(roll, GRID, 120)))
    model = parrot(replace(GRID, tonic="one"))
    plan, [song] = made(model, primer=path, length=(1.0, "bars"))
    assert plan.opening.outline.shift == -2
    assert np.flatnonzero(plan.opening.roll[0, :12]).tolist() == [0]  # the model hears C major
    melody = sorted(song.midi.instruments[0].notes, key=lambda note: note.start)
    assert [note.pitch % 12 for note in melody[: len(scale)]] == (scale % 12).tolist()


def test_a_style_that_is_not_known_names_those_that_are():
    known = [Outline(64, ((0, 4, 4),), style=style) for style in ("jigs", "reels")]
    plan, _ = made(parrot(outlines=known), style="jigs", count=4)
    assert {outline.style for outline in plan.outlines} == {"jigs"}
    with pytest.raises(ValueError, match="the style must be one of jigs, reels, not 'waltzes'"):
        made(parrot(outlines=known), style="waltzes")
    with pytest.raises(ValueError, match="knows none"):
        made(parrot(), style="jigs")


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"form": "AB", "form_of": "x.mid"}, "form and form-of both say"),
        ({"form": "AB", "primer": "x.mid"}, "form and primer both say"),
        ({"form_of": "y.mid", "primer": "x.mid"}, "form-of and primer both say"),
        ({"metre": (3, 4), "primer": "x.mid"}, "a primer has a metre of its own"),
        ({"form": "A1"}, "write letters such as AABA"),
        ({"length": (0.01, "bars")}, "less than one frame"),
    ],
)
def test_what_does_not_go_together(settings, words):
    with pytest.raises(ValueError, match=words):
        made(parrot(), **settings)


def test_a_song_that_does_not_fit_is_named(tmp_path):
    tune(tmp_path / "p.mid", "AB")
    grid = Grid(low=100, high=101, outside="drop")
    with pytest.raises(MidigenError, match="the song of form-of .* does not fit the model"):
        made(parrot(grid), form_of=tmp_path / "p.mid")


def test_programs_and_the_command_line_make_the_same_songs(tmp_path, capsys):
    known = [Outline(64, ((0, 4, 4),), shift=2, form=np.zeros((8, 2), np.int64))]
    model = parrot(outlines=known)
    model.save(tmp_path / "model.safetensors")
    asked = ["--form", "ABA", "--length", "6 bars", "--seed", "4", "--count", "2", "-q"]
    assert main(["generate", str(tmp_path), *asked, "-o", str(tmp_path / "songs")]) == 0
    paths = capsys.readouterr().out.split()
    songs = midigen.generate(model, 2, "6 bars", 4, form="ABA")
    for path, song in zip(paths, songs, strict=True):
        assert midi_bytes(song) == Path(path).read_bytes()
    again = midigen.generate(tmp_path, 2, "6 bars", 4, form="AAA")
    assert starts(again[0]) and len(again) == 2


def test_the_same_seed_gives_the_same_bytes_and_no_song_is_flat():
    model = parrot(dynamics={"melody": Dynamics(100.0), "bass": Dynamics(60.0)})
    first, again, other = (
        [midi_bytes(song.midi) for song in made(model, seed=seed, count=2)[1]] for seed in (1, 1, 2)
    )
    assert first == again and len({*first, *other}) == 4
    _, [song, another] = made(model, count=2)
    melody, bass = (
        np.array([note.velocity for note in part.notes]) for part in song.midi.instruments
    )
    assert melody.std() > 3 and bass.std() > 3
    assert melody.mean() == pytest.approx(100, abs=3) and bass.mean() == pytest.approx(60, abs=3)
    quiet = made(model, velocity=50)[1][0]
    played = [note.velocity for part in quiet.midi.instruments for note in part.notes]
    assert np.mean(played) == pytest.approx(50, abs=0.5) and np.std(played) > 3


def test_what_a_model_knows_of_dynamics_is_kept_beside_it(tmp_path):
    model = parrot(dynamics={"melody": Dynamics(100.0, drums=((36, 50.0),))})
    model.save(tmp_path / "model.safetensors")
    assert RnnRbm.load(tmp_path).card.dynamics == model.card.dynamics


@pytest.mark.parametrize(
    "program, programs",
    [
        (None, [73, 33]),
        ("violin", [40, 40]),
        ({"bass": "tuba"}, [73, 58]),
        ("melody=oboe,bass=43", [68, 43]),
    ],
)
def test_instruments_from_python(program, programs):
    own = (replace(GRID.parts[0], program=73), replace(GRID.parts[1], program=33))
    [song] = midigen.generate(parrot(replace(GRID, parts=own)), length="1 bars", program=program)
    assert [part.program for part in song.instruments] == programs
    assert [part.name for part in song.instruments] == ["melody", "bass"]


def test_a_part_that_the_model_lacks_is_one_line(tmp_path, capsys):
    with pytest.raises(ValueError, match="no 'chords': the parts are melody, bass"):
        midigen.generate(parrot(), program="chords=harp")
    parrot().save(tmp_path / "model.safetensors")
    songs = tmp_path / "songs"
    assert main(["generate", str(tmp_path), "--program", "chords=harp", "-o", str(songs)]) == 2
    _, err = capsys.readouterr()
    assert err == "midigen: the model has no 'chords': the parts are melody, bass\n"
    assert not songs.exists()


@pytest.mark.parametrize(
    "option, value, words",
    [
        ("--form", "A1", "write letters such as AABA"),
        ("--form", "ABCDEFGHI", "at most one for each bar"),
        ("--style", "jigs", "knows none"),
        ("--metre", "3/5", "metre such as 3/4"),
        ("--metre", "three", "metre such as 3/4"),
    ],
)
def test_the_command_line_says_what_cannot_be_in_one_line(tmp_path, capsys, option, value, words):
    parrot().save(tmp_path / "model.safetensors")
    assert main(["generate", str(tmp_path), "--length", "8 bars", option, value, "-q"]) == 2
    assert words in capsys.readouterr().err


def test_of_fillings_particles_are_chosen_between(tmp_path, monkeypatch):
    asked = []
    true = redraw._sample
    monkeypatch.setattr(
        redraw, "_sample", lambda *given: asked.append(given[2].best_of) or true(*given)
    )
    model, song = lively(BAND), band(tmp_path / "song.mid")

    def tries(best_of=None, **steer):
        settings = GenerateConfig(seed=1, gibbs_steps=1, best_of=best_of)
        plan = plan_songs(model, settings, source=song, steer=SteerConfig(particles=2, **steer))
        list(compose(model, plan))
        return plan.tries

    assert [tries(fill=("bar 2",)), tries(3, fill=("bar 2",)), tries(1, fill=("bar 2",))] == [1] * 3
    assert asked == [BEST_OF, 3, 1]
    model.card.figures = {"notes a frame": (2.0, 1.0)}
    assert tries(2, keep=("melody",)) == 2 and tries(keep=("melody",)) == 1
    assert asked[3:] == [1, 1, 1]


def test_a_metre_that_no_song_learned_from_has_is_told_of():
    model = lively(BAND, outlines=[Outline(64, ((0, 4, 4),)), Outline(48, ((0, 3, 4), (24, 2, 4)))])

    def remarks(**settings):
        return plan_songs(model, GenerateConfig(seed=1, **settings)).remarks

    [remark] = remarks(metre=(5, 4))
    assert remark == (
        "no song learned from is in 5/4, so the model does not know what to do with it: they are "
        "in 2/4, 3/4, 4/4"
    )
    assert not remarks(metre=(3, 4)) and not remarks(metre=(2, 4)) and not remarks()
    model.card.outlines = []
    assert not remarks(metre=(5, 4))  # nothing is known of them
