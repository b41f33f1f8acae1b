"""Odd files that players play are read as the sound file is, and a remark says what was odd."""

import io
import struct

import mido
import numpy as np
import pytest

from midigen.errors import MidigenError
from midigen.midi.performance import read_performance
from midigen.midi.read import parse
from midigen.midi.rewrite import Changes, rewrite
from midigen.midi.smf import MOST_AHEAD, read_events
from midigen.preparation import Settings, prepare_paths

from .craft import END, melody, meta, midi, note, tempo, track

SOUND = melody(60, 62, 64)
NOTES = note(60) + note(62) + note(64)


def with_length(data, change):
    """A file with another length of its first track."""
    place = data.index(b"MTrk") + 4
    (length,) = struct.unpack(">I", data[place : place + 4])
    return data[:place] + struct.pack(">I", change(length)) + data[place + 4 :]


def header(kind=1, tracks=1, division=480, length=6):
    return b"MThd" + struct.pack(">IHHH", length, kind, tracks, division)


ODD = {
    "key of 8 sharps": (midi(meta(0x59, b"\x08\x00") + NOTES), "keys that are none"),
    "key of 14 flats": (midi(meta(0x59, b"\xf2\x01") + NOTES), "keys that are none"),
    "key in mode 5": (midi(meta(0x59, b"\x00\x05") + NOTES), "keys that are none"),
    "key of one byte": (midi(meta(0x59, b"\x00") + NOTES), "keys that are none"),
    "film start": (midi(meta(0x54, b"\xff\0\0\0\0") + NOTES), None),
    "film start of one byte": (midi(meta(0x54, b"\xff") + NOTES), None),
    "tempo of one byte": (midi(meta(0x51, b"\x07") + NOTES), "tempi that are none"),
    "tempo of 0": (midi(meta(0x51, b"\0\0\0") + NOTES), "tempi that are none"),
    "two such tempi": (
        midi(meta(0x51, b"\0\0\0") * 2 + NOTES),
        "tempi that are none passed over (2 times)",
    ),
    "metre of one byte": (midi(meta(0x58, b"\x04") + NOTES), "metres that are none"),
    "channel prefix of none": (midi(meta(0x20, b"") + NOTES), None),
    "sequence number of one byte": (midi(meta(0x00, b"\x07") + NOTES), None),
    "a meta event that there is not": (midi(meta(0x6E, b"what") + NOTES), None),
    "a chunk ahead": (header() + b"XFIH\0\0\0\x03abc" + SOUND[14:], "unknown chunks"),
    "a chunk behind": (SOUND + b"XFIH\0\0\0\x03abc", "unknown chunks"),
    "bytes behind": (SOUND + b"\r\n\x1a\0\0\0\0\0\0\0", None),
    "track too short": (with_length(SOUND, lambda n: n - 3), "wrong length of a track"),
    "track of length 0": (with_length(SOUND, lambda n: 0), "wrong length of a track"),
    "track too long": (with_length(SOUND, lambda n: n + 1), "wrong length of a track"),
    "track of 4 GB": (with_length(SOUND, lambda n: 2**32 - 1), "wrong length of a track"),
    "no end of the track": (header() + track(NOTES), None),
    "header of 4 GB": (header(length=2**32 - 1) + SOUND[14:], "wrong length of the header"),
    "longer header": (header(length=8) + b"\0\0" + SOUND[14:], None),
    "no tracks promised": (header(tracks=0) + SOUND[14:], "wrong number of tracks"),
    "65535 tracks promised": (header(tracks=65535) + SOUND[14:], "wrong number of tracks"),
    "MacBinary": (b"\0" * 128 + SOUND + b"\0" * 57, "bytes ahead of the header"),
    "a mail": (b"From: me\nSubject: a song\n\n" + SOUND, "bytes ahead of the header"),
    "RIFF": (b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + SOUND, None),
    "clock in running status": (
        midi(b"\0\x90\x3c\x40\0\xf8\x83\x60\x3c\0" + note(62) + note(64)),
        "system status bytes passed over",
    ),
    "song position in running status": (
        midi(b"\0\x90\x3c\x40\0\xf2\1\2\x83\x60\x3c\0" + note(62) + note(64)),
        "system status bytes passed over",
    ),
    "undefined status": (midi(b"\0\xf4" + NOTES), "undefined status bytes passed over"),
    "system exclusive in running status": (
        midi(b"\0\x90\x3c\x40\0\xf0\2\1\xf7\x83\x60\x3c\0" + note(62) + note(64)),
        None,
    ),
    "format 999": (header(kind=999) + SOUND[14:], "format 999"),
    "an end after 9 hours": (header() + track(NOTES + b"\xff\xff\xff\x7f\xff\x2f\0"), None),
    "words": (midi(meta(1, b"midi") + meta(5, b"la") + NOTES), None),
}


@pytest.mark.parametrize("data, remark", ODD.values(), ids=ODD)
def test_what_players_play_is_read_and_the_repair_noted(data, remark):
    sound, found = parse(SOUND, "n"), parse(data, "n")
    assert found.notes.tolist() == sound.notes.tolist()
    assert found.seconds.tolist() == sound.seconds.tolist()
    if remark is None:
        assert found.warnings == ()
    else:
        assert len(found.warnings) == 1 and found.warnings[0].startswith(remark)
    assert read_performance(data).notes.tolist() == read_performance(SOUND).notes.tolist()


@pytest.mark.parametrize(
    "rest, reason",
    [
        (b"\0\x90\x40", "cut short (a track is not complete)"),
        (b"\xff\xff\xff\xff\x7f\x90\x40\x40", "damaged (a number without an end)"),
        (b"\0\xf0\x7f\1\2", "cut short (a track is not complete)"),
        (b"\0\xff\x01\x7f\1\2", "cut short (a track is not complete)"),
        (b"\0", "cut short (a track is not complete)"),
    ],
)
def test_a_broken_track_is_read_up_to_there(rest, reason):
    """The other tracks are read to their ends; where there are no notes, that is the reason."""
    cut = header(tracks=2) + track(note(60) + rest) + track(note(62) + END)
    found = parse(cut, "n")
    assert found.notes[:, 2].tolist() == [60, 62]
    assert found.warnings == (f"{reason}: read up to there",)
    with pytest.raises(MidigenError) as caught:
        parse(header() + track(rest), "n")
    assert str(caught.value) == reason


def test_tracks_of_format_2_come_one_after_the_other():
    data = midi(note(60) + note(61, wait=480), tempo(60) + note(62), kind=2)
    found = parse(data, "n")
    assert found.notes[:, :3].tolist() == [[0, 480, 60], [960, 1440, 61], [1440, 1920, 62]]
    assert found.seconds[-1].tolist() == [1.5, 2.5]
    assert found.warnings[0] == "format 2: tracks are taken one after the other"


@pytest.mark.parametrize(
    "division, seconds",
    [
        (0xE728, 480 / (25 * 40)),
        (0xE250, 480 / (30 * 80)),
        (0xE764 - 1, 480 / (25 * 99)),
        (0xE350, 480 / (30 / 1.001 * 80)),  # 29.97 frames a second
        (0xFFFF, 480 / 255),
    ],
)
def test_time_in_film_frames_is_that_of_a_player(division, seconds):
    """Whatever the tempo, which such files have no use for."""
    found = parse(midi(tempo(33) + NOTES, division=division), "n")
    assert found.seconds[:, 1].tolist() == pytest.approx([seconds, 2 * seconds, 3 * seconds])
    assert found.warnings[0].startswith("time in film frames")
    assert found.bpm == pytest.approx(120, rel=0.002) or found.bpm == pytest.approx(60, rel=0.002)


def test_a_header_far_from_the_start_is_none():
    assert parse(b"." * (MOST_AHEAD - 4) + SOUND, "n").notes[:, 2].tolist() == [60, 62, 64]
    with pytest.raises(MidigenError, match="no MThd"):
        parse(b"." * MOST_AHEAD + SOUND, "n")


def test_controllers_are_read_where_they_are_wanted():
    data = midi(b"\0\xb0\x07\x64\0\xe0\x01\x41\0\xd0\x10\0\xa0\x3c\x10" + NOTES)

    def types(wanted):
        return [message.type for message in read_events(data, wanted).midi.tracks[0][:3]]

    assert types("controls") == ["control_change", "pitchwheel", "note_on"]
    assert types("notes") == ["note_on", "note_off", "note_on"]
    assert types("everything") == ["control_change", "pitchwheel", "aftertouch"]
    assert read_events(data, "controls").midi.tracks[0][1].pitch == 129


def test_everything_is_what_another_reader_finds():
    channel = b"\0\xb0\x07\x64\0\xe0\x01\x41\5\xd0\x10\0\xa0\x3c\x10\0\xf0\x03\x01\x02\xf7"
    metas = [(0x05, b"la"), (0x06, b"A"), (0x20, b"\3"), (0x54, b"\x60\0\0\0\0"), (0x7F, b"\1x")]
    metas += [(0x58, b"\6\3\x24\x08"), (0x59, b"\xfe\1"), (0x01, b"midigen x"), (0x6E, b"?")]
    data = midi(tempo(90), b"".join(meta(*m) for m in metas) + channel + NOTES)
    expected = mido.MidiFile(file=io.BytesIO(data)).tracks
    found = read_events(data, "everything").midi.tracks
    assert [list(map(str, track)) for track in found] == [list(map(str, t)) for t in expected]


@pytest.mark.parametrize("name", ODD)
def test_odd_files_can_be_rewritten(name):
    data, _ = ODD[name]
    table = parse(data, "x")
    changes = Changes(np.array([1]), {}, [], "midigen test")
    left = np.delete(table.notes, 1, axis=0)
    assert parse(rewrite(data, table, changes), "x").notes.tolist() == left.tolist()


def test_a_repair_is_noted_in_the_manifest_and_rmi_files_are_found(tmp_path):
    (tmp_path / "a.rmi").write_bytes(b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + SOUND)
    (tmp_path / "b.mid").write_bytes(midi(meta(0x59, b"\x08\x00") + note(65) + NOTES))
    a, b = prepare_paths(tmp_path, Settings(workers=1, split=(1, 0, 0))).manifest
    assert a["verdict"] == b["verdict"] == "kept"
    assert "warnings" not in a and b["warnings"] == "keys that are none passed over"
