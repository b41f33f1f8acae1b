"""Writing songs: what is written is what is read back, and nothing is ever overwritten."""

import io
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest

from midigen.config import Grid, Part
from midigen.errors import MidigenError
from midigen.midi.dynamics import Dynamics
from midigen.midi.read import read_notes
from midigen.midi.roll import notes_to_roll, part_notes
from midigen.midi.write import Playing, midi_bytes, roll_to_midi, write_new
from midigen.outline import Outline
from midigen.randomness import generator

SECONDS = Grid(unit="seconds", step=0.1)


def random_roll(grid, frames=64, density=0.1, seed=1):
    """A roll that can be read back: every note has its onset, and no onset is without a note."""
    roll = (np.random.default_rng(seed).random((frames, grid.channels)) < density).astype(np.uint8)
    if grid.articulation == "onset":
        notes, onsets = roll[:, : grid.pitches], roll[:, grid.pitches :]
        onsets &= notes
        onsets[0] |= notes[0]
        onsets[1:] |= notes[1:] & ~notes[:-1] & 1
    roll[-1, 0] = 1  # trailing silence is not kept
    if grid.articulation == "onset":
        roll[-1, grid.pitches] = 1
    return roll


def written(tmp_path, roll, grid, bpm=120, **options):
    return write_new(tmp_path, "song", midi_bytes(roll_to_midi(roll, grid, bpm, **options)))


@pytest.mark.parametrize(
    "grid, bpm",
    [
        (Grid(), 120),
        (Grid(), 97.3),
        (Grid(steps_per_beat=3), 60),
        (Grid(steps_per_beat=7), 133),
        (Grid(steps_per_beat=96), 240),
        (Grid(steps_per_beat=1), 31),
        (Grid(articulation="sustain"), 120),
        (Grid(articulation="onset"), 120),
        (Grid(low=60, high=72), 120),
        (SECONDS, 120),
        (SECONDS, 47.7),
        (Grid(unit="seconds", step=0.001), 120),
        (Grid(unit="seconds", step=2.5, articulation="onset"), 300),
    ],
)
def test_a_written_roll_is_read_back_unchanged(tmp_path, grid, bpm):
    roll = random_roll(grid)
    read, _ = notes_to_roll(read_notes(written(tmp_path, roll, grid, bpm)), grid)
    np.testing.assert_array_equal(read, roll)


def test_a_song_of_hours_is_read_back_unchanged(tmp_path):
    roll = np.zeros((200_000, Grid().channels), np.uint8)
    roll[::1000, 40] = 1
    roll[-1, 40] = 1
    read, _ = notes_to_roll(read_notes(written(tmp_path, roll, Grid())), Grid())
    np.testing.assert_array_equal(read, roll)


@pytest.mark.parametrize("bpm", [4, 60, 66.6, 100, 120, 137, 1000])
def test_tempo_is_the_nearest_whole_number_of_microseconds(bpm):
    data = midi_bytes(roll_to_midi(random_roll(Grid()), Grid(), bpm))
    [tempo] = [
        m.tempo for m in mido.MidiFile(file=io.BytesIO(data)).tracks[0] if m.type == "set_tempo"
    ]
    assert tempo == round(60e6 / bpm)


def test_notes_lie_on_whole_ticks_with_metre_program_and_velocity():
    roll = np.zeros((8, Grid().channels), np.uint8)
    roll[1:3, 60 - 21] = 1
    file = mido.MidiFile(
        file=io.BytesIO(
            midi_bytes(roll_to_midi(roll, Grid(), 120, (6, 8), Playing((("", 40),), 99)))
        )
    )
    head, notes = file.tracks
    assert file.ticks_per_beat == 480
    assert [(m.numerator, m.denominator) for m in head if m.type == "time_signature"] == [(6, 8)]
    assert [(m.type, m.time) for m in notes] == [
        ("track_name", 0),
        ("program_change", 0),
        ("note_on", 120),
        ("note_on", 240),
        ("end_of_track", 1),
    ]
    assert (notes[0].name, notes[1].program) == ("notes", 40)
    assert [(m.note, m.velocity) for m in notes[2:4]] == [(60, 99), (60, 0)]


BAND = Grid(
    steps_per_beat=2,
    tonic="one",
    parts=(
        Part("melody", 60, 71, "line", 73),
        Part("chords", 48, 59, "block", 46),
        Part("drums", 36, 42, "drums"),
    ),
)


def band(bars=4):
    """Notes in every frame, and one of each part that is held to the end."""
    roll = np.zeros((8 * bars, BAND.channels), np.uint8)
    roll[:-3, [0, 13, 17, 20]] = 1
    roll[:, 26] = 1
    roll[-3:, [12, 25]] = 1  # what is held
    return roll


def tracks_of(midi):
    """The tracks of a file but the first, each a name, a programme, channels, and its notes."""
    file = mido.MidiFile(file=io.BytesIO(midi_bytes(midi)))
    found = []
    for track in file.tracks[1:]:
        ticks = np.cumsum([m.time for m in track]).tolist()
        notes, sounding = [], {}
        for tick, m in zip(ticks, track, strict=True):
            if m.type == "note_on" and m.velocity:
                assert m.note not in sounding  # no note is struck while it sounds
                sounding[m.note] = tick, m.velocity
            elif m.type == "note_on":
                start, velocity = sounding.pop(m.note)
                notes.append((start, tick, m.note, velocity))
        assert not sounding and track[-1].type == "end_of_track" and ticks[-1] >= ticks[-2]
        [name], [program] = (
            [m for m in track if m.type == kind] for kind in ("track_name", "program_change")
        )
        channels = {m.channel for m in track if not m.is_meta}
        found.append((name.name, program.program, channels, sorted(notes)))
    return file, found


def test_every_part_has_a_named_track_an_instrument_and_whole_notes():
    roll = band()
    _, tracks = tracks_of(roll_to_midi(roll, BAND, 120))
    assert [track[:3] for track in tracks] == [
        ("melody", 73, {0}),
        ("chords", 46, {1}),
        ("drums", 0, {9}),
    ]
    for (_, _, _, notes), expected in zip(tracks, part_notes(roll, BAND), strict=True):
        rows = [(start // 240, end // 240, pitch) for start, end, pitch, _ in notes]
        assert rows == [tuple(row) for row in expected.tolist()]
    assert [max(end for _, end, _, _ in track[3]) for track in tracks] == [32 * 240] * 3


def test_instruments_that_are_asked_for():
    playing = Playing((("", 40), ("chords", 24)))
    _, tracks = tracks_of(roll_to_midi(band(), BAND, 120, playing=playing))
    assert [track[1] for track in tracks] == [40, 24, 0]
    with pytest.raises(ValueError, match="no 'bass': the parts are melody, chords"):
        roll_to_midi(band(), BAND, 120, playing=Playing((("bass", 32),)))


def test_notes_are_accented_by_their_place_in_the_bar():
    outline = Outline(32, ((0, 4, 4),), pickup=7)  # bars begin at frames 1, 9, ..
    _, tracks = tracks_of(roll_to_midi(band(), BAND, 120, outline=outline))
    velocity = {start: velocity for start, _, _, velocity in tracks[0][3]}
    first = 240 * 8  # a bar of silence and a pickup
    assert velocity[first] == velocity[first + 8 * 240] == max(velocity.values())
    assert velocity[first] > velocity[first + 4 * 240] > velocity[first + 240]
    again = tracks_of(roll_to_midi(band(), BAND, 120, outline=outline, playing=Playing()))
    assert again[1] == tracks


def test_dynamics_are_those_of_the_songs():
    known = {"melody": Dynamics(100.0, (0, 0, 0, 20.0, 0), (1.0,) * 5)}
    playing = Playing(dynamics=known, rng=generator(1, "v"))
    _, tracks = tracks_of(roll_to_midi(band(32), BAND, 120, playing=playing))
    velocity = {start: velocity for start, _, _, velocity in tracks[0][3]}
    off = [v for start, v in velocity.items() if start % 480]
    assert np.mean(off) - np.mean([v for s, v in velocity.items() if not s % 480]) > 15
    louder = Playing((), 60, known, generator(1, "v"))
    _, tracks = tracks_of(roll_to_midi(band(32), BAND, 120, playing=louder))
    everything = [velocity for track in tracks for _, _, _, velocity in track[3]]
    assert np.mean(everything) == pytest.approx(60, abs=0.5) and np.std(everything) > 5


@pytest.mark.parametrize("shift, minor, key", [(0, False, "C"), (5, False, "G"), (-2, True, "Bm")])
def test_the_key_stands_in_the_file_where_it_is_known(shift, minor, key):
    outline = Outline(32, ((0, 4, 4),), minor=minor, shift=shift)
    file, _ = tracks_of(roll_to_midi(band(), BAND, 120, outline=outline))
    assert [m.key for m in file.tracks[0] if m.type == "key_signature"] == [key]
    kept = replace(BAND, tonic="kept")
    file, _ = tracks_of(roll_to_midi(band(), kept, 120, outline=outline))
    assert not [m for m in file.tracks[0] if m.type == "key_signature"]


def test_metres_stand_on_their_bar_lines():
    metres = ((0, 3, 4), (10, 6, 8), (28, 2, 2))
    outline = Outline(32, metres, pickup=2)
    file, _ = tracks_of(roll_to_midi(band(), BAND, 120, outline=outline))
    ticks = np.cumsum([m.time for m in file.tracks[0]])
    written = [
        (tick, m.numerator, m.denominator)
        for tick, m in zip(ticks.tolist(), file.tracks[0], strict=True)
        if m.type == "time_signature"
    ]
    assert file.type == 1
    assert written == [(0, 3, 4), (12 * 240, 6, 8), (30 * 240, 2, 2)]


def test_text_stands_at_the_head_of_track_0():
    data = midi_bytes(roll_to_midi(random_roll(Grid()), Grid(), 120, text="seed 7; naïve"))
    [text] = [
        m
        for m in mido.MidiFile(file=io.BytesIO(data), charset="utf-8").tracks[0]
        if m.type == "text"
    ]
    assert (text.time, text.text) == (0, "seed 7; naïve")


def test_a_silent_song_is_a_file_without_notes():
    data = midi_bytes(roll_to_midi(np.zeros((16, Grid().channels), np.uint8), Grid(), 120))
    assert not [m for m in mido.MidiFile(file=io.BytesIO(data)) if m.type == "note_on"]


def test_a_taken_name_is_numbered_and_kept(tmp_path):
    paths = [write_new(tmp_path, "song", data) for data in (b"1", b"2", b"3")]
    assert [p.name for p in paths] == ["song.mid", "song-2.mid", "song-3.mid"]
    assert [p.read_bytes() for p in paths] == [b"1", b"2", b"3"]


def test_a_write_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(TypeError):
        write_new(tmp_path, "song", "not bytes")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(MidigenError, match="cannot write .*song.mid"):
        write_new(Path(tmp_path, "nowhere"), "song", b"")
