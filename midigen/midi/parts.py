"""Which part of the music each note is: melody, chords or bass; drums are known by their channel.

Names and programmes of tracks decide where they tell; else what the notes do.
"""

import re

import numpy as np
from numpy.typing import NDArray

from midigen.config import PARTS
from midigen.midi.notes import NoteTable

MELODY, CHORDS, BASS, DRUMS = PARTS
KINDS = {MELODY: "line", CHORDS: "voices", BASS: "line", DRUMS: "drums"}
LONE = "notes"  # what the one part of songs without roles is called

PERHAPS_CHORDS = "perhaps chords"  # which may hold the melody, where no other track does
BASS_PROGRAMS = range(32, 40)
NAMES = {
    BASS: r"bass|basso|bassline|contrabass\w*|kontrabass|basse",
    MELODY: r"melod\w*|vocals?|voice|vox|lead|soprano|sopran|cantus|tune|theme|sing\w*|song|gesang",
    CHORDS: r"chords?|accomp\w*|comp|harmon\w*|pads?|alto?|tenore?",
    PERHAPS_CHORDS: r"piano|guitar|organ|keys|strings",
}

ONE_VOICE = 0.05  # share of a track's notes that may begin within others, of one that has one voice
LEGATO = 0.25  # share of its length, and of a beat, by which a note may go on into the next
# a top line is a melody where it does this:
STEPS = 0.6  # share of its intervals of at most LEAP semitones, or more
LEAP = 4
COVER = 0.6  # share of the time for which it sounds, or more
ABOVE = 5.0  # semitones, in the mean, above the other notes, or more
LOW_BASS = 52  # mean pitch under which one voice is a bass, whatever the others do

Bools = NDArray[np.bool_]
Int64 = NDArray[np.int64]


def part_names(table: NoteTable) -> NDArray[np.str_]:
    """Sort the pitched notes of a song into parts.

    Tracks are sorted by their names (melody, voice, lead, ..; bass; chords, piano, ..), by General
    MIDI's basses, and else as voices: of the tracks that sing one note at a time the highest is the
    melody, and the lowest the bass if it lies low or if all tracks are such.  Where no track is the
    melody, the top line of the highest track is, if it behaves like one: mostly steps, sounding
    most of the time, above the rest.  All others are chords.

    Parameters
    ----------
    table : NoteTable
        The song.

    Returns
    -------
    NDArray of str, shape (N,)
        "melody", "chords" or "bass" for each note; "chords" for all where nothing tells.
    """
    roles = track_parts(table)
    numbers = range(len(table.tracks))
    parts = np.array([roles.get(number, CHORDS) for number in numbers])[table.track]
    if MELODY not in roles.values():
        parts[_top_line(table, [n for n in numbers if n not in roles])] = MELODY
    return parts


def track_parts(table: NoteTable) -> dict[int, str]:
    """Return the parts, by their numbers, of the tracks with notes whose part is known."""
    numbers = np.unique(table.track).tolist()
    height = {n: float(table.notes[table.track == n, 2].mean()) for n in numbers}
    told = {n: _told(table.tracks[n].name, table.tracks[n].program) for n in numbers}
    roles = {n: told[n] for n in numbers if told[n] in (BASS, CHORDS)}
    alone = [n for n in numbers if n not in roles and _has_one_voice(table, table.track == n)]
    # of several tracks the lowest is no melody: a left hand with one voice under a full right hand
    lowest = min(numbers, key=lambda n: height[n])
    singing = [n for n in numbers if told[n] == MELODY]
    for part in ("", PERHAPS_CHORDS):
        candidates = [n for n in alone if told[n] == part]
        singing = singing or [n for n in candidates if n != lowest or len(numbers) == 1]
    if singing:
        roles[max(singing, key=lambda n: height[n])] = MELODY
    rest = [n for n in numbers if n not in roles]
    if BASS not in roles.values() and lowest in rest and lowest in alone:
        if set(rest) <= set(alone) or height[lowest] < LOW_BASS:
            roles[lowest] = BASS
    return roles


def _told(name: str, program: int) -> str:
    """Return the part that a track's name or programme tells, or ""."""
    words = re.split(r"[^a-z]+", name.lower())
    for part, pattern in NAMES.items():
        if any(re.fullmatch(pattern, word) for word in words):
            return part
    return BASS if program in BASS_PROGRAMS else ""


def _has_one_voice(table: NoteTable, chosen: Bools) -> bool:
    """Tell whether some notes, but for a few, sound one at a time."""
    start, end = table.notes[chosen, 0], table.notes[chosen, 1]
    if len(start) < 2:
        return len(start) > 0
    slack = LEGATO * np.minimum(end - start, table.ticks_per_beat)
    until = np.maximum.accumulate(end - slack)[:-1]
    return bool((start[1:] < until).mean() <= ONE_VOICE)


def _top_line(table: NoteTable, tracks: list[int]) -> Int64:
    """Return the notes of the highest track's top line where it is a melody, else none."""
    none = np.zeros(0, np.int64)
    numbers = [n for n in tracks if (table.track == n).any()]
    if not numbers:
        return none
    track = max(numbers, key=lambda n: table.notes[table.track == n, 2].mean())
    own = np.flatnonzero(table.track == track)
    top = own[highest(table.notes[own])]
    line = table.notes[top]
    rest = np.delete(table.notes, top, axis=0)
    if len(top) < 2 or not len(rest):
        return none
    steps = np.abs(np.diff(line[:, 2])) <= LEAP
    ends = np.minimum(line[:, 1], np.append(line[1:, 0], line[-1, 1]))
    span = table.notes[:, 1].max() - table.notes[:, 0].min()
    cover = (ends - line[:, 0]).sum() / span
    above = line[:, 2].mean() - rest[:, 2].mean()
    is_melody = steps.mean() >= STEPS and cover >= COVER and above >= ABOVE
    return top if is_melody else none


def highest(notes: Int64) -> Int64:
    """Return the notes (N, 4), sorted by start, then pitch, above which none sounds at their start.

    They are told by their places, in order.
    """
    found: list[int] = []
    sounding: list[tuple[int, int]] = []  # end and pitch of what may still sound
    start = notes[:, 0]
    last_of_start = np.append(start[1:] != start[:-1], True)  # the highest: sorted by pitch, too
    for i in np.flatnonzero(last_of_start).tolist():
        at, end, pitch = notes[i, :3].tolist()
        # what another outlasts that is as high hides no later note: 128 may stay at most
        sounding = [(e, p) for e, p in sounding if e > at and (p > pitch or e > end)]
        if not any(p > pitch for _, p in sounding):
            found.append(i)
        if all(e < end or p < pitch for e, p in sounding):
            sounding.append((end, pitch))
    return np.array(found, np.int64)


def lowest(notes: Int64) -> Int64:
    """Return the notes below which none sounds when they begin, as `highest` does."""
    mirrored = notes.copy()
    mirrored[:, 2] = 127 - notes[:, 2]
    order = np.lexsort((mirrored[:, 2], mirrored[:, 0]))
    return np.sort(order[highest(mirrored[order])])
