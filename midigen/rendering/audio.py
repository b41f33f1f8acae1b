"""A MIDI file to sound, at one loudness, and sound to the bytes of an audio file."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from midigen.errors import MidigenError
from midigen.midi.performance import Performance, read_performance
from midigen.rendering.loudness import normalise
from midigen.rendering.synthesis import RATE, synthesise

Kind = Literal["wav", "flac", "ogg", "mp3"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LOUDNESS = -18.0  # LUFS
CEILING = -1.0  # dB of full scale: room for what compressed formats and loudspeakers add
SILENCE = 10 ** (-70 / 20)  # share of the peak, below which the end of a sound is silence
FADE = 0.05  # seconds at the end
REST = 0.5  # seconds of silence at the end


QUALITY = 0.5
SYNTHESIS = 0.8  # share of the time to render a song; the rest is for its loudness
MP3_KBPS = 32, 320  # what MPEG-1 has, for libsndfile's compression levels 1 and 0
# what libsndfile is told of each kind
_CODECS = {
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE"},
}


class Sound(NamedTuple):
    """A sound in stereo.

    Parameters
    ----------
    samples : NDArray[np.float32], shape (N, 2)
        Left and right, -1..1.
    rate : int
        Samples a second.
    """

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate


def render_audio(
    midi: bytes,
    soundfont: str | PathLike[str] | None = None,
    say: Callable[[str], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Sound:
    """Make the sound of a MIDI file.

    It begins when the file does, rests included, ends when the last chord has rung out, and has a
    loudness of LOUDNESS as far as a true peak of CEILING allows.

    Parameters
    ----------
    midi : bytes
        The file, which may come from anywhere.
    soundfont : path, optional
        Its instruments, a .sf2 file; by default that of pretty_midi.
    say : callable, optional
        Called with a line where sine waves have to do.
    progress : callable, optional
        Called with the share of the work that each step has done.

    Returns
    -------
    Sound
        At 48 kHz.

    Raises
    ------
    MidigenError
        Where the file or the SoundFont cannot be used; the message does not name the file.
    """
    performance = read_performance(midi)
    if not len(performance.notes):
        raise MidigenError("no notes")
    tell = progress or (lambda share: None)
    samples = synthesise(performance, soundfont, say, lambda share: tell(SYNTHESIS * share))
    samples = _trimmed(samples, performance)
    normalise(samples, LOUDNESS, CEILING)
    tell(1 - SYNTHESIS)
    return Sound(samples, RATE)


def _trimmed(samples: NDArray[np.float32], performance: Performance) -> NDArray[np.float32]:
    """Cut off the silence behind a song, and let what is left end without a click."""
    level = np.maximum(samples.max(axis=1), -samples.min(axis=1))
    heard = np.flatnonzero(level > SILENCE * level.max(initial=0.0))
    last = int(heard[-1]) + 1 if len(heard) else 0
    end = max(last + round(REST * RATE), round(performance.seconds * RATE))
    samples = samples[:end]
    fade_out(samples, FADE)
    return samples


def fade_out(samples: NDArray[np.float32], seconds: float) -> None:
    """Let a sound (N, channels) at RATE fade away in its last seconds, in place."""
    fade = min(round(seconds * RATE), len(samples))
    samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]


def encode_audio(
    sound: Sound, kind: Kind, quality: float = QUALITY, kbps: int | None = None
) -> bytes:
    """Write a sound as the bytes of a file.

    Parameters
    ----------
    sound : Sound
        What is to be heard.
    kind : str
        "wav" and "flac", which keep all in 16 bits, or "ogg" (Vorbis) and "mp3", which are small.
    quality : float
        Of the small ones, 0..1; 0.5 makes about 100 kilobits a second, and 0.1 about 60.
    kbps : int, optional
        Of "mp3" at 32 kHz or more: kilobits a second, 32..320, all the way, in place of a quality.
        The size is known ahead, and players find every place exactly.

    Raises
    ------
    MidigenError
        Where the library that writes this kind is missing.
    """
    buffer = io.BytesIO()
    if kind == "wav":
        with wave.open(buffer, "wb") as f:
            f.setnchannels(sound.samples.shape[1])
            f.setsampwidth(2)
            f.setframerate(sound.rate)
            for piece in _pieces(sound):
                f.writeframes(_int16(piece).tobytes())
        return buffer.getvalue()
    try:
        import soundfile
    except (ImportError, OSError) as e:  # OSError: the C library that it wraps is not there
        raise MidigenError(f"soundfile, which writes .{kind}, fails ({e}): take .wav") from None
    settings: dict[str, Any] = {**_CODECS[kind], "channels": sound.samples.shape[1]}
    if kbps is not None:
        low, high = MP3_KBPS
        level = (high - kbps) / (high - low)
        settings |= {"bitrate_mode": "CONSTANT", "compression_level": level}
    elif kind != "flac":
        settings["compression_level"] = 1 - quality
    with soundfile.SoundFile(buffer, "w", sound.rate, **settings) as f:
        for piece in _pieces(sound):
            f.write(piece)
    return buffer.getvalue()


def _pieces(sound: Sound) -> Iterator[NDArray[np.float32]]:
    """Yield a sound second by second: a long one overflows the stack of the Vorbis encoder."""
    for start in range(0, len(sound.samples), sound.rate):
        yield sound.samples[start : start + sound.rate]


def _int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2")
