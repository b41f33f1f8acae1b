"""MIDI files byte by byte, sound and broken ones, and note tables without a file."""

import struct

import numpy as np

from midigen.midi.notes import NoteTable

END = b"\x00\xff\x2f\x00"


def number(n):
    """A variable-length number."""
    out = [n & 0x7F]
    while n := n >> 7:
        out.insert(0, 0x80 | (n & 0x7F))
    return bytes(out)


def note(pitch=60, length=480, wait=0, channel=0, velocity=64):
    return (
        number(wait)
        + bytes([0x90 | channel, pitch, velocity])
        + number(length)
        + bytes([0x80 | channel, pitch, 0])
    )


def meta(kind, data, wait=0):
    return number(wait) + bytes([0xFF, kind]) + number(len(data)) + data


def tempo(bpm, wait=0):
    return meta(0x51, round(6e7 / bpm).to_bytes(3, "big"), wait)


def track(body):
    return b"MTrk" + struct.pack(">I", len(body)) + body


def midi(*bodies, kind=None, tracks=None, division=480):
    """A file with one track for each body; an end-of-track event is added."""
    kind = int(len(bodies) > 1) if kind is None else kind
    header = b"MThd" + struct.pack(
        ">IHHH", 6, kind, len(bodies) if tracks is None else tracks, division
    )
    return header + b"".join(track(body + END) for body in bodies)


def melody(*pitches, length=480, **options):
    return midi(b"".join(note(pitch, length) for pitch in pitches), **options)


def make_table(rows, ticks_per_beat=4, bpm=120.0, metre=(4, 4)):
    """A NoteTable of rows (start, end, pitch); a tick is a frame of the default grid."""
    rows = sorted(map(tuple, rows), key=lambda row: (row[0], row[2]))
    rows = np.asarray(rows, np.int64).reshape(-1, 3)
    notes = np.column_stack([rows, np.full(len(rows), 64)])
    return NoteTable(
        notes, ticks_per_beat, bpm, metre, notes[:, :2] * 60 / bpm / ticks_per_beat, "made"
    )
