"""What is heard of a MIDI file, and its stretches as files."""

import io

import mido
import numpy as np
import pytest

from midigen.errors import MidigenError
from midigen.midi import performance as module
from midigen.midi.performance import MAX_MINUTES, read_performance, stretches
from tests.midi.craft import melody, midi, note, tempo


def control(number, value, wait=0, channel=0):
    return bytes([wait, 0xB0 | channel, number, value])


def program(number, channel=0):
    return bytes([0, 0xC0 | channel, number])


def events(stretch, tail=0.0):
    """The events of a stretch's file: seconds rounded to milliseconds, and what they are."""
    found, time = [], 0.0
    for message in mido.MidiFile(file=io.BytesIO(stretch.write(tail))):
        time += message.time
        found.append((round(time, 3), message))
    return found


def names(stretch):
    return [(time, message.type) for time, message in events(stretch)]


def test_notes_are_in_seconds_by_the_tempi_of_all_tracks():
    song = read_performance(midi(note(60, 480) + note(62, 480), tempo(60, wait=480)))
    assert song.notes.tolist() == [[0, 0.5, 0, 60, 64], [0.5, 1.5, 0, 62, 64]]
    assert song.seconds == 1.5


def test_keeps_what_is_heard():
    body = program(40, 3) + control(7, 90, channel=3) + note(channel=3) + note(38, channel=9)
    song = read_performance(midi(body))
    assert [(c.type, c.channel) for _, c in song.controls] == [
        ("program_change", 3),
        ("control_change", 3),
    ]
    assert song.notes[:, 2].tolist() == [3, 9]


def test_a_song_without_notes_is_read():
    assert read_performance(midi(b"")).seconds == 0
    assert list(stretches(read_performance(midi(b"")), 10)) == []


def test_notes_that_never_end_are_left_out():
    assert len(read_performance(midi(b"\x00\x90\x3c\x40" + note(64))).notes) == 1


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty"),
        (b"RIFF", "not a MIDI file"),
        (melody(60)[:30], "cut short"),
        (midi(note(wait=480 * 2 * 60 * (MAX_MINUTES + 1))), "too long (31 minutes"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data, reason):
    with pytest.raises(MidigenError) as caught:
        read_performance(data)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_note_does_not_sound_for_ever(monkeypatch):
    monkeypatch.setattr(module, "MAX_NOTE", 2.0)
    song = read_performance(midi(note(60, 480 * 20)))
    assert song.notes[:, 1].tolist() == [2.0]


def test_stretches_have_the_notes_that_begin_in_them():
    song = read_performance(midi(note(60, 480 * 5) + note(62, 480) + note(64, 480, wait=480 * 20)))
    parts = list(stretches(song, 2.0))
    assert [part.start for part in parts] == [0.0, 2.0, 12.0]
    assert [part.notes[:, 3].tolist() for part in parts] == [[60], [62], [64]]
    assert [t for t, m in events(parts[1]) if m.type == "note_on"] == [0.5]


def test_a_stretch_starts_with_what_was_set_before_it():
    body = program(5) + control(7, 10) + control(7, 90) + note(60, 960) + control(10, 3) + note(62)
    body += control(7, 50) + note(64, 960)
    first, second = stretches(read_performance(midi(body)), 1.4)
    assert [m.bytes() for t, m in events(second) if t == 0 and m.type != "note_on"] == [
        [0xC0, 5],
        [0xB0, 7, 90],
        [0xB0, 10, 3],
    ]
    assert (0.1, "control_change") in names(second)
    assert (1.0, "control_change") in names(first)


def test_a_switch_that_silences_is_no_state():
    """All notes off, long ago, does not silence the notes of a later stretch."""
    body = control(123, 0) + control(121, 0) + note(60, 960) + note(62)
    _, second = stretches(read_performance(midi(body)), 1.0)
    assert [m.control for _, m in events(second) if m.type == "control_change"] == [121]


def test_notes_end_before_others_begin():
    song = read_performance(midi(note(60, 480) + note(60, 480)))
    [part] = stretches(song, 10)
    kinds = [m.type for t, m in events(part) if t == 0.5 and m.type.startswith("note")]
    assert kinds == ["note_off", "note_on"]


def test_a_note_of_no_length_begins_before_it_ends():
    [part] = stretches(read_performance(midi(note(60, 0))), 10)
    kinds = [m.type for _, m in events(part) if m.type.startswith("note")]
    assert kinds == ["note_on", "note_off"]


def test_the_file_goes_on_until_the_pedal_is_up():
    body = control(64, 127) + note(60, 480) + control(64, 0, wait=127)
    body += bytes([0x87, 0x40]) + control(7, 1)[1:]  # 960 ticks later, of no concern
    [part] = stretches(read_performance(midi(body)), 10)
    end = 0.5 + 127 / 960
    assert events(part, tail=1.0)[-1][0] == pytest.approx(end + 1, abs=0.001)


def test_a_pedal_that_was_down_before_a_stretch_holds_its_notes():
    body = control(64, 127) + note(60, 960) + note(62, 480) + control(64, 0, wait=127)
    _, second = stretches(read_performance(midi(body)), 1.0)
    assert events(second)[-1][0] == pytest.approx(0.5 + 127 / 960, abs=0.001)


def test_stretches_together_have_every_note_once():
    rng = np.random.default_rng(1)
    song = read_performance(
        midi(b"".join(note(p, 99, wait=int(w)) for p, w in rng.integers(1, 120, (200, 2))))
    )
    parts = list(stretches(song, 1.0))
    assert len(parts) > 10
    assert np.array_equal(np.concatenate([part.notes for part in parts]), song.notes)
