import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from midigen.cli import main
from tests.midi.craft import melody, meta, midi, note
from tests.rendering.test_contents import corpus
from tests.rendering.test_run_facts import run  # noqa: F401  a fixture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "song.mid").write_bytes(melody(60, 62, 64))
    corpus().save(tmp_path / "corpus.safetensors")
    return tmp_path


def show(*args):
    return main(["show", *args])


def test_each_kind_is_told_by_its_content(folder, run, capsys):  # noqa: F811
    os.rename("song.mid", "song")
    assert show("song", "corpus.safetensors", str(run())) == 0
    out, err = capsys.readouterr()
    assert err == "" and "\x1b" not in out
    assert "C4 │█▬▬▬" in out  # a roll
    assert "a.mid  G major" in out  # a list of songs
    assert "0 to 2.00" in out  # a sparkline


def test_paths_come_through_the_pipe(folder, monkeypatch, capsys):
    names = io.BytesIO(b"song.mid\nsong.wav\nsong.mid\n")
    stdin = SimpleNamespace(isatty=lambda: False, buffer=names)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert show() == 0
    assert capsys.readouterr().out.count("quarter notes a minute") == 2


def test_json_is_an_object_a_line(folder, run, capsys):  # noqa: F811
    assert show("--json", "song.mid", "corpus.safetensors", str(run())) == 0
    out, err = capsys.readouterr()
    facts = [json.loads(line) for line in out.splitlines()]
    assert [one["kind"] for one in facts] == ["song", "corpus", "run"] and err == ""
    assert facts[0]["file"] == "song.mid" and facts[0]["tracks"][0]["notes"] == 3


@pytest.mark.parametrize(
    "args, code, words",
    [
        (["missing.mid"], 1, "missing.mid: no such file"),
        (["."], 1, "a folder without a run"),
        (["text"], 1, "text is no MIDI file, and no corpus, model or run folder"),
        (["cut.mid"], 1, "cut.mid: cut short"),
        (["damaged.safetensors"], 1, "damaged.safetensors is damaged"),
        (["--plot", "a.svg", "song.mid"], 2, "--plot draws one run"),
        (["--plot", "a.svg", "run", "run"], 2, "--plot draws one run"),
        (["--plot", "a.png", "run"], 2, "ends in .svg"),
        (["--plot", "a.svg", "run"], 1, "run has no validation in its log"),
        (["--plot", "a.svg", "--json", "run"], 2, "leave out one of them"),
    ],
)
def test_what_goes_wrong_is_one_line(folder, capsys, args, code, words):
    (folder / "text").write_text("hello")
    (folder / "cut.mid").write_bytes(melody(60)[:-6])
    (folder / "run").mkdir()
    (folder / "run/log.jsonl").touch()
    data = (folder / "corpus.safetensors").read_bytes()
    (folder / "damaged.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert show(*args) == code
    out, err = capsys.readouterr()
    assert not out and words in err and len(err.splitlines()) == 1
    assert not (folder / "a.svg").exists()


def test_one_bad_file_does_not_end_the_others(folder, capsys):
    (folder / "bad.mid").write_bytes(b"MThd")
    assert show("bad.mid", "song.mid") == 1
    out, err = capsys.readouterr()
    assert "song.mid" in out and "bad.mid: cut short" in err


def test_names_in_files_do_nothing_to_the_terminal(folder, capsys):
    name = b"\x1b[31m[red]\x07</script>\xc2\x9b"
    (folder / "bad.mid").write_bytes(midi(meta(0x03, name), meta(0x03, name) + note()))
    assert show("bad.mid") == 0
    out = capsys.readouterr().out
    assert "\\x1b[31m[red]\\x07</script>" in out
    assert all(c.isprintable() or c == "\n" for c in out)


def test_curves_are_drawn(run, capsys):  # noqa: F811
    picture = run() / "curves.svg"
    assert show(str(run()), "--plot", str(picture)) == 0
    assert capsys.readouterr().out == f"{picture}\n"
    root = ElementTree.parse(picture).getroot()
    assert root.find("{http://www.w3.org/2000/svg}title").text == f"Training of {run().name}"


def in_process(folder, *args, **environment):
    result = subprocess.run(
        [sys.executable, "-m", "midigen", "show", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
    )
    return result.returncode, result.stdout, result.stderr


def test_a_stdout_that_takes_no_blocks(folder):
    code, out, err = in_process(folder, "song.mid", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (code, err) == (0, b"") and b"C4 |M===" in out and b"\\u" not in out


def test_a_pipe_is_plain_and_as_wide_as_columns_says(folder):
    code, out, _ = in_process(folder, "corpus.safetensors", COLUMNS="44")
    lines = out.decode().splitlines()
    assert code == 0 and max(len(line.rstrip()) for line in lines) <= 44
    assert b"\x1b" not in out


def test_a_song_is_shown_and_drawn_without_numba(folder):
    """Which takes longer to load than all the rest."""
    code = (
        "import sys; from midigen.cli import main; main(['show', 'song.mid']); "
        "main(['render', 'song.mid', '-o', 'song.svg']); sys.exit('numba' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)
