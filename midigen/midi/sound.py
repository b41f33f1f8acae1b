"""What pretty_midi brings for sound: a SoundFont, and sine waves where no renderer is installed."""

import importlib.util
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FONT = "TimGM6mb.sf2"


def default_soundfont() -> Path | None:
    """Return the SoundFont that comes with pretty_midi; None where it has none."""
    found = importlib.util.find_spec("pretty_midi")  # which imports nothing
    if found is None or found.origin is None:
        return None
    font = Path(found.origin).with_name(FONT)
    return font if font.is_file() else None


def sine_waves(midi: bytes, rate: int) -> NDArray[np.float32]:
    """Synthesise a MIDI file with one sine wave a note; drums are not heard.

    Parameters
    ----------
    midi : bytes
        The file, one that midigen wrote.
    rate : int
        Samples a second.

    Returns
    -------
    NDArray[np.float32], shape (N,)
        The sound, in which a note of any loudness stays below 1.
    """
    import pretty_midi

    song = pretty_midi.PrettyMIDI(io.BytesIO(midi))
    voices = [instrument.synthesize(fs=rate) for instrument in song.instruments]
    sound = np.zeros(max((len(voice) for voice in voices), default=0), np.float32)
    for voice in voices:
        sound[: len(voice)] += (voice / 128).astype(np.float32)
    return sound
