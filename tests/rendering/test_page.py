"""The page of songs, as a file: what is in it, how large it is, and what it says."""

import base64
import io
import json
import re

import numpy as np
import pytest

from midigen.errors import MidigenError
from midigen.midi.view import SongView, TrackView, read_view
from midigen.rendering import page as module
from midigen.rendering.audio import Sound
from midigen.rendering.page import Fact, PageSong, choose_kbps, make_page
from tests.midi.craft import melody, meta, midi, note

MADE = "midigen 0.1.0; seed 7; song {} of 2; 256 frames; model {}; temperature 0.8; primer 0 frames"


@pytest.fixture
def silent(monkeypatch):
    """Songs whose sound is a second of silence, since it takes a while to make."""
    calls = []

    def render(midi, soundfont=None, say=None, progress=None):
        calls.append(soundfont)
        return Sound(np.zeros((48_000, 2), np.float32), 48_000)

    monkeypatch.setattr(module, "render_audio", render)
    return calls


def song(name="a.mid", *tracks, facts=()):
    return PageSong(name, midi(*(tracks or [note(60) + note(64)])), facts)


def made(number, model="d" * 64):
    return meta(1, MADE.format(number, model).encode()) + note(60)


def data(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])


def test_the_song_is_in_it(silent):
    band = song(
        "a tune.mid",
        meta(3, b"Melody") + note(60, 480, velocity=90) + note(67, 240, wait=480),
        note(36, 120, channel=9),
    )
    facts = (Fact("Likelihood", "-1.5 nats a frame", "A note.", "What it means."),)
    page = data(make_page([band._replace(facts=facts)]))
    [entry] = page["songs"]
    assert base64.b64decode(entry["midi"]) == band.midi
    assert (entry["name"], entry["file"]) == ("a tune", "a tune.mid")
    assert [part["notes"] for part in entry["parts"]] == [
        [0, 500, 60, 90, 1000, 250, 67, 64],
        [0, 125, 36, 64],
    ]
    assert [(part["drums"], part["instrument"]) for part in entry["parts"]] == [
        (False, "Acoustic Grand Piano"),
        (True, ""),
    ]
    assert entry["bars"] == [0]
    assert entry["drumNames"] == {"36": "Bass Drum 1"}
    assert entry["gist"] == "4/4 · ♩ = 120 · 1 bar · 0:01"
    assert entry["facts"] == [
        {"label": "Likelihood", "value": "-1.5 nats a frame", "note": "A note."}
    ]
    assert page["meanings"] == [{"label": "Likelihood", "value": "What it means."}]
    assert entry["settings"] == []


def test_the_sound_is_mp3(silent):
    import soundfile

    [entry] = data(make_page([song()], soundfont="own.sf2"))["songs"]
    assert silent == ["own.sf2"]
    assert (entry["sound"]["type"], entry["sound"]["seconds"]) == ("audio/mpeg", 1.0)
    info = soundfile.info(io.BytesIO(base64.b64decode(entry["sound"]["audio"])))
    assert (info.format, info.samplerate, info.channels) == ("MP3", 32_000, 2)


@pytest.mark.parametrize("kbps, channels", [(96, 2), (48, 1)])
def test_sound_has_the_size_that_is_counted_with(kbps, channels, monkeypatch):
    import soundfile

    noise = np.random.default_rng(0).normal(0, 0.1, (3 * 48_000, 2)).astype(np.float32)
    monkeypatch.setattr(module, "render_audio", lambda *given: Sound(noise, 48_000))
    sound = base64.b64decode(module._sound(b"", kbps, None, None, print)["audio"])
    assert len(sound) == pytest.approx(3 * kbps * 125, rel=0.05)
    assert soundfile.info(io.BytesIO(sound)).channels == channels


def view(seconds, notes):
    rows = np.tile([0.0, 1.0, 60.0, 80.0], (notes, 1))
    return SongView(
        "a", (TrackView("a", 0, False, rows),), np.zeros(1), seconds, 120, (4, 4), None, ""
    )


@pytest.mark.parametrize(
    "songs, seconds, kbps", [(1, 60, 96), (5, 64, 48), (5, 45, 64), (50, 60, 40)]
)
def test_five_songs_of_a_minute_are_less_than_three_megabytes(songs, seconds, kbps):
    """As `test_sound_has_the_size_that_is_counted_with` and the test below say of the parts."""
    assert choose_kbps([view(seconds, 400)] * songs, [3000] * songs) == kbps


def test_the_rest_has_the_size_that_is_counted_with(silent):
    """Of a page without sound, as much as `choose_kbps` leaves for it."""
    pitches = np.random.default_rng(0).integers(30, 90, 1000)
    songs = [
        PageSong("a.mid", melody(*map(int, pitches), length=4533), (Fact("a", "b", "c" * 99),))
    ]
    size = len(make_page(songs).encode())
    views = [read_view(song.midi, "a") for song in songs]
    notes = sum(module.NOTE_BYTES * len(track.notes) for v in views for track in v.tracks)
    rest = size - len(data(make_page(songs))["songs"][0]["sound"]["audio"])
    assert rest < module.SHELL_BYTES + notes + 4 / 3 * len(songs[0].midi)
    assert rest > 0.5 * module.SHELL_BYTES


def test_what_all_songs_share_is_said_once(silent):
    shown = data(make_page([song("a.mid", made(1)), song("b.mid", made(2))]))
    assert shown["title"] == "Two songs"
    assert shown["lede"].endswith("learned from MIDI files, with midigen 0.1.0, seed 7.")
    assert shown["settings"] == [
        {"label": "midigen", "value": "0.1.0"},
        {"label": "seed", "value": "7"},
        {"label": "model", "value": "d" * 12},
        {"label": "temperature", "value": "0.8"},
    ]
    assert [entry["settings"] for entry in shown["songs"]] == [[], []]


def test_what_they_do_not_share_is_said_of_each(silent):
    shown = data(make_page([song("a.mid", made(1)), song("b.mid", made(2, "e" * 64))]))
    assert [entry["settings"] for entry in shown["songs"]] == [
        [{"label": "model", "value": letter * 12}] for letter in "de"
    ]
    assert "model" not in [row["label"] for row in shown["settings"]]


def test_other_songs_say_nothing_of_how_they_were_made(silent):
    shown = data(make_page([song("a.mid", meta(1, b"seed 7; by somebody") + note(60))]))
    assert (shown["title"], shown["lede"], shown["settings"]) == ("a", "", [])


@pytest.mark.parametrize(
    "name, file",
    [
        ("a/../../etc.mid", "etc.mid"),
        ("..mid", "song.mid"),
        ('a:b*"<c>.mid', "a-b-c.mid"),
        ("für élise (2).MID", "für élise (2).mid"),
        ("\u202e\x00.mid", "song.mid"),
    ],
)
def test_downloads_have_names_that_any_system_takes(silent, name, file):
    assert data(make_page([song(name)]))["songs"][0]["file"] == file


def test_a_song_that_cannot_be_read_is_named(silent):
    with pytest.raises(MidigenError, match=r"^b\.mid: not a MIDI file"):
        make_page([song(), PageSong("b.mid", b"not one")])


def test_or_left_out(silent):
    errors = []
    page = make_page([PageSong("b.mid", b"not one"), song()], leave_out=errors.append)
    assert [entry["name"] for entry in data(page)["songs"]] == ["a"]
    assert [str(e)[:6] for e in errors] == ["b.mid:"]
    with pytest.raises(MidigenError, match="no song"):
        make_page([PageSong("b.mid", b"not one")], leave_out=errors.append)


def test_a_song_that_cannot_be_played_is_named(monkeypatch):
    def render(*given):
        raise MidigenError("too long")

    monkeypatch.setattr(module, "render_audio", render)
    with pytest.raises(MidigenError, match=r"^a\.mid: too long"):
        make_page([song()])
