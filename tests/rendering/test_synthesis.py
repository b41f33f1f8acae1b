"""From a performance to samples, in stretches."""

import importlib.util
import sys

import numpy as np
import pytest

from midigen.errors import MidigenError
from midigen.midi.performance import read_performance, stretches
from midigen.midi.sound import default_soundfont, sine_waves
from midigen.midi.worker import Failure
from midigen.rendering import synthesis
from midigen.rendering.synthesis import (
    FULL_SCALE,
    NO_FONT,
    NO_RENDERER,
    RATE,
    TAIL,
    Job,
    render_job,
    synthesise,
)
from tests.midi.craft import melody, midi, note

has_renderer = importlib.util.find_spec("midirenderer") is not None
needs_renderer = pytest.mark.skipif(not has_renderer, reason="midirenderer has no wheel here")


def program(number, channel=0):
    return bytes([0, 0xC0 | channel, number])


def power(sound, seconds=0.1):
    """The level of each tenth of a second, dB."""
    step = round(seconds * RATE)
    blocks = sound[: len(sound) // step * step].reshape(-1, step * 2)
    return 10 * np.log10(np.square(blocks).mean(axis=1) + 1e-12)


@needs_renderer
def test_sound_begins_with_the_first_note_and_outlasts_the_last():
    sound = synthesise(read_performance(midi(note(60, 960, wait=480))))
    assert sound.dtype == np.float32
    assert len(sound) == round((1.5 + TAIL) * RATE)
    heard = np.flatnonzero(np.abs(sound).max(axis=1) > 1e-3) / RATE
    assert heard[0] == pytest.approx(0.5, abs=0.02)
    assert heard[-1] > 1.5


@needs_renderer
@pytest.mark.parametrize("instrument", [0, 73])
def test_stretches_sound_as_the_whole(monkeypatch, instrument):
    """A song cut into many stretches is as loud, in every tenth of a second, as one that is not."""
    body = program(instrument) + b"".join(
        note(50 + 7 * i % 30, 200 + 90 * (i % 9), wait=60) for i in range(40)
    )
    song = read_performance(midi(body))
    monkeypatch.setattr(synthesis, "STRETCH", 1000.0)
    whole = power(synthesise(song))
    monkeypatch.setattr(synthesis, "STRETCH", 2.0)
    steps = []
    cut = power(synthesise(song, progress=steps.append))
    assert len(steps) > 5 and sum(steps) == pytest.approx(1)
    heard = whole > whole.max() - 40
    assert np.abs(whole - cut)[heard].max() < 0.3


@needs_renderer
def test_what_is_too_loud_is_not_cut_off():
    chord = b"".join(
        bytes([0, 0x90 | c, p, 127]) for c in range(8) for p in (36, 48, 60, 64, 67, 72)
    )
    release = b"".join(
        bytes([4, 0x80 | c, p, 0]) for c in range(8) for p in (36, 48, 60, 64, 67, 72)
    )
    body = b"".join(program(61, c) for c in range(8)) + chord + bytes([0x87, 0x40]) + release[1:]
    [stretch] = stretches(read_performance(midi(body)), 100)
    sound = render_job(Job(stretch, str(default_soundfont())))
    assert np.abs(sound).max() > 1.2
    alone = render_job(Job(stretch._replace(notes=stretch.notes[::2]), str(default_soundfont())))
    other = render_job(Job(stretch._replace(notes=stretch.notes[1::2]), str(default_soundfont())))
    length = min(len(alone), len(other))
    assert np.abs(sound[:length] - alone[:length] - other[:length]).max() < 0.2
    assert FULL_SCALE == np.iinfo(np.int16).max


@needs_renderer
def test_programs_and_drums_are_heard():
    def sound(body):
        return synthesise(read_performance(midi(body)))

    piano, flute = sound(note(72, 960)), sound(program(73) + note(72, 960))
    assert np.abs(piano - flute).max() > 0.01
    assert np.abs(sound(note(38, 480, channel=9))).max() > 0.01


@needs_renderer
def test_a_pedal_lets_a_note_ring_on():
    def sound(pedal):
        down, up = bytes([0, 0xB0, 64, pedal]), bytes([0x9E, 0x00, 0xB0, 64, 0])
        return synthesise(read_performance(midi(down + note(60, 480) + up)))

    held, dry = sound(127), sound(0)
    later = slice(2 * RATE, 3 * RATE)
    assert power(held[later]).mean() > power(dry[later]).mean() + 20
    assert len(held) >= round((0.5 + 3840 / 960 + TAIL) * RATE) > len(dry)


def test_without_a_renderer_sine_waves_do(monkeypatch):
    monkeypatch.setattr(synthesis, "_is_installed", lambda name: False)
    said = []
    sound = synthesise(read_performance(melody(69)), say=said.append)
    assert said == [NO_RENDERER]
    spectrum = np.abs(np.fft.rfft(sound[: RATE // 2, 0]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=3)
    assert np.array_equal(sound[:, 0], sound[:, 1])


def test_without_a_font_sine_waves_do(monkeypatch):
    monkeypatch.setattr(synthesis, "_is_installed", lambda name: True)
    monkeypatch.setattr(synthesis, "default_soundfont", lambda: None)
    said = []
    assert np.abs(synthesise(read_performance(melody(69)), say=said.append)).max() > 0
    assert said == [NO_FONT]


@pytest.mark.parametrize("length", [0, 1, 20, 480])
def test_sines_of_any_length(length):
    [stretch] = stretches(read_performance(midi(note(60, length))), 10)
    assert np.isfinite(sine_waves(stretch.write(0), RATE)).all()


def test_two_sines_are_twice_as_loud():
    def loudest(*pitches):
        body = b"".join(note(pitch, 480, channel=c) for c, pitch in enumerate(pitches))
        stretch = next(iter(stretches(read_performance(midi(body)), 100)))
        return np.abs(sine_waves(stretch.write(0), RATE)).max()

    assert 0 < loudest(60) <= 1
    assert loudest(60, 64) == pytest.approx(loudest(60), rel=0.01)


@pytest.mark.parametrize(
    "content, reason",
    [
        (None, "cannot read the SoundFont"),
        (b"", "is no SoundFont: name a .sf2 file"),
        (b"MThd" + bytes(40), "is no SoundFont"),
        pytest.param(
            b"RIFF" + bytes(4) + b"sfbk" + bytes(400), "cannot be used", marks=needs_renderer
        ),
    ],
)
def test_a_wrong_font_gets_a_line(tmp_path, content, reason):
    font = tmp_path / "my font.sf2"
    if content is not None:
        font.write_bytes(content)
    with pytest.raises(MidigenError) as caught:
        synthesise(read_performance(melody(60)), font)
    assert reason in str(caught.value) and "my font.sf2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_limit_that_is_reached_gets_a_line(monkeypatch):
    monkeypatch.setattr(
        synthesis, "map_guarded", lambda *args, **limits: ((j, Failure("took long")) for j in [0])
    )
    with pytest.raises(MidigenError, match="cannot be synthesised: took long"):
        synthesise(read_performance(melody(60)))


def test_the_font_is_found_without_importing_pretty_midi():
    import subprocess

    code = "import sys; from midigen.midi.sound import default_soundfont as f; print(f()); "
    code += "assert 'pretty_midi' not in sys.modules"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip().endswith(".sf2")
