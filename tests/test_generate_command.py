"""midigen generate around a fake model: files, names, lengths, limits, what is said."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import click.testing
import mido
import numpy as np
import pytest

from midigen import composition
from midigen.cli import group, main
from midigen.cli.destination import destination_of
from midigen.cli.generate import _frames
from midigen.cli.options import Length
from midigen.config import Grid
from midigen.errors import MidigenError, UsageError
from midigen.midi.write import midi_bytes, roll_to_midi
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm
from midigen.output.generate import findings

LENGTH = 384  # frames: 32 bars of three quarters
CARD = ModelCard(name="tunes", bpm=90.0, metre=(3, 4), notes_per_frame=1.0)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """A model that plays a rising scale, and the calls that reach it; runs in tmp_path."""
    fake = SimpleNamespace(
        card=replace(CARD), grid=Grid(), gaussian=False, digest="d1635", calls=[]
    )

    def generate(model, frames, outlines, count=1, primer=None, progress=None, **settings):
        begun = 0 if primer is None else len(primer)
        lengths = [outline.frames - begun for outline in outlines]
        assert frames is None
        fake.calls.append({"frames": lengths, "count": count, "primer": primer, **settings})
        for length in lengths:
            roll = np.zeros((length, model.grid.channels), np.uint8)
            roll[np.arange(length), np.arange(length) % 40 + 10] = 1
            progress(length)
            yield roll

    monkeypatch.setattr(RnnRbm, "load", lambda path: fake)
    monkeypatch.setattr(composition, "generate_songs", generate)
    monkeypatch.chdir(tmp_path)
    return fake


def run(*args):
    """The exit code of `midigen generate` on a run folder."""
    return main(["generate", "run1", *args])


def texts(path):
    return [m.text for m in mido.MidiFile(path).tracks[0] if m.type == "text"]


def notes(path):
    return [m.note for m in mido.MidiFile(path) if m.type == "note_on" and m.velocity]


def test_prints_the_paths_of_the_songs_and_nothing_else(fake, tmp_path, capsys):
    assert run("--count", "3", "--seed", "7") == 0
    paths = capsys.readouterr().out.splitlines()
    assert paths == [f"output/songs/tunes-seed7-{i}.mid" for i in (1, 2, 3)]
    assert len(notes(paths[2])) == LENGTH


def test_seed_and_settings_stand_in_the_file(fake):
    assert run("--seed", "7", "--count", "2", "--temperature", "0.9") == 0
    [text] = texts("output/songs/tunes-seed7-2.mid")
    assert text == (
        "midigen 0.1.0; seed 7; song 2 of 2; 384 frames; model d1635; temperature 0.9; "
        "gibbs-steps 200; best of 1; primer 0 frames"
    )


def test_never_overwrites(fake, capsys):
    for _ in range(3):
        assert run("--seed", "7") == 0
    assert capsys.readouterr().out.split() == [
        f"output/songs/tunes-seed7-1{again}.mid" for again in ("", "-2", "-3")
    ]


def test_a_seed_is_drawn_and_told(fake, capsys):
    run(), run()
    first, second = fake.calls
    assert first["seed"] != second["seed"]
    assert f"-seed{first['seed']}-1.mid" in capsys.readouterr().out


def test_settings_reach_the_model_and_the_file(fake):
    assert (
        run(
            "--gibbs-steps",
            "3",
            "--temperature",
            "1.5",
            "--program",
            "40",
            "--velocity",
            "101",
            "--seed",
            "1",
            "--bpm",
            "150",
            "-o",
            "deep/er",
        )
        == 0
    )
    assert (fake.calls[0]["gibbs_steps"], fake.calls[0]["temperature"]) == (3, 1.5)
    messages = list(mido.MidiFile("deep/er/tunes-seed1-1.mid"))
    assert [m.program for m in messages if m.type == "program_change"] == [40]
    velocity = [m.velocity for m in messages if m.type == "note_on" and m.velocity]
    assert np.mean(velocity) == pytest.approx(101, abs=0.5) and np.std(velocity) > 3
    assert [m.tempo for m in messages if m.type == "set_tempo"] == [400_000]


@pytest.mark.parametrize(
    "length, frames",
    [
        ("8 bars", 96),
        ("8bars", 96),
        ("1 BAR", 12),
        ("64 beats", 256),
        ("10", 40),
        ("2.5beats", 10),
        ("60 seconds", 360),
        ("6s", 36),
        ("6 sec", 36),
        ("3 minutes", 1080),
        ("3m", 1080),
        ("0.5 min", 180),
        ("1:30", 540),
        ("0:06", 36),
        ("90s", 540),
    ],
)
def test_length(fake, length, frames):
    assert run("--length", length) == 0
    assert fake.calls[0]["frames"] == [frames]


@pytest.mark.parametrize("unit, frames", [("seconds", 60), ("beats", 120), ("bars", 360)])
def test_length_on_a_grid_in_seconds(unit, frames):
    assert _frames((6, unit), 1, Grid(unit="seconds", step=0.1), 30.0, (6, 8)) == frames


@pytest.mark.parametrize("length", ["1000001 seconds", "9" * 400, "0.1 beats", "0.125", "0"])
def test_absurd_lengths_are_refused(length):
    with pytest.raises(UsageError, match="--length"):
        _frames(Length().convert(length, None, None), 1, Grid(), 120, (4, 4))


@pytest.mark.parametrize(
    "option, value",
    [
        ("--length", "many"),
        ("--length", "-3 bars"),
        ("--length", "3 miles"),
        ("--length", "32b"),
        ("--length", "1:60"),
        ("--length", "1:2:3"),
        ("--length", "9999999:00"),
        ("--length", "nan"),
        ("--length", "0"),
        ("--length", "999999 bars"),
        ("--temperature", "0"),
        ("--temperature", "nan"),
        ("--temperature", "inf"),
        ("--count", "0"),
        ("--bpm", "0"),
        ("--bpm", "nan"),
        ("--program", "128"),
        ("--program", "violn"),
        ("--program", "sax"),
        ("--program", "1,2"),
        ("--program", ""),
        ("--velocity", "0"),
        ("--gibbs-steps", "0"),
        ("--seed", "-1"),
        ("--seed", "x"),
    ],
)
def test_impossible_settings_name_their_option(fake, capsys, option, value):
    assert run(option, value) == 2
    out, err = capsys.readouterr()
    assert (out, fake.calls) == ("", [])
    assert option in err.splitlines()[-1] and "Traceback" not in err


def test_a_length_of_no_unit_is_told_what_there_is(fake, capsys):
    assert run("--length", "32b") == 2
    err = capsys.readouterr().err
    assert "b may be bars or beats" in err and "90 seconds (90s), 3 minutes (3m) or 1:30" in err


@pytest.mark.parametrize("bpm, microseconds", [(60e6, 60_000), (3.576, 15_000_000)])
def test_a_tempo_that_nobody_can_play_is_brought_into_the_range_of_bpm(fake, bpm, microseconds):
    fake.card.bpm = bpm
    assert run("--seed", "1") == 0
    assert [
        m.tempo for m in mido.MidiFile("output/songs/tunes-seed1-1.mid") if m.type == "set_tempo"
    ] == [microseconds]


def test_an_instrument_by_its_name(fake, tmp_path, monkeypatch):
    assert run("--program", "orch harp", "--seed", "1", "-o", "a") == 0
    (tmp_path / "s.toml").write_text('[generate]\nprogram = "violin"')
    assert main(["--config", "s.toml", "generate", "run1", "--seed", "1", "-o", "b"]) == 0
    monkeypatch.setenv("MIDIGEN_GENERATE_PROGRAM", "7")
    assert run("--seed", "1", "-o", "c") == 0
    changes = [m for f in "abc" for m in mido.MidiFile(f"{f}/tunes-seed1-1.mid")]
    assert [m.program for m in changes if m.type == "program_change"] == [46, 40, 7]


def test_all_instruments_are_listed_without_a_model(fake, capsys):
    assert main(["generate", "--program", "list"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 128 and out.startswith("  0  Acoustic Grand Piano\n")
    assert (err, fake.calls) == ("", [])


def primer(path, metre=(2, 4)):
    grid = Grid()
    roll = np.zeros((8, grid.channels), np.uint8)
    roll[:, 0] = 1
    path.write_bytes(midi_bytes(roll_to_midi(roll, grid, 120, metre)))
    return roll


def test_a_primer_is_gone_on_from_and_kept(fake, tmp_path):
    roll = primer(tmp_path / "p.mid")
    assert run("--primer", "p.mid", "--seed", "1", "--length", "2 bars") == 0
    np.testing.assert_array_equal(fake.calls[0]["primer"], roll)
    assert fake.calls[0]["frames"] == [16]  # bars of the primer's 2/4
    assert notes("output/songs/tunes-seed1-1.mid")[:2] == [21, 31]


def test_a_primer_can_be_left_out_of_the_file(fake, tmp_path):
    primer(tmp_path / "p.mid")
    assert run("--primer", "p.mid", "--no-keep-primer", "--seed", "1") == 0
    assert fake.calls[0]["primer"] is not None
    assert notes("output/songs/tunes-seed1-1.mid")[0] == 31


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"not a MIDI file", id="text"),
        pytest.param(
            midi_bytes(roll_to_midi(np.zeros((4, 88), np.uint8), Grid(), 120)), id="silent"
        ),
    ],
)
def test_a_bad_primer_is_one_line(fake, tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "p.mid").write_bytes(content)
    assert run("--primer", "p.mid") == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), fake.calls) == ("", 1, []) and "p.mid" in err


def test_a_primer_out_of_the_model_s_range_is_one_line(fake, tmp_path, capsys):
    primer(tmp_path / "p.mid")
    fake.grid = Grid(low=60, high=62, outside="drop")
    assert run("--primer", "p.mid") == 1
    assert (
        capsys.readouterr().err
        == "midigen: the primer p.mid does not fit the model: no notes in the range\n"
    )


def test_one_song_to_stdout(fake):
    result = click.testing.CliRunner().invoke(group, ["generate", "run1", "-o", "-", "--quiet"])
    assert result.exit_code == 0 and result.stdout_bytes.startswith(b"MThd")


def test_two_songs_do_not_go_to_stdout(fake, capsys):
    assert run("-o", "-", "--count", "2") == 2
    assert "--count" in capsys.readouterr().err


def test_an_output_that_is_a_file_is_one_line(fake, tmp_path, capsys):
    (tmp_path / "taken").touch()
    assert run("-o", "taken") == 1
    assert capsys.readouterr().err == (
        "midigen: taken is a file: name a folder, or a file whose name ends in .mid\n"
    )


@pytest.mark.parametrize("name", ["my.mid", "MY.MID", "new/folder of/mine.midi"])
def test_one_song_to_a_file(fake, capsys, name):
    assert run("-o", name) == 0
    assert capsys.readouterr().out == f"{name}\n"
    assert len(notes(name)) == LENGTH


def test_a_file_is_not_overwritten(fake, tmp_path, capsys):
    (tmp_path / "my.mid").write_text("mine")
    assert run("-o", "my.mid") == 1
    out, err = capsys.readouterr()
    assert err == "midigen: my.mid exists, and no song is overwritten: name another file\n"
    assert (out, fake.calls, (tmp_path / "my.mid").read_text()) == ("", [], "mine")


def test_a_file_that_appears_meanwhile_is_not_overwritten(fake, tmp_path, capsys):
    destination = destination_of("my.mid", 1)
    destination.make_ready()
    (tmp_path / "my.mid").write_text("mine")
    with pytest.raises(MidigenError, match="my.mid exists"):
        destination.deliver(b"MThd", "")
    assert (tmp_path / "my.mid").read_text() == "mine"


def test_several_songs_do_not_go_to_one_file(fake, capsys):
    assert run("-o", "my.mid", "--count", "2") == 2
    assert "-o my.mid is one song" in capsys.readouterr().err and not fake.calls


@pytest.mark.parametrize("folder", ["folder/", "folder.mid/", "folder"])
def test_songs_to_a_folder(fake, tmp_path, capsys, folder):
    assert run("-o", folder, "--seed", "1", "--count", "2") == 0
    assert [Path(path).parent for path in capsys.readouterr().out.split()] == [Path(folder)] * 2


def test_a_folder_whose_name_ends_as_a_file_s_stays_a_folder(fake, tmp_path, capsys):
    (tmp_path / "album.mid").mkdir()
    assert run("-o", "album.mid", "--seed", "1") == 0
    assert capsys.readouterr().out == "album.mid/tunes-seed1-1.mid\n"


def test_a_drawn_seed_is_short(fake):
    for _ in range(5):
        run()
    assert all(call["seed"] < 10**6 for call in fake.calls)


@pytest.mark.parametrize(
    "name, stem",
    [
        ("", "midigen"),
        ("../../etc/x y", "etc-x-y"),
        ("..", "midigen"),
        ("Lieder für Ü", "Lieder-für-Ü"),
        ("n" * 999, "n" * 50),
    ],
)
def test_a_model_s_name_makes_a_safe_file_name(fake, capsys, name, stem):
    fake.card.name = name
    assert run("--seed", "1") == 0
    assert capsys.readouterr().out == f"output/songs/{stem}-seed1-1.mid\n"


def test_a_model_without_a_story_is_enough(fake):
    fake.card = ModelCard()
    assert run("--seed", "1") == 0
    assert [
        m.tempo for m in mido.MidiFile("output/songs/midigen-seed1-1.mid") if m.type == "set_tempo"
    ] == [500_000]


def test_ctrl_c_leaves_the_finished_songs_whole(fake, monkeypatch, capsys):
    from midigen.midi import write

    done = []

    def create(path, data, create=write.create):
        if done:
            raise KeyboardInterrupt
        done.append(path)
        create(path, data)

    monkeypatch.setattr(write, "create", create)
    assert run("--count", "3", "--seed", "1") == 130
    assert capsys.readouterr().out.split() == ["output/songs/tunes-seed1-1.mid"]
    assert len(notes("output/songs/tunes-seed1-1.mid")) == LENGTH


def test_stderr_compares_with_the_corpus_unless_quiet(fake, capsys):
    run()
    err = capsys.readouterr().err
    assert "1 song: 1.00 notes a frame (corpus 1.00); 40 different pitches a song; " in err
    assert "longest hold 1 frames" in err
    run("--quiet")
    assert capsys.readouterr().err == ""


def rolls(*songs):
    """(count, 64, 88) uint8 from each song's notes a frame, which move on a pitch a frame."""
    rolls = np.zeros((len(songs), 64, 88), np.uint8)
    for roll, width in zip(rolls, songs, strict=True):
        for t in range(64):
            roll[t, t % 7 : t % 7 + width] = 1
    return rolls


def test_findings_of_a_sound_song_are_one_line():
    assert len(findings(rolls(2, 3), Grid(), 120, ModelCard(notes_per_frame=2.4))) == 1


def test_findings_name_silence_chaos_and_a_held_frame():
    songs = rolls(0, 2, 8, 2)
    songs[3, 10:50] = songs[3, 10]
    _, *faults = findings(songs, Grid(), 120, ModelCard(notes_per_frame=2.4))
    assert [line.split(":")[0] for line in faults] == [
        "silence in song 1",
        "chaos, over 3 times the corpus's notes a frame, in song 3",
        "nothing changes for over 8 beats in song 4",
    ]


def test_a_hold_is_measured_in_beats():
    songs = rolls(2)
    songs[0, 10:50] = songs[0, 10]  # 4 seconds at 0.1 s a frame
    grid = Grid(unit="seconds", step=0.1)
    assert (
        len(findings(songs, grid, 100, ModelCard())) == 1
        and len(findings(songs, grid, 180, ModelCard())) == 2
    )


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run folder with a small untrained model that plays about two notes a frame."""
    from midigen.config import ModelConfig

    config = ModelConfig(visible=88, rbm_hidden=8, recurrent=8, hidden=())
    folder = tmp_path_factory.mktemp("run")
    RnnRbm.initial(config, Grid(), np.full(88, 2 / 88), card=ModelCard(name="real")).save(
        folder / "model.safetensors"
    )
    return folder


def test_a_seed_gives_the_same_files_however_many_are_asked_for(run_folder, tmp_path):
    for output, seed, count in (("a", 7, 1), ("b", 7, 2), ("c", 8, 1)):
        assert (
            main(
                [
                    "generate",
                    str(run_folder),
                    "--seed",
                    str(seed),
                    "--count",
                    str(count),
                    "-o",
                    str(tmp_path / output),
                    "--length",
                    "8 beats",
                ]
            )
            == 0
        )
    one, first_of_two, second_of_two, other = (
        notes(path) for path in sorted(tmp_path.glob("*/*.mid"))
    )
    assert one and one == first_of_two
    assert second_of_two != one != other


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_truncated_model_is_one_line(run_folder, tmp_path, capsys, size):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((run_folder / "model.safetensors").read_bytes()[:size])
    assert main(["generate", str(cut), "-o", str(tmp_path / "songs")]) == 1
    out, err = capsys.readouterr()
    assert (
        out == ""
        and err.count("\n") == 1
        and "cut.safetensors" in err
        and "unexpectedly" not in err
    )
    assert not (tmp_path / "songs").exists()


@pytest.mark.parametrize(
    "audio, magic", [(["--audio"], b"RIFF"), (["--audio", "ogg"], b"OggS"), (["--audio=ogg"], b"O")]
)
def test_sound_stands_beside_every_song(fake, capsys, audio, magic):
    assert run("--seed", "7", "--count", "2", "--length", "1 bar", *audio) == 0
    suffix = ".wav" if magic == b"RIFF" else ".ogg"
    paths = capsys.readouterr().out.split()
    assert paths == [
        f"output/songs/tunes-seed7-{i}{end}" for end in (".mid", suffix) for i in (1, 2)
    ]
    for path in paths[2:]:
        with open(path, "rb") as f:
            assert f.read(4).startswith(magic)


def test_a_model_behind_audio_is_the_model(fake, capsys):
    assert main(["generate", "--length", "1 bar", "--audio", "run1"]) == 0
    assert len(capsys.readouterr().out.split()) == 2


def test_audio_and_stdout_do_not_go_together(fake, capsys):
    assert run("-o", "-", "--audio") == 2
    assert "--audio makes files beside the songs" in capsys.readouterr().err


def test_an_unknown_format_is_named(fake, capsys):
    assert run("--audio=xyz") == 2
    assert "'xyz' is not one of 'wav', 'ogg', 'flac', 'mp3'" in capsys.readouterr().err


def test_json_has_settings_paths_and_figures(fake, capsys):
    assert run("--json", "--count", "2", "--seed", "7", "--length", "8 bars") == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["model"], report["seed"], report["settings"]["length"]) == (
        "run1",
        7,
        [8, "bars"],
    )
    assert [song["path"] for song in report["songs"]] == [
        f"output/songs/tunes-seed7-{i}.mid" for i in (1, 2)
    ]
    assert all(len(notes(song["path"])) == song["frames"] == 96 for song in report["songs"])
    assert report["songs"][0]["notes_per_frame"] == 1 and report["warnings"] == []
    assert "1.00 notes a frame" in err


def test_json_and_a_song_do_not_share_stdout(fake, capsys):
    assert run("--json", "-o", "-") == 2
    assert "leave out one" in capsys.readouterr().err and not fake.calls
