"""Programs that play sound, with small scripts in their place."""

import os
import stat
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from midigen.errors import MidigenError
from midigen.rendering import players
from midigen.rendering.players import PROGRAMS, find_players

posix = pytest.mark.skipif(os.name == "nt", reason="players are shell scripts here")


def program(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The only folder on PATH, but for the system's own tools behind the scripts."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


def test_nothing_is_found_where_nothing_is(folder):
    assert find_players() == {}


@posix
def test_programs_are_found_in_the_order_of_preference(folder):
    for name in ("mpv", "aplay", "unknown"):
        program(folder, name, "exit 0")
    assert list(find_players()) == ["aplay", "mpv"]
    assert set(find_players()) < set(PROGRAMS)


@posix
def test_a_player_gets_its_arguments_and_the_file(folder, tmp_path):
    program(folder, "aplay", f'echo "$@" > "{tmp_path}/seen"; /bin/sleep 0.6')
    moved = []
    find_players()["aplay"](tmp_path / "a b.wav", 0.6, moved.append)
    assert (tmp_path / "seen").read_text().strip() == f"-q {tmp_path}/a b.wav"
    assert 0.25 <= sum(moved) <= 2


@posix
@pytest.mark.parametrize(
    "script, reason",
    [
        ("echo 'no such device' >&2; echo again >&2; exit 1", "no such device again"),
        ("exit 7", "exit code 7"),
    ],
)
def test_a_player_that_fails_says_why(folder, script, reason):
    program(folder, "paplay", script)
    with pytest.raises(MidigenError, match=f"^{reason}$"):
        find_players()["paplay"](folder / "x.wav", 1, print)


@posix
def test_the_sound_stops_with_an_interrupt(folder, tmp_path):
    program(folder, "aplay", f'echo $$ > "{tmp_path}/pid"; exec /bin/sleep 30')

    def interrupt(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_players()["aplay"](tmp_path / "x.wav", 30, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.fixture
def windows(folder, monkeypatch):
    """The module that Windows has, and what it is asked."""
    calls = []
    module = SimpleNamespace(
        SND_FILENAME=1, SND_ASYNC=2, SND_PURGE=4, PlaySound=lambda *given: calls.append(given)
    )
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "winsound", module)
    monkeypatch.setattr(players, "STEP", 0.02)
    return SimpleNamespace(calls=calls, module=module)


def test_windows_plays_by_itself(windows, tmp_path):
    moved = []
    start = time.monotonic()
    find_players()["Windows"](tmp_path / "x.wav", 0.1, moved.append)
    assert time.monotonic() - start >= 0.1
    assert windows.calls == [(str(tmp_path / "x.wav"), 3), (None, 4)]
    assert len(moved) >= 2


def test_windows_stops_with_an_interrupt(windows, tmp_path):
    def interrupt(seconds):
        raise KeyboardInterrupt

    before = threading.active_count()  # other tests may have left idle ones in a pool
    with pytest.raises(KeyboardInterrupt):
        find_players()["Windows"](tmp_path / "x.wav", 30, interrupt)
    assert windows.calls[-1] == (None, 4)
    assert threading.active_count() == before


def test_windows_without_a_sound_card(windows, tmp_path):
    def fail(*given):
        raise RuntimeError("Failed to play sound")

    windows.module.PlaySound = fail
    with pytest.raises(MidigenError, match="Failed to play sound"):
        find_players()["Windows"](tmp_path / "x.wav", 1, print)
