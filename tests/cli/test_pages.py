"""Pages from the command line: midigen render -o page.html, midigen generate --page."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from midigen.cli import main
from midigen.cli.pages import page_name
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.corpus import Corpus, Song
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm
from midigen.rendering import page as module
from midigen.rendering.audio import Sound
from midigen.training.checkpoint import save_checkpoint
from midigen.training.trainer import Trainer
from tests.midi.craft import melody

GRID = Grid(low=60, high=70, outside="drop")
MAKE = ["generate", "run", "--length", "2 bars", "--seed", "7", "--gibbs-steps", "1", "--page"]


@pytest.fixture(autouse=True)
def silent(monkeypatch, tmp_path):
    """Songs are a second of silence, which is quick to make; tests run in folders of their own."""
    silence = Sound(np.zeros((48_000, 2), np.float32), 48_000)
    monkeypatch.setattr(module, "render_audio", lambda *given: silence)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def songs():
    Path("songs").mkdir()
    for name in ("a", "b"):
        Path("songs", f"{name}.mid").write_bytes(melody(60, 62, 64))


@pytest.fixture
def run_folder():
    """A run folder with an untrained model, and the corpus that it names."""
    roll = np.repeat(np.eye(11, dtype=np.uint8)[[0, 3, 7, 2, 5, 9, 1, 4] * 4], 2, axis=0)
    splits = ["train", "train", "test"]
    tunes = [
        Song(f"t{i}", split, f"{i:064x}", 120.0, (4, 4), np.roll(roll, i, axis=1))
        for i, split in enumerate(splits)
    ]
    corpus = Corpus(GRID, tunes)
    corpus.save("corpus.midigen")
    config = ModelConfig(visible=11, rbm_hidden=6, recurrent=4, hidden=())
    card = ModelCard(name="tunes", corpus_digest=corpus.digest)
    model = RnnRbm.initial(config, GRID, np.full(11, 0.2), card=card)
    Path("run").mkdir()
    model.save("run/model.safetensors")
    trainer = Trainer(model, corpus.rolls("train"), [], TrainConfig())
    save_checkpoint("run", trainer, "corpus.midigen", corpus.digest)
    return "run"


def shown(path):
    page = Path(path).read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])


def names(path):
    return [song["name"] for song in shown(path)["songs"]]


def test_one_page_of_all_songs(songs, capsys):
    assert main(["render", "songs", "-o", "page.html"]) == 0
    out, err = capsys.readouterr()
    assert out == "page.html\n"
    assert (
        err == f"a page of {Path('page.html').stat().st_size / 1e6:.2f} MB: open it in a browser\n"
    )
    assert names("page.html") == ["a", "b"]


@pytest.mark.parametrize(
    "given, page",
    [
        (["songs/a.mid", "--format", "html"], "songs/a.html"),
        (["songs", "--format", "html"], "songs/songs.html"),
        (["songs", "--format", "html", "-o", "new/"], "new/songs.html"),
    ],
)
def test_names_of_pages(songs, capsys, given, page):
    assert main(["render", "-q", *given]) == 0
    assert capsys.readouterr() == (f"{page}\n", "")
    assert Path(page).exists()


def test_only_a_page_that_is_named_is_replaced(songs, capsys):
    for _ in range(2):
        assert main(["render", "songs/a.mid", "-q", "--format", "html"]) == 0
        assert main(["render", "songs/a.mid", "-q", "-o", "p.html"]) == 0
    assert capsys.readouterr().out.split() == ["songs/a.html", "p.html", "songs/a-2.html", "p.html"]


def test_songs_that_cannot_be_read_are_named_and_left_out(songs, capsys):
    Path("songs/0.mid").write_bytes(b"MThd is not enough")
    Path("songs/c.mid").write_bytes(b"")
    assert main(["render", "songs", "-o", "page.html", "-q"]) == 1
    out, err = capsys.readouterr()
    assert out == "page.html\n" and names("page.html") == ["a", "b"]
    assert err.splitlines()[-1] == "midigen: 2 of 4 songs could not be rendered"
    assert "0.mid: " in err and "c.mid: empty" in err and len(err.splitlines()) == 3


def test_a_single_bad_song_is_one_line(capsys):
    Path("a.mid").write_bytes(b"no")
    assert main(["render", "a.mid", "-o", "page.html"]) == 1
    assert capsys.readouterr() == (
        "",
        "midigen: a.mid: not a MIDI file (no MThd at its start)\n",
    )
    assert not Path("page.html").exists()


def test_generate_makes_a_page_with_figures(run_folder, capsys):
    assert main([*MAKE, "--count", "2", "-o", "new", "-q"]) == 0
    assert capsys.readouterr().out.split() == [
        "new/tunes-seed7-1.mid",
        "new/tunes-seed7-2.mid",
        "new/tunes-seed7.html",
    ]
    page = shown("new/tunes-seed7.html")
    assert [song["file"] for song in page["songs"]] == ["tunes-seed7-1.mid", "tunes-seed7-2.mid"]
    for song in page["songs"]:
        assert [fact["label"] for fact in song["facts"]] == ["Likelihood", "Longest copied run"]
        assert re.fullmatch(r"−\d+\.\d\d nats a frame", song["facts"][0]["value"])
    assert {"label": "seed", "value": "7"} in page["settings"]


def test_without_the_corpus_it_says_what_is_left_out(run_folder, capsys):
    Path("corpus.midigen").unlink()
    assert main([*MAKE, "-o", "new"]) == 0
    err = capsys.readouterr().err
    assert "what was copied is not looked at: the corpus that run was trained on" in err
    facts = shown("new/tunes-seed7-1.html")["songs"][0]["facts"]
    assert [fact["label"] for fact in facts] == ["Likelihood"]


def test_another_corpus_in_its_place_is_not_searched(run_folder, capsys):
    corpus = Corpus.load("corpus.midigen")
    Corpus(GRID, corpus.songs[1:]).save("corpus.midigen")
    assert main([*MAKE, "-o", "new"]) == 0
    assert "the model's corpus has changed since" in capsys.readouterr().err
    assert len(shown("new/tunes-seed7-1.html")["songs"][0]["facts"]) == 1


def test_scores_are_told_beside_those_of_held_out_songs(run_folder, capsys):
    model = RnnRbm.load("run")
    model.card.figures = {"notes a frame": (1.0, 0.5)}
    model.save("run/model.safetensors")
    asked = [*MAKE[:-1], "--count", "2", "--best-of", "3"]
    assert main([*asked, "-o", "new"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "best of 3" in line]
    number = r"-?\d+\.\d\d"
    for song, line in enumerate(lines, start=1):
        assert re.fullmatch(
            rf"song {song}, the best of 3: distance {number} \(held out {number}\); "
            rf"{number} nats a frame; longest copied run \d+ beats \(held out \d+\)",
            line,
        )
    assert len(lines) == 2
    assert main([*asked, "-o", "new", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["held_out"]["distance"] >= 0 and report["held_out"]["nats"] is None
    for song in report["songs"]:
        assert song["nats_a_frame"] < 0 and song["copies_too_much"] is False
        assert song["distance"] >= 0 and song["copied_beats"] >= 0
    assert main([*MAKE[:-1], "--best-of", "1", "-o", "new"]) == 0
    assert "best of" not in capsys.readouterr().err


def test_a_page_is_no_song_on_stdout(run_folder, capsys):
    assert main([*MAKE, "-o", "-"]) == 2
    assert "--page makes files beside the songs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "songs, name",
    [
        (["x/a.mid"], "x/a.html"),
        (["x/a-1.mid", "x/a-2.mid"], "x/a.html"),
        (["x/a-1.mid", "y/b-1.mid"], "x/songs.html"),
        (["a-seed7-1.mid", "a-seed7-10.mid"], "a-seed7.html"),
    ],
)
def test_a_page_is_named_after_its_songs(songs, name):
    assert page_name([Path(song) for song in songs]) == Path(name)
