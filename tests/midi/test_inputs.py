"""Paths, folders, globs and lists to files."""

import os

import pytest

from midigen.errors import MidigenError
from midigen.midi.inputs import Input, expand, is_benchmark, printable


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [
        "b.mid",
        "a.MID",
        "c.txt",
        "d.kar",
        "e.RMI",
        "sub/e.Midi",
        "sub/deep/f.mat",
        "g.mid.bak",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def paths(*names, **options):
    return [item.path.replace(os.sep, "/") for item in expand(names, **options)]


def test_folders_are_searched(folder):
    assert paths(".") == [
        "./a.MID",
        "./b.mid",
        "./d.kar",
        "./e.RMI",
        "./sub/e.Midi",
        "./sub/deep/f.mat",
    ]


def test_globs(folder):
    assert paths("*.mid") == ["b.mid"]
    assert paths("**/*.M*") == ["a.MID", "sub/e.Midi"]
    assert paths("su?") == ["sub/e.Midi", "sub/deep/f.mat"]


def test_recordings_in_folders_are_told_apart(folder):
    (folder / "sub" / "a.MP3").write_bytes(b"")
    ignored = []
    found = expand(["sub"], ignored=ignored)
    assert ignored == [os.path.join("sub", "a.MP3")] and len(found) == 2
    [named] = expand(["sub/a.MP3"])
    assert named.problem == "audio (a recording; midigen reads MIDI)"


def test_a_name_that_looks_like_a_glob(folder):
    (folder / "x[1].mid").write_bytes(b"")
    assert paths("x[1].mid") == ["x[1].mid"]


def test_a_named_file_may_have_any_ending(folder):
    assert paths("c.txt") == ["c.txt"]


@pytest.mark.parametrize("name", ["no.mid", "no*.mid", "sub/no"])
def test_missing_on_the_command_line(folder, name):
    with pytest.raises(MidigenError, match="no such file or folder: "):
        expand(["b.mid", name])


def test_missing_in_a_list(folder):
    assert expand([], listed=["b.mid", "no.mid", "sub/deep"]) == [
        Input("b.mid"),
        Input("no.mid", "no such file"),
        Input(os.path.join("sub/deep", "f.mat")),
    ]


def test_the_same_file_once(folder):
    (folder / "link.mid").symlink_to("b.mid")
    assert paths("b.mid", "./b.mid", "link.mid", str(folder / "b.mid"), listed=["b.mid"]) == [
        "b.mid"
    ]


def test_links_that_lead_round_end(folder):
    (folder / "sub" / "loop").symlink_to("..", target_is_directory=True)
    (folder / "sub" / "self.mid").symlink_to("self.mid")
    # its own three, the loop's four; those of sub are there already
    assert len(paths("sub")) == 7
    assert paths("sub/self.mid") == ["sub/self.mid"]


def test_printable():
    assert printable("a\x1b[2J\nb\x07é[x]") == "a\\x1b[2J\\nb\\x07é[x]"
    assert printable(os.fsdecode(b"\xff.mid")).isascii()
    printable("\u202e\udcff").encode()


def test_benchmarks_go_by_their_name():
    assert is_benchmark("a/JSB.MAT") and not is_benchmark("mat/x.mid")
