"""Sound of songs: loudness, peaks, where it begins and ends, and files of it."""

import io
import os
import subprocess
import sys
import wave

import numpy as np
import pytest

from midigen.errors import MidigenError
from midigen.midi.performance import read_performance
from midigen.rendering import audio
from midigen.rendering.audio import (
    CEILING,
    KINDS,
    LOUDNESS,
    REST,
    Sound,
    encode_audio,
    render_audio,
)
from midigen.rendering.loudness import measure_loudness, measure_peak
from midigen.starter import starter_songs
from tests.midi.craft import melody, midi, note

RATE = 48_000


def tune(velocity, **options):
    return midi(b"".join(note(60 + i, 480, velocity=velocity, **options) for i in range(8)))


def tone(seconds, level=0.5):
    t = np.arange(round(seconds * RATE)) / RATE
    wave = (level * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    return Sound(np.column_stack([wave, -wave]), RATE)


@pytest.mark.parametrize("velocity", [10, 64, 127])
def test_soft_and_loud_songs_have_one_loudness(velocity):
    sound = render_audio(tune(velocity))
    assert measure_loudness(sound.samples) == pytest.approx(LOUDNESS, abs=0.1)
    assert 20 * np.log10(measure_peak(sound.samples)) <= CEILING + 0.01


def test_soft_notes_stay_as_much_softer():
    """Velocities are squared: half of one is 12 dB less."""
    sound = render_audio(midi(note(60, 960, velocity=24) + note(60, 960, velocity=12, wait=1920)))
    first, second = (np.abs(sound.samples[at * RATE : (at + 1) * RATE]).max() for at in (0, 3))
    assert 20 * np.log10(first / second) == pytest.approx(12, abs=1)


def test_a_real_song_has_it_as_well():
    sound = render_audio(starter_songs()[0].read_bytes())
    assert measure_loudness(sound.samples) == pytest.approx(LOUDNESS, abs=0.1)
    assert 20 * np.log10(measure_peak(sound.samples)) <= CEILING + 0.01


def test_peaks_come_before_loudness():
    """Four clicks in a minute: as loud as other songs they would be cut off."""
    sound = render_audio(midi(b"".join(note(33, 100, wait=9000, channel=9) for _ in range(4))))
    assert 20 * np.log10(measure_peak(sound.samples)) == pytest.approx(CEILING, abs=0.01)
    assert measure_loudness(sound.samples) < LOUDNESS


def test_it_begins_with_the_file_and_ends_when_all_has_rung_out():
    sound = render_audio(midi(note(60, 480, wait=960)))
    heard = np.flatnonzero(np.abs(sound.samples).max(axis=1) > 1e-3) / RATE
    assert heard[0] == pytest.approx(1.0, abs=0.02)
    assert 1.5 < heard[-1] < sound.seconds
    assert REST < sound.seconds - 1.5 < 4
    assert not sound.samples[-1].any()


def test_a_note_that_ends_the_file_is_not_cut_short():
    """The last chord of a piano, released, dies away; the file's end comes with its release."""
    sound = render_audio(melody(48))
    level = np.abs(sound.samples).max(axis=1)
    assert level[round(0.52 * RATE) : round(0.6 * RATE)].max() > 0.01


def test_many_tracks_with_their_programs_and_drums():
    bodies = [
        bytes([0, 0xC0 | c, 7 * c]) + note(48 + c, 960, channel=c, velocity=127) for c in range(16)
    ]
    sound = render_audio(midi(*bodies))
    assert measure_loudness(sound.samples) == pytest.approx(LOUDNESS, abs=0.5)
    assert np.abs(sound.samples).max() < 1


@pytest.mark.parametrize("data", [midi(b""), midi(bytes([0, 0xC0, 3]))])
def test_a_song_without_notes_gets_a_line(data):
    with pytest.raises(MidigenError, match="^no notes$"):
        render_audio(data)


def test_progress_adds_up():
    steps = []
    render_audio(midi(b"".join(note(60, 480, wait=9000) for _ in range(9))), progress=steps.append)
    assert len(steps) > 2
    assert sum(steps) == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_files_give_the_sound_back(kind, channels):
    import soundfile

    sound = tone(2)
    data = encode_audio(Sound(sound.samples[:, :channels], RATE), kind)
    samples, rate = soundfile.read(io.BytesIO(data), always_2d=True)
    assert rate == RATE
    assert samples.shape[1] == channels
    assert abs(len(samples) - len(sound.samples)) <= (2400 if kind == "mp3" else 0)
    middle = samples[RATE // 2 : RATE]
    assert np.sqrt(2 * np.square(middle).mean()) == pytest.approx(0.5, rel=0.02)
    spectrum = np.abs(np.fft.rfft(middle[:, 0]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=3)


def test_a_wav_is_16_bits_and_needs_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    sound = Sound(np.array([[0, 1], [-1, 2]], np.float32), RATE)
    with wave.open(io.BytesIO(encode_audio(sound, "wav"))) as f:
        assert (f.getnchannels(), f.getsampwidth(), f.getframerate()) == (2, 2, RATE)
        assert np.frombuffer(f.readframes(2), "<i2").tolist() == [0, 32767, -32767, 32767]
    with pytest.raises(MidigenError, match=r"soundfile, which writes \.ogg, fails .*: take \.wav"):
        encode_audio(sound, "ogg")


@pytest.mark.parametrize("kind", ["ogg", "mp3"])
def test_quality_makes_files_larger(kind):
    noise = np.random.default_rng(0).normal(0, 0.1, (RATE, 2)).astype(np.float32)
    sizes = [len(encode_audio(Sound(noise, RATE), kind, quality)) for quality in (0.1, 0.5, 0.9)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_long_sounds_are_written(tmp_path):
    """In one piece, three minutes would overflow the stack of the Vorbis encoder."""
    data = encode_audio(tone(180), "ogg")
    assert data[:4] == b"OggS"


def test_nothing_warns_with_these_versions():
    """In a process of its own, whose imports are the first."""
    code = "import sys, pathlib; from midigen.rendering.audio import *; "
    code += "s = render_audio(pathlib.Path(sys.argv[1]).read_bytes()); "
    code += "[encode_audio(s, kind) for kind in KINDS]"
    song = starter_songs()[0]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", code, song], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_silence_is_left_as_it_is():
    """Notes below what 16 bits can hold: velocity 1, volume 0."""
    body = bytes([0, 0xB0, 7, 0]) + note(60, 480, velocity=1)
    sound = render_audio(midi(body))
    assert not sound.samples.any()
    assert sound.seconds >= read_performance(midi(body)).seconds
    assert audio.LOUDNESS < audio.CEILING
