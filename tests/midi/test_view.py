import numpy as np
import pytest

from midigen.errors import MidigenError
from midigen.midi.view import parse_view, read_view
from tests.midi.craft import melody, meta, midi, note, number, tempo


def metre(numerator, power, wait=0):
    return meta(0x58, bytes([numerator, power, 24, 8]), wait)


def test_a_song_is_read_track_by_track(tmp_path):
    head = meta(0x03, b"My waltz") + tempo(60) + metre(3, 2) + meta(0x59, b"\xfd\x01")
    upper = (
        meta(0x03, b"flute") + bytes([0, 0xC0, 73]) + b"".join(note(p) for p in (72, 74, 76, 77))
    )
    beat = note(36, channel=9) * 4
    path = tmp_path / "waltz.mid"
    path.write_bytes(midi(head, upper, beat))
    view = read_view(path)
    assert (view.name, view.title, view.text) == ("waltz.mid", "My waltz", "")
    assert (view.bpm, view.metre, view.key, view.end) == (60, (3, 4), "C minor", 4)
    assert view.bars.tolist() == [0, 3] and view.quarters == (3, 3)
    flute, drums = view.tracks
    assert (flute.name, flute.program, flute.drums, flute.part) == ("flute", 73, False, "melody")
    assert flute.notes.tolist() == [[i, i + 1, p, 64] for i, p in enumerate((72, 74, 76, 77))]
    assert (drums.drums, drums.part, len(drums.notes)) == (True, "drums", 4)


def test_bars_follow_changes_of_tempo_and_metre():
    head = tempo(60) + metre(2, 2) + tempo(120, wait=1920) + metre(6, 3, wait=0)
    view = parse_view(midi(head, b"".join(note(60) for _ in range(10))), "song")
    # two bars of two quarters in 2 s each, then of three in 1.5 s each
    np.testing.assert_allclose(view.bars, [0, 2, 4, 5.5])
    assert view.quarters == (2, 2, 3, 3)
    assert view.end == pytest.approx(7)


def test_a_first_bar_that_is_short_is_a_pickup():
    head = tempo(60) + metre(1, 2) + metre(4, 2, wait=480)
    view = parse_view(midi(head, b"".join(note(60) for _ in range(9))), "song")
    np.testing.assert_allclose(view.bars, [0, 1, 5])
    assert view.quarters == (1, 4, 4)


def test_drums_alone_are_a_song():
    view = parse_view(midi(note(36, channel=9) * 8), "beat")
    assert [track.part for track in view.tracks] == ["drums"]
    assert len(view.bars) == 2


def test_what_midigen_wrote_is_found():
    body = meta(0x01, b"by somebody") + meta(0x01, b"midigen 1.0; seed 7") + note()
    assert parse_view(midi(body), "song").text == "midigen 1.0; seed 7"


def test_names_are_on_one_line_and_may_be_utf8():
    body = meta(0x03, "Flöte\x1b[31m\n‮".encode()) + note()
    assert parse_view(midi(body), "song").tracks[0].name == "Flöte\\x1b[31m\\n\\u202e"
    body = meta(0x03, "Flöte".encode("latin-1")) + note()
    assert parse_view(midi(body), "song").tracks[0].name == "Flöte"


@pytest.mark.parametrize("told, name", [(b"one:", "one"), (b":alto", "alto"), (b"a:b", "a:b")])
def test_names_of_lilypond_lose_their_colon(told, name):
    assert parse_view(midi(meta(0x03, told) + note()), "song").tracks[0].name == name


def test_bytes_are_read_as_files_are():
    assert read_view(melody(60, 62), "mine").name == "mine"


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty"),
        (b"hello, world", "not a MIDI file"),
        (midi(b""), "no notes"),
        (melody(60)[:-6], "cut short"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_file_s_name(tmp_path, data, reason):
    path = tmp_path / "bad\n.mid"
    path.write_bytes(data)
    with pytest.raises(MidigenError, match=r"bad\\n\.mid: .*" + reason):
        read_view(path)


def test_a_missing_file_and_a_folder_are_said(tmp_path):
    with pytest.raises(MidigenError, match="nothing.mid: no such file"):
        read_view(tmp_path / "nothing.mid")
    with pytest.raises(MidigenError, match="not a file"):
        read_view(tmp_path)


def test_a_song_of_millions_of_bars_ends_in_an_error():
    """Ten million quarter notes with 16 bars each."""
    body = tempo(60_000) + metre(1, 6) + number(9_000_000) + note()[1:]
    data = midi(body, division=1)
    with pytest.raises(MidigenError, match="^huge: too long .*bars"):
        read_view(data, "huge")
