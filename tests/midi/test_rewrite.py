"""A file with some notes replaced: which messages belong to which note, and nothing else moves."""

import io

import mido
import numpy as np
import pytest

from midigen.midi.read import parse
from midigen.midi.rewrite import Changes, NewNotes, WrittenMidi, rewrite


def on(time, pitch, velocity=80, channel=0):
    return mido.Message("note_on", channel=channel, note=pitch, velocity=velocity, time=time)


def off(time, pitch, channel=0):
    return mido.Message("note_off", channel=channel, note=pitch, time=time)


def data(*tracks, kind=1):
    buffer = io.BytesIO()
    tracks = [mido.MidiTrack(track) for track in tracks]
    mido.MidiFile(type=kind, ticks_per_beat=96, tracks=tracks).save(file=buffer)
    return buffer.getvalue()


def changed(file, removed=(), extended=None, added=(), **others):
    table = parse(file, "x.mid")
    removed = np.array(removed, np.int64)
    changes = Changes(removed, extended or {}, added, "midigen test", **others)
    return rewrite(file, table, changes)


def rows(file):
    return parse(file, "x.mid").notes.tolist()


OVERLAPPING = data([on(0, 60), on(10, 60), off(10, 60), on(0, 64), off(5, 64)])


def test_a_message_that_ends_several_notes_stays_for_those_that_are_left():
    assert rows(OVERLAPPING) == [[0, 20, 60, 80], [10, 20, 60, 80], [20, 25, 64, 80]]
    assert rows(changed(OVERLAPPING, [0])) == [[10, 20, 60, 80], [20, 25, 64, 80]]
    assert rows(changed(OVERLAPPING, [1])) == [[0, 20, 60, 80], [20, 25, 64, 80]]
    assert rows(changed(OVERLAPPING, [0, 1])) == [[20, 25, 64, 80]]


def test_a_note_that_ends_later():
    assert rows(changed(OVERLAPPING, extended={2: 90}))[-1] == [20, 90, 64, 80]


def test_notes_of_doubled_tracks_are_told_apart():
    file = data([on(0, 60), off(9, 60)], [on(0, 60, channel=1), off(9, 60, channel=1)])
    table = parse(file, "x.mid")
    second = int(np.flatnonzero(table.track == 1)[0])
    left = mido.MidiFile(file=io.BytesIO(changed(file, [second])))
    assert [m.channel for m in left if m.type == "note_on"] == [0]


def new(notes, beside=-1):
    notes = np.array(notes, np.int64)
    return NewNotes(notes, np.full(len(notes), beside), "chords", 7, False)


def test_a_new_note_is_cut_where_its_pitch_sounds_on_its_channel():
    file = data([on(20, 60), off(20, 60)])
    beside = [(0, 30, 60, 70), (25, 50, 60, 70), (22, 35, 60, 70), (0, 30, 62, 70)]
    found = rows(changed(file, added=[new(beside, 0)]))
    assert found == [[0, 20, 60, 70], [0, 30, 62, 70], [20, 40, 60, 80], [40, 50, 60, 70]]
    own = rows(changed(file, added=[new([(0, 30, 60, 70)])]))
    assert own == [[0, 30, 60, 70], [20, 40, 60, 80]]


def test_all_else_stays_at_its_tick():
    extra = [
        mido.MetaMessage("lyrics", text="la", time=7),
        mido.Message("sysex", data=(1, 2), time=3),
        mido.Message("pitchwheel", pitch=9, time=3),
        mido.MetaMessage("text", text="midigen before", time=0),
        mido.MetaMessage("end_of_track", time=500),
    ]
    file = data([on(0, 60), off(9, 60), *extra])
    read = mido.MidiFile(file=io.BytesIO(changed(file, [], added=[new([(4, 8, 70, 70)], 0)])))
    tick, found = 0, {}
    for message in read.tracks[0]:
        tick += message.time
        found.setdefault(message.type, []).append(tick)
    assert (found["lyrics"], found["sysex"], found["pitchwheel"]) == ([16], [19], [22])
    assert found["end_of_track"] == [522] and found["note_on"] == [0, 4]
    assert [m.text for m in read.tracks[0] if m.type == "text"] == ["midigen test"]


@pytest.mark.parametrize("kind", [0, 1])
def test_a_new_track_has_a_name_an_instrument_and_a_channel_of_its_own(kind):
    file = data([on(0, 60), off(9, 60)], kind=kind)
    read = mido.MidiFile(file=io.BytesIO(changed(file, added=[new([(0, 5, 50, 60)])], bpm=100.0)))
    assert read.type == 1 and read.tracks[1].name == "chords"
    program, note = read.tracks[1][1], read.tracks[1][2]
    assert (program.program, program.channel, note.channel) == (7, 1, 1)
    assert [m.tempo for m in read.tracks[0] if m.type == "set_tempo"] == [600_000]


def test_a_song_of_a_file_writes_that_file(tmp_path):
    file = data([on(0, 60), off(9, 60), mido.MetaMessage("marker", text="here")])
    song = WrittenMidi(file)
    assert [note.pitch for note in song.instruments[0].notes] == [60]
    song.write(tmp_path / "x.mid")
    buffer = io.BytesIO()
    song.write(buffer)
    assert (tmp_path / "x.mid").read_bytes() == buffer.getvalue() == file
