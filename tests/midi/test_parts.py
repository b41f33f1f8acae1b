"""Notes to parts: by names and programmes of tracks, and by what the voices do."""

import numpy as np
import pytest

from midigen.midi.notes import NoteTable, Track
from midigen.midi.parts import part_names
from midigen.midi.read import parse

from .craft import meta, midi, note


def tracks(*voices):
    """A song of voices, each (name, program, rows of start, end and pitch), at 4 ticks a beat."""
    rows = [(*row, number) for number, voice in enumerate(voices) for row in voice[2]]
    rows = np.array(sorted(rows, key=lambda row: (row[0], row[2])), np.int64)
    notes = np.column_stack([rows[:, :3], np.full(len(rows), 64)])
    return NoteTable(
        notes,
        4,
        120.0,
        (4, 4),
        notes[:, :2] / 8,
        "made",
        tracks=tuple(Track(name, program) for name, program, _ in voices),
        track=rows[:, 3],
    )


def sorted_into(*voices):
    """The parts of each voice's notes, as sets."""
    table = tracks(*voices)
    parts = part_names(table)
    return [set(parts[table.track == number].tolist()) for number in range(len(voices))]


def line(*pitches, length=4):
    return [(length * i, length * (i + 1), pitch) for i, pitch in enumerate(pitches)]


def chords(*roots, length=4):
    return [
        (length * i, length * (i + 1), root + step)
        for i, root in enumerate(roots)
        for step in (0, 4, 7)
    ]


TUNE = line(72, 74, 76, 74, 72, 71, 72, 72)


@pytest.mark.parametrize("name", ["melody", "Vocals", "Lead synth", "01 Soprano", "Voice:", "TUNE"])
def test_a_named_melody(name):
    voices = (name, 0, line(50, 52, 55)), ("", 0, line(72, 76, 79)), ("chords", 0, chords(48, 53))
    assert sorted_into(*voices)[0] == {"melody"}
    assert sorted_into(*voices)[2] == {"chords"}


@pytest.mark.parametrize(
    "name, program, part",
    [
        ("Bass", 0, "bass"),
        ("Fingered Bass", 24, "bass"),
        ("", 33, "bass"),
        ("", 39, "bass"),
        ("Bassoon", 70, "chords"),
        ("", 40, "chords"),
    ],
)
def test_a_bass_by_name_or_programme(name, program, part):
    accompaniment = chords(36, 41, 43, 36)
    found = sorted_into(
        ("melody", 0, TUNE), ("", 0, accompaniment), (name, program, chords(60, 65))
    )
    assert found == [{"melody"}, {"chords"}, {part}]


def test_a_chorale_of_four_tracks():
    voices = [("", 0, line(*(pitch + step for step in (0, 2, 4, 2)))) for pitch in (72, 67, 60, 48)]
    assert sorted_into(*voices) == [{"melody"}, {"chords"}, {"chords"}, {"bass"}]
    assert sorted_into(*voices[::-1]) == [{"bass"}, {"chords"}, {"chords"}, {"melody"}]


def test_two_voices_are_melody_and_bass():
    assert sorted_into(("one", 0, TUNE), ("two", 0, line(55, 52, 50))) == [{"melody"}, {"bass"}]


def test_the_one_voice_above_a_piano():
    found = sorted_into(("", 0, TUNE), ("Piano", 0, chords(48, 53)), ("", 0, line(40, 45, 43)))
    assert found == [{"melody"}, {"chords"}, {"bass"}]


def test_a_left_hand_of_one_voice_is_no_melody():
    right = sorted(TUNE + [(start, end, pitch - 5) for start, end, pitch in TUNE])
    found = sorted_into(("right", 0, right), ("left", 0, line(48, 50, 52, 53, 52, 50, 48, 48)))
    assert found == [{"melody", "chords"}, {"bass"}]


def test_legato_is_one_voice():
    slurred = [(start, end + 1, pitch) for start, end, pitch in TUNE]
    assert sorted_into(("", 0, slurred), ("", 0, chords(48, 53)))[0] == {"melody"}


def test_the_top_line_of_a_lone_piano():
    table = tracks(("", 0, TUNE + chords(48, 53, 55, 48, 48, 53, 55, 48)))
    melody = table.notes[part_names(table) == "melody"]
    assert melody[:, :3].tolist() == [list(row) for row in TUNE]


@pytest.mark.parametrize(
    "notes",
    [
        chords(48, 60, 50, 65, 45),  # its top line leaps
        [(i, i + 1, pitch) for i, pitch in enumerate([48, 64, 67, 72, 76, 67, 72, 76] * 4)]
        + [(8 * i, 8 * i + 8, 52) for i in range(4)],  # arpeggios above held notes
        [(16 * i, 16 * i + 1, 72) for i in range(4)] + chords(48, 53, 55, 48, length=16),  # rests
    ],
)
def test_what_is_no_melody(notes):
    assert sorted_into(("", 0, notes)) == [{"chords"}]


def test_tracks_of_a_file():
    """Names, programmes and drums are kept, and where each note is from."""
    program = b"\x00\xc0\x21"
    table = parse(
        midi(
            meta(0x58, b"\x03\x02\x18\x08") + meta(0x59, b"\xfe\x00"),
            meta(0x03, b"melody") + note(72) + note(74),
            meta(0x03, b"low") + program + note(40) + b"\x00\xc0\x05" + note(42, wait=480),
            meta(0x03, b"kit") + note(38, channel=9) + note(42, channel=9),
        ),
        "n",
    )
    assert [(t.name, t.program, t.drums) for t in table.tracks] == [
        ("melody", 33, False),  # that of its channel, elsewhere in the file
        ("low", 33, False),
        ("kit", 0, True),
    ]
    assert table.track.tolist() == [1, 0, 0, 1]
    assert part_names(table).tolist() == ["bass", "melody", "melody", "bass"]
    assert table.drum_notes[:, :3].tolist() == [[0, 480, 38], [480, 960, 42]]
    assert table.drum_seconds.tolist() == [[0, 0.5], [0.5, 1]]
    assert (table.metres, table.keys) == (((0, 3, 4),), ((0, "Bb"),))


def test_metres_of_all_tracks_come_in_order():
    changes = meta(0x58, b"\x03\x02\x18\x08", 960) + meta(0x58, b"\x02\x02\x18\x08", 480)
    table = parse(midi(note() + changes, meta(0x58, b"\x04\x02\x18\x08") + note()), "n")
    assert table.metres == ((0, 4, 4), (1440, 3, 4), (1920, 2, 4)) and table.metre == (4, 4)
