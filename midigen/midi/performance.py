"""A MIDI file as a synthesiser plays it: notes and controllers in seconds, whole or in stretches.

Reading keeps what can be heard: notes, programs, controllers and pitch bend.  A part is written
anew, so that a synthesiser never sees the bytes of a file from anywhere.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.errors import MidigenError
from midigen.midi.read import plain_errors
from midigen.midi.smf import read_events

if TYPE_CHECKING:
    import mido

MAX_BYTES = 1_000_000  # of a file; it takes the parser 4 s
MAX_MINUTES = 30  # at 48 kHz in stereo these are 691 MB of sound
MAX_NOTE = 300.0  # seconds that a note sounds, whatever keys and pedals say
PEDAL = 64  # the controller that lets notes ring on
# all sound off, all notes off and their like: things that happen, and no state that stays
MOMENTARY = range(120, 128)
# written files have 4,800 ticks a second: a fifth of the 1.3 ms by which the renderer tells times
# apart, and MAX_MINUTES of them are fewer than the ten million that pretty_midi reads
TICKS_PER_BEAT, TEMPO = 2400, 500_000
TICKS_PER_SECOND = TICKS_PER_BEAT * 1_000_000 // TEMPO

START, END, CHANNEL, PITCH, VELOCITY = range(5)  # columns of the notes

Control = tuple[float, "mido.Message"]


class Performance(NamedTuple):
    """What is heard of a MIDI file.

    Parameters
    ----------
    notes : NDArray[np.float64], shape (N, 5)
        Start and end in seconds, channel 0..15, pitch and velocity; sorted by start.
    controls : list of (float, mido.Message)
        Programs, controllers and pitch bends, with their seconds, in their order.
    """

    notes: NDArray[np.float64]
    controls: list[Control]

    @property
    def seconds(self) -> float:
        """When the last note is released."""
        return float(self.notes[:, END].max(initial=0.0))


class Stretch(NamedTuple):
    """A part of a performance, which can be synthesised on its own.

    Parameters
    ----------
    start : float
        When it begins in the performance, in seconds.
    notes : NDArray[np.float64], shape (N, 5)
        As in a Performance, all that begin in it; they may end long after it.
    state : list of mido.Message
        Programs and controllers as they stand at its start.
    controls : list of (float, mido.Message)
        Those that come later.
    """

    start: float
    notes: NDArray[np.float64]
    state: list[mido.Message]
    controls: list[Control]

    def write(self, tail: float) -> bytes:
        """Return it as a MIDI file that begins at its start.

        Parameters
        ----------
        tail : float
            Seconds that the file goes on after the last note is released, pedals included.
        """
        controls = [(self.start, message) for message in self.state] + self.controls
        end = _release(self.notes, controls)
        events = [(time, 0, message) for time, message in controls if time <= end]
        events += _note_events(self.notes)
        return _file(events, self.start, end + tail)


def read_performance(data: bytes) -> Performance:
    """Read the bytes of a MIDI file.

    Notes that never end are left out, as everywhere in midigen.

    Parameters
    ----------
    data : bytes
        The file, which may come from anywhere.

    Returns
    -------
    Performance
        What is heard of it; it may have no notes.

    Raises
    ------
    MidigenError
        Where it cannot be read, or is longer than MAX_MINUTES; the message is the reason alone.
    """
    with plain_errors():
        midi, _, broken = read_events(data, "controls")
        notes: list[tuple[float, float, int, int, int]] = []
        controls: list[Control] = []
        begun: dict[tuple[int, int], deque[tuple[float, int]]] = defaultdict(deque)
        for time, event in _timed(midi):
            if event.type in ("note_on", "note_off"):
                waiting = begun[event.channel, event.note]
                if event.type == "note_on" and event.velocity:
                    waiting.append((time, event.velocity))
                elif waiting:
                    start, velocity = waiting.popleft()
                    end = min(time, start + MAX_NOTE)
                    notes.append((start, end, event.channel, event.note, velocity))
            elif event.type in ("program_change", "control_change", "pitchwheel"):
                controls.append((time, event))
    if broken and not notes:
        raise MidigenError(broken)
    table = np.array(sorted(notes), np.float64).reshape(-1, 5)
    performance = Performance(table, controls)
    if performance.seconds > MAX_MINUTES * 60:
        raise MidigenError(
            f"too long ({performance.seconds / 60:,.0f} minutes; at most {MAX_MINUTES} are played)"
        )
    return performance


def stretches(performance: Performance, seconds: float) -> Iterator[Stretch]:
    """Divide a performance: each stretch has the notes that begin within so many seconds.

    Stretches without notes are left out.
    """
    notes, controls = performance
    times = [time for time, _ in controls]
    state: dict[object, mido.Message] = {}
    kept = 0  # controls that are in `state`
    for number in range(int(notes[-1, START] // seconds) + 1 if len(notes) else 0):
        start = number * seconds
        while kept < len(controls) and controls[kept][0] < start:
            _keep(state, controls[kept][1])
            kept += 1
        within = notes[slice(*np.searchsorted(notes[:, START], (start, start + seconds)))]
        if len(within):
            yield Stretch(
                start, within, list(state.values()), controls[bisect_left(times, start) :]
            )


def _timed(midi: mido.MidiFile) -> Iterator[Control]:
    """Yield the events of all tracks in the order of time, with their seconds."""
    import mido

    time, tempo = 0.0, TEMPO  # 120 beats a minute until a file says otherwise
    for event in midi.merged_track:
        time += mido.tick2second(event.time, midi.ticks_per_beat, tempo)
        if event.type == "set_tempo":
            tempo = event.tempo
        yield time, event


def _keep(state: dict[object, mido.Message], message: mido.Message) -> None:
    """Take a control into the state that a later stretch begins with, behind all others."""
    control = message.control if message.type == "control_change" else None
    if control in MOMENTARY and control != 121:  # which resets controllers, and so stays
        return
    key = message.type, message.channel, control
    state.pop(key, None)
    state[key] = message


def _release(notes: NDArray[np.float64], controls: Sequence[Control]) -> float:
    """Return when the last note is released by its key and by the pedal, in seconds."""
    end = float(notes[:, END].max())
    held: set[int] = set()
    for time, message in controls:
        if time > end and (not held or time > notes[-1, START] + MAX_NOTE):
            break
        if message.type == "control_change" and message.control == PEDAL:
            (held.add if message.value >= 64 else held.discard)(message.channel)
            end = max(end, time) if not held else end
    return end


def _note_events(notes: NDArray[np.float64]) -> list[tuple[float, int, mido.Message]]:
    """Return the events of notes with their seconds, and 1 for an end, 2 for a start."""
    import mido

    events = []
    for start, end, *rest in notes.tolist():
        channel, pitch, velocity = map(round, rest)
        on = mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)
        off = mido.Message("note_off", channel=channel, note=pitch)
        events += [(start, 2, on), (max(end, start + 2 / TICKS_PER_SECOND), 1, off)]
    return events


def _file(events: list[tuple[float, int, mido.Message]], start: float, end: float) -> bytes:
    """Write events, with seconds and a rank among those of one tick, as a file of one track."""
    import mido

    placed = [(round((t - start) * TICKS_PER_SECOND), rank, event) for t, rank, event in events]
    track, last = mido.MidiTrack(), 0
    for tick, _, event in sorted(placed, key=lambda e: e[:2]):
        track.append(event.copy(time=tick - last))
        last = tick
    rest = max(round((end - start) * TICKS_PER_SECOND) - last, 0)
    track.append(mido.MetaMessage("end_of_track", time=rest))
    midi = mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track])
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()
