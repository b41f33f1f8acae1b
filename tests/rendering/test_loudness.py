"""Loudness and true peak against the figures of ITU-R BS.1770 and EBU Tech 3341."""

import numpy as np
import pytest

from midigen.rendering import loudness
from midigen.rendering.loudness import RATE, measure_loudness, measure_peak, normalise


def sine(decibels, seconds, frequency=1000.0, phase=0.0):
    """A stereo sine whose peaks are so far below full scale: (N, 2)."""
    t = np.arange(round(seconds * RATE)) / RATE
    wave = 10 ** (decibels / 20) * np.sin(2 * np.pi * frequency * t + phase)
    return np.repeat(wave[:, None], 2, axis=1).astype(np.float32)


def test_the_tone_of_the_standard():
    """Annex 1: a sine of 997 Hz at full scale in one channel reads -3.01 LKFS."""
    tone = sine(0, 5, 997)
    tone[:, 1] = 0
    assert measure_loudness(tone) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize(
    "parts, expected",
    [
        ([(-23, 20)], -23.0),  # test case 1 of Tech 3341
        ([(-33, 20)], -33.0),  # 2
        ([(-36, 10), (-23, 60), (-36, 10)], -23.0),  # 3: the relative gate
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23.0),  # 4: both gates
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23.0),  # 5
    ],
)
def test_the_test_cases_of_the_broadcasters(parts, expected):
    sound = np.concatenate([sine(*part) for part in parts])
    assert measure_loudness(sound) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    "sound", [np.zeros((RATE, 2)), np.zeros((0, 2)), sine(-10, 0.3), sine(-80, 3)]
)
def test_silence_and_what_is_too_short_has_no_loudness(sound):
    assert measure_loudness(sound.astype(np.float32)) == -np.inf


def test_the_peak_is_that_between_the_samples():
    """Tech 3341, test case 16: samples at 45 degrees miss the peak of -6 dB by 3 dB."""
    tone = sine(-6, 1, RATE / 4, np.pi / 4)
    assert 20 * np.log10(np.abs(tone).max()) == pytest.approx(-9, abs=0.1)
    assert 20 * np.log10(measure_peak(tone[1000:-1000])) == pytest.approx(-6, abs=0.4)


def test_chunks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, (3 * RATE + 777, 2)).astype(np.float32)
    whole = measure_loudness(sound), measure_peak(sound)
    monkeypatch.setattr(loudness, "CHUNK", RATE // 2)
    assert (measure_loudness(sound), measure_peak(sound)) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("level", [-60, -23, 0])
def test_loud_and_soft_become_alike(level):
    sound = sine(level, 3)
    assert normalise(sound, -18, -1) == pytest.approx(-18, abs=0.01)
    assert measure_loudness(sound) == pytest.approx(-18, abs=0.01)


def test_a_soft_sound_is_measured_as_a_loud_one():
    """Its softer half is under the absolute gate, but counts when all is louder."""
    sound = np.concatenate([sine(-66, 5), sine(-74, 5)])
    reached = normalise(sound, -18, -1)
    assert reached == pytest.approx(measure_loudness(sound), abs=0.01)


def test_peaks_hold_loudness_down():
    """Clicks in near silence: the loudness would take them over full scale."""
    sound = sine(-50, 5)
    sound[::RATE] = 0.5
    reached = normalise(sound, -18, -1)
    assert reached == pytest.approx(measure_loudness(sound), abs=0.01)
    assert reached < -20
    assert 20 * np.log10(measure_peak(sound)) == pytest.approx(-1, abs=0.01)


def test_what_is_too_short_to_measure_goes_up_to_the_ceiling():
    sound = sine(-30, 0.2)
    assert normalise(sound, -18, -1) == -np.inf
    assert 20 * np.log10(measure_peak(sound)) == pytest.approx(-1, abs=0.01)


def test_silence_stays_silence():
    sound = np.zeros((RATE, 2), np.float32)
    assert normalise(sound, -18, -1) == -np.inf
    assert not sound.any()
