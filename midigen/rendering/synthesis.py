"""From a performance to samples, in guarded processes.

Synthesis is linear: stretches of a song are rendered on their own, on all cores, and added up, each
with its notes' ends that reach into the next.  So memory does not grow with what a file asks for,
a time limit holds, and it can be told how much is done.  Only the slow swing of a chorus, which
some instruments have, begins anew in each.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.errors import MidigenError
from midigen.files import check_regular
from midigen.midi.guard import map_guarded
from midigen.midi.performance import VELOCITY, Performance, Stretch, stretches
from midigen.midi.sound import default_soundfont, sine_waves
from midigen.midi.worker import Failure

RATE = 48_000  # samples a second, the renderer's only one
STRETCH = 20.0  # seconds
TAIL = 4.0  # seconds after the last release: pads and cymbals of General MIDI have died away
HEADER = 44  # bytes of the renderer's WAV ahead of its samples
FULL_SCALE = 32_767  # its samples are int16, and cut off where they would be more
LOUDEST = 64.0  # velocity, at least, of a song's loudest note
SHARES = 1, 2, 4, 8, 16  # of a stretch's notes in a rendering of their own, where it is too loud
TIME_LIMIT = 60.0  # seconds a stretch; a dense one takes 2
MEMORY_LIMIT = 1000  # MB a stretch, besides the SoundFont
NO_RENDERER = "midirenderer is not installed: sine waves in place of instruments, without drums"
NO_FONT = "pretty_midi brings no SoundFont: sine waves, without drums (--soundfont names one)"

StrPath = str | PathLike[str]


class Job(NamedTuple):
    """What a worker renders.

    Parameters
    ----------
    stretch : Stretch
        The notes.
    soundfont : str or None
        Path of the SoundFont; sine waves without one.
    """

    stretch: Stretch
    soundfont: str | None


def synthesise(
    performance: Performance,
    soundfont: StrPath | None = None,
    say: Callable[[str], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """Synthesise a performance.

    Parameters
    ----------
    performance : Performance
        What is to be heard.
    soundfont : path, optional
        Its instruments, a .sf2 file; by default that of pretty_midi.
    say : callable, optional
        Called with a line where sine waves have to do.
    progress : callable, optional
        Called with the share of the work that each step has done.

    Returns
    -------
    NDArray[np.float32], shape (N, 2)
        The sound, at RATE and of any loudness, with TAIL seconds behind the last release.

    Raises
    ------
    MidigenError
        Where the SoundFont cannot be used, or a limit is reached.
    """
    font = choose_soundfont(soundfont, say or (lambda line: None))
    sound = np.zeros((round((performance.seconds + TAIL) * RATE), 2), np.float32)
    parts = list(stretches(_audible(performance), STRETCH))
    for part, samples in _rendered(parts, font):
        at = round(part.start * RATE)
        if at + len(samples) > len(sound):  # a pedal holds notes beyond their keys' release
            sound = np.pad(sound, ((0, at + len(samples) - len(sound)), (0, 0)))
        sound[at : at + len(samples)] += samples
        if progress:
            progress(1 / len(parts))
    return sound


def _check_soundfont(path: Path) -> None:
    """MidigenError where a file is no SoundFont that can be read."""
    check_regular(path)
    try:
        with open(path, "rb") as f:
            head = f.read(12)
    except OSError as e:
        raise MidigenError(f"cannot read the SoundFont {path}: {e.strerror or e}") from None
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise MidigenError(f"{path} is no SoundFont: name a .sf2 file")


def choose_soundfont(soundfont: StrPath | None, say: Callable[[str], None]) -> str | None:
    """Return the path of a SoundFont that is there, or None where sine waves have to do.

    MidigenError where the one that is asked for is none.
    """
    if soundfont is not None:
        _check_soundfont(Path(soundfont))
    if not _is_installed("midirenderer"):
        say(NO_RENDERER)
        return None
    font = soundfont or default_soundfont()
    if font is None:
        say(NO_FONT)
        return None
    return str(font)


def _audible(performance: Performance) -> Performance:
    """Play a song louder whose loudest note is soft: the renderer leaves the softest out."""
    notes = performance.notes.copy()
    velocities = notes[:, VELOCITY]
    velocities *= max(LOUDEST / velocities.max(initial=1.0), 1.0)
    return performance._replace(notes=notes)


def _is_installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def _rendered(
    parts: list[Stretch], font: str | None
) -> Iterator[tuple[Stretch, NDArray[np.float32]]]:
    """Yield each stretch with its samples (N, 2)."""
    jobs = [Job(part, font) for part in parts]
    megabytes = MEMORY_LIMIT + (3 * Path(font).stat().st_size >> 20 if font else 0)
    answers = map_guarded(render_job, jobs, seconds=TIME_LIMIT, megabytes=megabytes)
    with contextlib.closing(answers):
        for job, samples in answers:
            if isinstance(samples, Failure):
                raise MidigenError(f"cannot be synthesised: {samples.reason}")
            yield job.stretch, samples


def render_job(job: Job) -> NDArray[np.float32]:
    """Render one stretch, in a worker: (N, 2).

    The renderer cuts off what is too loud for 16 bits: its notes are shared out then among more
    and more renderings, which are added up.
    """
    stretch, font = job
    if font is None:
        return np.repeat(sine_waves(stretch.write(TAIL), RATE)[:, None], 2, axis=1)
    for shares in SHARES:
        notes = [stretch.notes[first::shares] for first in range(shares)]
        renderings = [
            _render(stretch._replace(notes=share).write(TAIL), font)
            for share in notes
            if len(share)
        ]
        peak = max(np.abs(rendering.astype(np.int32)).max(initial=0) for rendering in renderings)
        if peak < FULL_SCALE:
            break
    sound = np.zeros((max(map(len, renderings)), 2), np.float32)
    for rendering in renderings:
        sound[: len(rendering)] += np.divide(rendering, FULL_SCALE + 1, dtype=np.float32)
    return sound


def _render(midi: bytes, font: str) -> NDArray[np.int16]:
    import midirenderer

    try:
        with _silenced():
            wave = midirenderer.render_wave_from(Path(font).read_bytes(), midi)
    except BaseException as e:  # a panic of its Rust is no Exception; the MIDI file is our own
        if not isinstance(e, RuntimeError) and type(e).__name__ != "PanicException":
            raise
        raise MidigenError(f"the SoundFont {font} cannot be used ({e})") from None
    return np.frombuffer(wave, "<i2", offset=HEADER).reshape(-1, 2)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep what a library writes to stderr by itself from the terminal."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
