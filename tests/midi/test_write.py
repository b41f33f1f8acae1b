"""Writing songs: what is written is what is read back, and nothing is ever overwritten."""

import io
from pathlib import Path

import mido
import numpy as np
import pytest

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi.read import read_notes
from midigen.midi.roll import notes_to_roll
from midigen.midi.write import midi_bytes, roll_to_midi, write_new

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
            midi_bytes(roll_to_midi(roll, Grid(), 120, metre=(6, 8), program=40, velocity=99))
        )
    )
    head, notes = file.tracks
    assert file.ticks_per_beat == 480
    assert [(m.numerator, m.denominator) for m in head if m.type == "time_signature"] == [(6, 8)]
    assert [(m.type, m.time) for m in notes] == [
        ("program_change", 0),
        ("note_on", 120),
        ("note_on", 240),
        ("end_of_track", 1),
    ]
    assert notes[0].program == 40
    assert [(m.note, m.velocity) for m in notes[1:3]] == [(60, 99), (60, 0)]


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
