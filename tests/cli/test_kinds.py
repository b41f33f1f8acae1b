"""A file that is something else than a command takes: what is said, and what to type."""

import pytest

from midigen.cli import main
from midigen.cli.kinds import kind_of
from midigen.config import Grid, ModelConfig
from midigen.corpus import Corpus
from midigen.errors import MidigenError
from midigen.model.rnn_rbm import RnnRbm
from tests.midi.craft import melody


@pytest.fixture
def things(tmp_path, monkeypatch):
    """A song, a folder of songs, a corpus and a run folder in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my songs").mkdir()
    (tmp_path / "my songs" / "a.mid").write_bytes(melody(60, 62))
    (tmp_path / "a.mid").write_bytes(melody(60, 62))
    (tmp_path / "text").write_text("text")
    (tmp_path / "empty").mkdir()
    Corpus(Grid(), []).save("corpus")
    config = ModelConfig(visible=88, rbm_hidden=2, recurrent=2, hidden=())
    RnnRbm.initial(config, Grid(), [0.1] * 88).save("run/model.safetensors")


@pytest.mark.parametrize(
    "path, kind",
    [
        ("a.mid", "songs"),
        ("my songs", "songs"),
        ("corpus", "corpus"),
        ("run", "model"),
        ("run/model.safetensors", "model"),
        ("text", None),
        ("empty", None),
        ("nowhere.mid", None),
    ],
)
def test_kinds(things, path, kind):
    assert kind_of(path) == kind


@pytest.mark.parametrize(
    "args, line",
    [
        (
            "train|my songs",
            "my songs is MIDI: prepare them first: midigen prepare 'my songs' | midigen train",
        ),
        ("train|a.mid", "a.mid is MIDI: prepare them first: midigen prepare a.mid | midigen train"),
        (
            "train|run",
            "run is a model: a corpus is wanted: to go on with a run: midigen train --resume run",
        ),
        ("generate|corpus", "corpus is a corpus: train on it first: midigen train corpus"),
        (
            "generate|a.mid",
            "a.mid is MIDI: train on them first: midigen prepare a.mid | midigen train, or go on "
            "from one: midigen generate MODEL --primer FILE.mid",
        ),
        ("evaluate|corpus", "corpus is a corpus: train on it first: midigen train corpus"),
        (
            "evaluate|a.mid|my songs/a.mid",
            "a.mid is no model: to judge songs: midigen evaluate --songs a.mid 'my songs/a.mid' "
            "--corpus CORPUS",
        ),
        (
            "evaluate|run|run",
            "run is a model: a corpus is wanted: to go on with a run: midigen train --resume run",
        ),
        ("my songs", "there is no command my songs: for MIDI, midigen prepare 'my songs'"),
        ("corpus", "there is no command corpus: for a corpus, midigen train corpus"),
        ("run", "there is no command run: for a model, midigen generate run"),
    ],
)
@pytest.mark.skipif("os.name == 'nt'", reason="quotes as a Unix shell takes them")
def test_what_to_type_instead(things, capsys, args, line):
    assert main(args.split("|")) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"midigen: {line}") and err.count("\n") == 1


def test_many_songs_are_not_all_named(things, capsys):
    assert main(["evaluate", *["a.mid"] * 9]) == 2
    assert "midigen evaluate --songs FILES --corpus CORPUS" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train", "generate"])
def test_what_is_nothing_of_midigen_s_stays_as_it_is(things, capsys, name):
    assert main([name, "text"]) == MidigenError.exit_code
    assert "text is not a midigen" in capsys.readouterr().err


def test_a_folder_is_not_searched_for_ever(tmp_path, monkeypatch):
    from midigen.cli import kinds

    monkeypatch.setattr(kinds, "MOST_NAMES", 3)
    for i in range(3):
        (tmp_path / f"{i}.txt").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.mid").touch()
    assert kind_of(str(tmp_path)) is None
