"""MIDI files, sound and broken, to note tables."""

import time

import pytest

from midigen.errors import MidigenError
from midigen.midi.read import parse, read_many, read_notes
from midigen.midi.worker import Failure

from .craft import END, melody, meta, midi, note, number, tempo, track


def rows(table):
    return table.notes.tolist()


def test_notes_in_ticks_and_seconds():
    table = parse(midi(tempo(60) + note(60, 480, velocity=99) + note(62, 240, 7)), "n")
    assert rows(table) == [[0, 480, 60, 99], [487, 727, 62, 64]]
    assert (table.ticks_per_beat, table.bpm, table.metre, table.drums, table.name) == (
        480,
        60.0,
        (4, 4),
        0,
        "n",
    )
    assert table.seconds[1].tolist() == pytest.approx([487 / 480, 727 / 480])
    assert table.warnings == ()


def test_every_tick_is_exact_under_many_tempi():
    body = b"".join(
        tempo(40 + i % 200, 1) + note(30 + i % 80, 1 + i % 7, i % 3) for i in range(400)
    )
    tick, expected = 0, []
    for i in range(400):
        tick += 1 + i % 3
        expected.append((tick, tick + 1 + i % 7, 30 + i % 80))
        tick += 1 + i % 7
    assert [tuple(row[:3]) for row in rows(parse(midi(body, division=96), "n"))] == expected


def test_drums_are_counted_and_left_out():
    table = parse(midi(note(60) + note(38, channel=9) + note(42, channel=9)), "n")
    assert (len(table.notes), table.drums) == (1, 2)


def test_the_tempo_that_holds_longest():
    assert parse(
        midi(tempo(30) + note(60, 480) + tempo(100) + note(60, 48000)), "n"
    ).bpm == pytest.approx(100, abs=0.01)


def test_tempo_outside_the_first_track_counts():
    table = parse(midi(note(60), tempo(60) + meta(0x58, b"\x03\x02\x18\x08")), "n")
    assert table.bpm == 60 and table.metre == (3, 4)
    assert table.seconds[0].tolist() == [0, 1]
    assert table.warnings == ("tempo changes outside the first track",)


def test_impossible_metres_are_passed_over():
    odd = (
        meta(0x58, b"\x00\x02\x18\x08")
        + meta(0x58, b"\x04\xff\x18\x08")
        + meta(0x58, b"\x06\x03\x18\x08")
    )
    assert parse(midi(odd + note()), "n").metre == (6, 8)


def test_a_wrapped_file_and_bytes_after_the_end():
    plain = melody(60)
    assert rows(parse(b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + plain + b"\r\n", "n")) == rows(
        parse(plain, "n")
    )


def test_bytes_over_127_are_clipped():
    assert rows(parse(midi(b"\x00\x90\x3c\xff\x10\x80\x3c\x00"), "n")) == [[0, 16, 60, 127]]


BROKEN = {
    "empty": (b"", "empty"),
    "text": (b"Dear user, this is no music", "not a MIDI file"),
    "half a header": (melody(60)[:10], "header is not complete"),
    "half a track": (melody(60)[:-6], "a track is not complete"),
    "no tracks": (midi(), "no notes"),
    "no ticks": (melody(60, division=0), "0 ticks a beat"),
    "no ticks a film frame": (melody(60, division=0xE700), "0 ticks a film frame"),
    "endless number": (midi(b"\xff" * 2048), "a number without an end"),
    "far away": (midi(note(60, 2**27)), "too long"),
    "two days": (
        midi(meta(0x51, b"\xff\xff\xff") + note(60, 12000), division=1),
        r"too long \(56 hours",
    ),
    "no status": (midi(b"\x00\x3c\x40"), "running status"),
    "silence": (midi(b""), "no notes"),
    "only drums": (midi(note(38, channel=9)), "no notes but drums"),
    "never ended": (midi(b"\x00\x90\x3c\x40"), "no notes"),
}


@pytest.mark.parametrize("data, words", BROKEN.values(), ids=BROKEN)
def test_broken_files_say_why_and_cost_little(data, words):
    began = time.process_time()
    with pytest.raises(MidigenError, match=words) as caught:
        parse(data, "n")
    assert str(caught.value).isprintable()
    assert time.process_time() - began < 2


def test_the_longest_endless_numbers_that_pass_cost_little():
    began = time.process_time()
    with pytest.raises(MidigenError):
        parse(midi((b"\xff" * 2047 + b"\x00") * 100), "n")
    assert time.process_time() - began < 2


def test_read_notes_names_the_file(tmp_path):
    path = tmp_path / "a\x1b[2J.mid"
    path.write_bytes(b"nothing")
    with pytest.raises(MidigenError) as caught:
        read_notes(path)
    assert str(caught.value) == f"{tmp_path}/a\\x1b[2J.mid: not a MIDI file (no MThd at its start)"
    with pytest.raises(MidigenError, match=r"no\.mid: no such file"):
        read_notes(tmp_path / "no.mid")
    with pytest.raises(MidigenError, match="not a file"):
        read_notes(tmp_path)


def test_size_limit(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(melody(60))
    assert len(read_notes(path, max_bytes=len(melody(60))).notes) == 1
    with pytest.raises(MidigenError, match="too large"):
        read_notes(path, max_bytes=len(melody(60)) - 1)


def test_read_many_keeps_the_order_and_says_what_failed(tmp_path):
    paths = []
    for i in range(20):
        paths.append(tmp_path / f"{i}.mid")
        paths[-1].write_bytes(b"" if i % 5 == 0 else melody(40 + i))
    results = list(read_many(paths, workers=2))
    assert [path for path, _ in results] == paths
    for i, (_, result) in enumerate(results):
        if i % 5 == 0:
            assert result == Failure("empty")
        else:
            assert rows(result) == [[0, 480, 40 + i, 64]]


def test_crafted_files_are_what_they_say():
    assert number(0) == b"\x00" and number(2**28 - 1) == b"\xff\xff\xff\x7f"
    assert track(END)[4:8] == b"\x00\x00\x00\x04"
