"""Sound as pages hold it: MP3, which every browser plays, in base64."""

from __future__ import annotations

from typing import Any

from midigen.rendering.audio import Sound, encode_audio
from midigen.rendering.document import base64_text

STEREO_KBPS = 96  # below, one channel sounds better than two that share the bits
RATE = 32_000  # samples a second: what low bit rates can keep, up to 13 kHz, needs no more


def clip_of(sound: Sound, kbps: int) -> dict[str, Any]:
    """Return a sound for `player.js`: audio, type, seconds.

    Parameters
    ----------
    sound : Sound
        At 48 kHz.
    kbps : int
        Kilobits a second; below STEREO_KBPS the channels become one.
    """
    from scipy.signal import resample_poly

    samples = sound.samples
    if kbps < STEREO_KBPS:
        samples = samples.mean(axis=1, keepdims=True)
    reduced = Sound(resample_poly(samples, RATE, sound.rate), RATE)
    audio = base64_text(encode_audio(reduced, "mp3", kbps=kbps))
    return {"audio": audio, "type": "audio/mpeg", "seconds": round(sound.seconds, 3)}
