"""midigen generate --from on the command line: pipes, JSON, files beside, what is wrong."""

import io
import json
from pathlib import Path

import click.testing
import mido
import pytest

from midigen.cli import group, main
from tests.steering.songs import BAND, BAR, BEAT, CLOCK, band, file, lively, notes, read, track

FAST = ("--particles", "4", "--gibbs-steps", "2", "--seed", "1")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A model and a song in the working folder."""
    monkeypatch.chdir(tmp_path)
    lively(BAND).save("model.safetensors")
    return band("song.mid")


def run(*args, model="model.safetensors"):
    return main(["generate", model, *args])


def test_a_song_goes_through_a_pipe():
    args = ["generate", "model.safetensors", "--from", "song.mid", "--keep", "melody", "-o", "-"]
    result = click.testing.CliRunner().invoke(group, [*args, *FAST, "-q"])
    assert result.exit_code == 0
    kept = [n for n in notes(read(result.stdout_bytes)) if n[0] == "Melody"]
    assert kept == [n for n in notes(mido.MidiFile("song.mid")) if n[0] == "Melody"]


def test_options_are_repeated_and_the_songs_are_counted(capsys):
    fill = ("--fill", "bars 2-3 of melody", "--fill", "bar 5 of bass")
    assert run("--from", "song.mid", *fill, *FAST, "--count", "2", "-o", "new") == 0
    out, err = capsys.readouterr()
    paths = out.split()
    assert len(paths) == 2 and "of 4 particles survived" in err or "particles: " in err
    old, (one, two) = notes(mido.MidiFile("song.mid")), (notes(mido.MidiFile(p)) for p in paths)
    assert one != two
    for new in (one, two):
        starts = {(n[0], n[2] // BAR) for n in set(new) ^ set(old)}
        assert starts <= {("Melody", b) for b in (0, 1, 2)} | {("Bass", 4)}
    assert run("--from", "song.mid", *fill, *FAST, "-o", "again") == 0
    assert notes(mido.MidiFile(capsys.readouterr().out.strip())) == one


def test_a_length_that_is_no_word_of_this_command_line_is_not_read(monkeypatch):
    monkeypatch.setenv("MIDIGEN_GENERATE_LENGTH", "4 bars")
    assert run("--from", "song.mid", "--fill", "bar 2", *FAST) == 0


def test_json_tells_what_was_given_and_who_survived(capsys):
    assert run("--from", "song.mid", "--vary", "0.2", *FAST, "--json", "--key", "C") == 0
    report = json.loads(capsys.readouterr().out)
    settings = report["settings"]
    assert (settings["from"], settings["vary"], settings["key"]) == ("song.mid", 0.2, "C")
    assert (settings["particles"], settings["best_of"], settings["gibbs_steps"]) == (4, 1, 2)
    assert 1 <= report["songs"][0]["survivors"] <= 4


def test_too_few_particles_are_warned_of(capsys, monkeypatch):
    few = ("--particles", "32", "--gibbs-steps", "2", "--seed", "3")
    assert run("--keep", "melody", "--from", "song.mid", *few) == 0
    assert "warning" not in capsys.readouterr().err
    monkeypatch.setattr("midigen.sampling.particles.FEW", 32)
    monkeypatch.setattr("midigen.sampling.particles.HARD", 0.0)
    assert run("--keep", "melody", "--from", "song.mid", *few) == 0
    assert "warning: fewer than 32 of 32 particles survived in bar" in capsys.readouterr().err


def test_chords_that_do_not_fit_are_warned_of_in_json_too(capsys):
    assert run("--chords", "C F G", "--length", "4 bars", *FAST, "--json") == 0
    out, err = capsys.readouterr()
    remark = "the chords do not fit the song's 4 bars: the last time they end with C"
    assert remark in json.loads(out)["warnings"] and f"warning: {remark}\n" in err


def test_pages_and_sound_stand_beside(capsys):
    args = ("--from", "song.mid", "--fill", "bar 2", "--page", "--audio", "ogg", "-o", "new.mid")
    assert run(*args, *FAST) == 0
    assert [p.split(".")[-1] for p in capsys.readouterr().out.split()] == ["mid", "ogg", "html"]


@pytest.mark.parametrize(
    "args, words",
    [
        (["--keep", "melody"], "keep, fill and vary are of a song: name it, --from song.mid"),
        (["--from", "song.mid"], "say what of the song is new: give keep, fill or vary"),
        (["--from", "song.mid", "--key", "C"], "say what of the song is new"),
        (["--from", "song.mid", "--vary", "0"], "vary"),
        (["--from", "song.mid", "--vary", "0.5", "--fill", "bar 1"], "fill and vary both say"),
        (["--from", "song.mid", "--keep", "tuba"], "the tracks 1 Melody, 2 Chords, 3 Bass, 4 Kit"),
        (["--from", "song.mid", "--keep", "100-110"], "no note of the song has such a pitch"),
        (["--from", "song.mid", "--keep", "melody,chords,bass,drums"], "there is nothing to draw"),
        (["--from", "song.mid", "--fill", "bars 9-12"], "the song has bars 1 to 8"),
        (["--from", "song.mid", "--fill", "bars 4-3"], "the song has bars 1 to 8"),
        (["--from", "song.mid", "--fill", "beats 30-33"], "the song has beats 1 to 32"),
        (["--from", "song.mid", "--fill", "the end"], "write 'bars 9-12', 'beats 33-48'"),
        (["--from", "song.mid", "--fill", "bar 1 of tuba"], "the model has no 'tuba'"),
        (["--from", "song.mid", "--fill", "bar 1", "--length", "8"], "leave out --length"),
        (["--from", "song.mid", "--keep", "bass", "--metre", "3/4"], "leave out metre"),
        (["--from", "song.mid", "--keep", "bass", "--primer", "song.mid"], "leave out primer"),
        (["--from", "song.mid", "--keep", "bass", "--scale", "pentatonic:F#"], "none of the notes"),
        (["--key", "Q"], "'Q' is no key"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_writes_nothing(tmp_path, capsys, args, words):
    if "pentatonic:F#" in args:  # black keys, and the bass in C major is of white ones
        words = "F# pentatonic has none of the notes that are kept"
    assert run(*args) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err and (err.count("\n") == 1 or "Usage" in err)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    "data, words",
    [
        (None, "x.mid: no such file"),
        (b"", "x.mid: empty"),
        (b"hello", "x.mid: not a MIDI file"),
    ],
)
def test_a_song_that_cannot_be_read_is_one_line(tmp_path, capsys, data, words):
    if data is not None:
        (tmp_path / "x.mid").write_bytes(data)
    assert run("--from", "x.mid", "--keep", "melody") == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and words in err


def test_a_song_that_does_not_fit_is_one_line(tmp_path, capsys):
    file(track("", 0, [(0, BEAT, 20, 80)])).save("low.mid")
    from midigen.config import Grid

    lively(Grid(low=60, high=71, outside="drop")).save("narrow.safetensors")
    assert run("--from", "low.mid", "--vary", "1", model="narrow.safetensors") == 1
    err = capsys.readouterr().err
    assert err == "midigen: the song low.mid does not fit the model: no notes in the range\n"


def test_chords_on_a_clock_are_one_line(capsys):
    lively(CLOCK).save("clock.safetensors")
    assert run("--chords", "C", model="clock.safetensors") == 2
    assert "chords need bars" in capsys.readouterr().err


def test_hostile_names_stay_on_their_line(capsys):
    buffer = io.BytesIO()
    melody = [(b * BEAT, (b + 1) * BEAT, 60, 80) for b in range(8)]
    file(track("\x1b[31m\n<b>", 0, melody)).save(file=buffer)
    Path("x.mid").write_bytes(buffer.getvalue())
    assert run("--from", "x.mid", "--keep", "tuba") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "\x1b" not in err
