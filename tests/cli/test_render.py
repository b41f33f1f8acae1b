"""midigen render: names, folders, formats, what fails."""

import io
import sys
from types import SimpleNamespace

import pytest
import soundfile

from midigen.cli import main
from midigen.cli.render import RENDERERS
from midigen.rendering import synthesis
from tests.midi.craft import melody, midi

MAGIC = {
    ".wav": b"RIFF",
    ".flac": b"fLaC",
    ".ogg": b"OggS",
    ".mp3": b"\xff\xfb",
    ".svg": b"<svg",
    ".png": b"\x89PNG",
}


@pytest.fixture
def songs(tmp_path, monkeypatch):
    """Three songs in songs/, and the working folder is above it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "songs").mkdir()
    for number in (1, 2, 3):
        (tmp_path / f"songs/song {number}.mid").write_bytes(melody(60 + number, length=120))
    return tmp_path


def stdin(monkeypatch, text):
    stream = SimpleNamespace(buffer=io.BytesIO(text.encode()), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stream)


def test_a_wav_stands_beside_the_song(songs, capsys):
    assert main(["render", "songs/song 1.mid"]) == 0
    assert capsys.readouterr() == ("songs/song 1.wav\n", "")
    samples, rate = soundfile.read(songs / "songs/song 1.wav")
    assert rate == 48_000 and abs(samples).max() > 0.1


def test_what_is_there_is_kept(songs, capsys):
    (songs / "songs/song 1.wav").write_text("a recording")
    assert main(["render", "songs/song 1.mid"]) == 0
    assert capsys.readouterr().out == "songs/song 1-2.wav\n"
    assert (songs / "songs/song 1.wav").read_text() == "a recording"


@pytest.mark.parametrize("suffix", MAGIC)
def test_the_name_says_the_format(songs, capsys, suffix):
    output = f"made/here{suffix.upper()}"
    for _ in range(2):  # a named file is replaced
        assert main(["render", "songs/song 1.mid", "-o", output]) == 0
        assert capsys.readouterr().out == f"{output}\n"
    assert (songs / output).read_bytes().startswith(MAGIC[suffix])
    assert [path.name for path in (songs / "made").iterdir()] == [f"here{suffix.upper()}"]


def test_several_songs_go_into_a_folder(songs, capsys):
    assert main(["render", "songs", "-o", "sounds/", "--format", "ogg"]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert paths == [f"sounds/song {number}.ogg" for number in (1, 2, 3)]
    assert all((songs / path).read_bytes().startswith(b"OggS") for path in paths)


@pytest.mark.parametrize("output", ["sounds", "a.b/", "songs"])
def test_what_is_a_folder(songs, capsys, output):
    assert main(["render", "songs/song 1.mid", "-o", output]) == 0
    assert capsys.readouterr().out.replace("//", "/") == f"{output.rstrip('/')}/song 1.wav\n"


def test_songs_come_from_the_pipe_without_what_was_made_of_them(songs, capsys, monkeypatch):
    stdin(monkeypatch, "songs/song 2.mid\nsongs/song 2.wav\nsongs/song 1.mid\nx.SVG\n")
    assert main(["render", "--format", "flac"]) == 0
    assert capsys.readouterr().out.splitlines() == ["songs/song 2.flac", "songs/song 1.flac"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["songs", "-o", "one.wav"],
            "-o one.wav is one file, but there are 3 songs: name a folder",
        ),
        (["songs/song 1.mid", "-o", "one.xyz"], "songs are not rendered as .xyz, but as .wav"),
        (["songs/song 1.mid", "-o", "one.wav", "--format", "ogg"], "-o one.wav is no ogg"),
        (["songs/song 1.mid", "--format", "xyz"], "'xyz' is not one of"),
    ],
)
def test_what_makes_no_sense(songs, capsys, arguments, message):
    assert main(["render", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "name, data, message",
    [
        ("x.mid", None, "no such file or folder: x.mid"),
        ("x.mid", b"", "x.mid: empty"),
        ("x.mid", b"RIFF", "x.mid: not a MIDI file"),
        ("x.mid", midi(b""), "x.mid: no notes"),
        ("x.mid", melody(60) + bytes(1_000_000), "x.mid: too large"),
        ("x\x1b[31m.mid", b"", r"x\x1b[31m.mid: empty"),
    ],
)
def test_a_file_that_cannot_be_heard(songs, capsys, name, data, message):
    if data is not None:
        (songs / name).write_bytes(data)
    assert main(["render", name]) == 1
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1
    assert sorted(path.suffix for path in songs.rglob("*.*")) == [".mid"] * (3 + (data is not None))


@pytest.mark.parametrize("form", ["svg", "png"])
def test_pictures_of_several_songs(songs, capsys, form):
    (songs / "songs/song 2.mid").write_bytes(melody(60)[:-6])
    assert main(["render", "songs", "-o", "pictures/", "--format", form]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"pictures/song {number}.{form}" for number in (1, 3)]
    assert err.splitlines()[0] == ("midigen: songs/song 2.mid: cut short (a track is not complete)")
    assert sorted(path.name for path in (songs / "pictures").iterdir()) == [
        f"song {number}.{form}" for number in (1, 3)
    ]


def test_a_picture_has_the_song_s_name(songs):
    assert main(["render", "songs/song 1.mid", "-o", "a.svg"]) == 0
    assert '<title id="title">song 1</title>' in (songs / "a.svg").read_text()


def test_one_bad_file_does_not_end_the_rest(songs, capsys):
    (songs / "songs/song 2.mid").write_bytes(b"?")
    assert main(["render", "songs"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["songs/song 1.wav", "songs/song 3.wav"]
    assert err.splitlines() == [
        "midigen: songs/song 2.mid: not a MIDI file (no MThd at its start)",
        "midigen: 1 of 3 songs could not be rendered",
    ]


def test_a_wrong_font_gets_one_line(songs, capsys):
    (songs / "x.sf2").write_bytes(b"no font")
    assert main(["render", "songs/song 1.mid", "--soundfont", "x.sf2"]) == 1
    assert capsys.readouterr().err == (
        "midigen: songs/song 1.mid: x.sf2 is no SoundFont: name a .sf2 file\n"
    )


def test_a_font_by_name_is_heard(songs, capsys):
    font = synthesis.default_soundfont()
    assert main(["render", "songs/song 1.mid", "--soundfont", str(font)]) == 0
    assert capsys.readouterr() == ("songs/song 1.wav\n", "")


def test_sine_waves_are_told_once(songs, capsys, monkeypatch):
    monkeypatch.setattr(synthesis, "_is_installed", lambda name: False)
    assert main(["render", "songs"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert err == f"{synthesis.NO_RENDERER}\n"


def test_no_song_at_all(songs, capsys, monkeypatch):
    (songs / "none").mkdir()
    assert main(["render", "none"]) == 1
    assert "no MIDI files" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["render"]) == 2
    assert "no songs given" in capsys.readouterr().err


def test_help_names_the_formats(capsys):
    assert main(["render", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(suffix.removeprefix(".") in shown for suffix in RENDERERS)
