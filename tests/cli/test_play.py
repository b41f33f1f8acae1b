"""midigen play, with players that do nothing, fail, or are interrupted."""

import wave

import pytest

from midigen.cli import main
from midigen.errors import MidigenError
from midigen.rendering import players
from tests.midi.craft import melody


@pytest.fixture
def songs(tmp_path, monkeypatch):
    """Songs a.mid and b.mid in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.mid").write_bytes(melody(60, 64, length=120))
    return tmp_path


def use(monkeypatch, **found):
    monkeypatch.setattr(players, "find_players", lambda: found)


def fail(path, seconds, moved):
    raise MidigenError("no device")


def interrupt(path, seconds, moved):
    raise KeyboardInterrupt


def listener(heard):
    """A player that notes the seconds that a file has, and those that it is told."""

    def play(path, seconds, moved):
        with wave.open(str(path)) as f:
            heard.append((f.getnframes() / f.getframerate(), seconds))
        heard.append(path)
        moved(0.25)

    return play


def test_plays_every_song_and_leaves_nothing(songs, capsys, monkeypatch):
    heard = []
    use(monkeypatch, fake=listener(heard))
    assert main(["play", "a.mid", "b.mid"]) == 0
    assert capsys.readouterr() == ("", "")
    (in_file, told), path, _, _ = heard
    assert in_file == pytest.approx(told, abs=0.001)
    assert in_file > 0.25
    assert not path.exists()
    assert sorted(p.name for p in songs.iterdir()) == ["a.mid", "b.mid"]


def test_the_next_player_is_tried(songs, capsys, monkeypatch):
    heard = []
    use(monkeypatch, first=fail, second=listener(heard))
    assert main(["play", "a.mid"]) == 0
    assert len(heard) == 2
    assert capsys.readouterr().err == ""


def test_where_no_sound_comes_out_it_says_how_to_listen(songs, capsys, monkeypatch):
    use(monkeypatch, one=fail, two=fail)
    assert main(["play", "a.mid"]) == 1
    assert capsys.readouterr().err == (
        "midigen: a.mid: no sound comes out (one: no device; two: no device): make a file to open "
        "elsewhere: midigen render a.mid\n"
    )


def test_without_a_player_it_says_how_to_listen(songs, capsys, monkeypatch):
    use(monkeypatch)
    assert main(["play", "a.mid"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("midigen: no program here plays sound (of afplay,")
    assert err.endswith("midigen render a.mid\n")


def test_stops_quietly(songs, capsys, monkeypatch):
    use(monkeypatch, fake=interrupt)
    assert main(["play", "a.mid", "b.mid"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_bad_song_does_not_end_the_rest(songs, capsys, monkeypatch):
    (songs / "a.mid").write_bytes(b"")
    heard = []
    use(monkeypatch, fake=listener(heard))
    assert main(["play", "a.mid", "b.mid"]) == 1
    assert len(heard) == 2
    assert capsys.readouterr().err.splitlines() == [
        "midigen: a.mid: empty",
        "midigen: 1 of 2 songs could not be played",
    ]
