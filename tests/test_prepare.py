"""midigen prepare: from inputs to a corpus and its manifest, and what the command says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import midigen
from midigen import preparation
from midigen.cli import main
from midigen.config import Grid, Part
from midigen.corpus import Corpus
from midigen.errors import MidigenError, UsageError
from midigen.midi.dynamics import PLACES, Dynamics
from midigen.midi.inputs import Input, expand
from midigen.midi.roll import part_notes
from midigen.midi.worker import Setup, call_with_limits
from midigen.preparation import Settings, prepare, prepare_paths, split_of, summarise

from .midi.craft import melody, meta, midi, note, number, tempo

SONGS = Path(__file__).parents[1] / "songs"


def read_here(function, items, *, seconds, megabytes, **options):
    """map_guarded without its processes."""
    for item in items:
        yield item, call_with_limits(Setup(function, seconds, 4096), item)


@pytest.fixture
def in_process(monkeypatch):
    monkeypatch.setattr(preparation, "map_guarded", read_here)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twelve songs, one of them twice, and a file that is none; it is in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for i in range(12):
        (tmp_path / "in" / f"{i:02}.mid").write_bytes(melody(*range(40 + i, 50 + 2 * i)))
    (tmp_path / "in" / "copy.mid").write_bytes(melody(*range(40, 50), length=96, division=96))
    (tmp_path / "in" / "bad.mid").write_bytes(b"no music")
    return tmp_path / "in"


def run(capsys, *arguments):
    """(exit code, stdout, stderr) of one command in this process."""
    code = main(["prepare", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def prepare_folder(folder, **settings):
    return prepare(expand([str(folder)]), Settings(**settings))


@pytest.mark.usefixtures("in_process")
class TestPreparation:
    def test_manifest_has_every_input(self, folder):
        corpus, _ = prepare_folder(folder)
        verdicts = {Path(e["input"]).name: (e["verdict"], e["reason"]) for e in corpus.manifest}
        assert len(verdicts) == 14
        assert verdicts["bad.mid"] == ("skipped", "not a MIDI file (no MThd at its start)")
        assert verdicts["copy.mid"] == ("duplicate", f"same music as {folder / '00.mid'}")
        entry = next(e for e in corpus.manifest if e["input"].endswith("05.mid"))
        song = next(s for s in corpus.songs if s.name == "05.mid")
        assert entry == {
            "input": str(folder / "05.mid"),
            "verdict": "kept",
            "reason": "",
            "digest": song.digest,
            "split": song.split,
            "frames": 15,  # at one frame a beat
            "notes": 15,
            "drums": 0,
            "transposed": 0,
            "dropped": 0,
            "merged": 0,
            "off_grid": 0.0,
            "bpm": 120.0,
            "metre": [4, 4],
            "metres": 1,
            "pickup": 0,
            "style": "",
            "parts": {"notes": 15},
            "key": "B minor",
            "shift": -2,
        }
        assert corpus.grid == Grid(
            steps_per_beat=1, tonic="one", parts=(Part("notes", 36, 72, "block"),)
        )
        assert song.roll[:, :-1].sum() == 15

    def test_order_of_inputs_changes_no_byte(self, folder, tmp_path):
        inputs = expand([str(folder)])
        written = set()
        for order in (inputs, inputs[::-1], inputs[5:] + inputs[:5]):
            prepare(order, Settings())[0].save(tmp_path / "c")
            written.add((tmp_path / "c").read_bytes())
        assert len(written) == 1

    def test_adding_songs_moves_no_other(self, folder):
        before = {s.digest: s.split for s in prepare_folder(folder)[0].songs}
        for i in range(40):
            (folder / f"new{i}.mid").write_bytes(melody(50, 50 + i))
        after = {s.digest: s.split for s in prepare_folder(folder)[0].songs}
        assert len(after) == 52 and before.items() <= after.items()
        assert set(after.values()) == {"train", "valid", "test"}

    def test_train_is_never_empty(self, folder):
        inputs = next(
            items
            for i in range(12)
            if (items := [Input(str(folder / f"{i:02}.mid"))])
            and prepare(items, Settings(split=(1, 0, 1)))[1]
        )
        corpus, warnings = prepare(inputs, Settings(split=(1, 0, 1)))
        assert [s.split for s in corpus.songs] == ["train"] == [e["split"] for e in corpus.manifest]
        assert "so all go there" in warnings[0]
        assert prepare(inputs, Settings(split=(0, 0, 1)))[0].songs[0].split == "test"

    def test_empty_valid_is_said(self, folder):
        corpus, warnings = prepare_folder(folder, split=(1, 1e-9, 0))
        assert not corpus.rolls("valid") and len(warnings) == 1 and "fell to valid" in warnings[0]

    def test_free_performances_are_noticed(self, folder):
        for pitch, name in ((60, "free.mid"), (61, "free-2.mid")):
            (folder / name).write_bytes(midi(b"".join(note(pitch, 95, 2) for _ in range(100))))
        warnings = prepare_folder(folder, split=(1, 0, 0))[1]
        assert len(warnings) == 1 and "free" in warnings[0] and "--grid seconds" in warnings[0]
        assert not prepare_folder(folder, split=(1, 0, 0), grid=Grid(unit="seconds"))[1]

    def test_tempo_separates_songs_on_a_seconds_grid_only(self, tmp_path):
        for bpm in (60, 120):
            (tmp_path / f"{bpm}.mid").write_bytes(midi(tempo(bpm) + note()))
        assert len(prepare_folder(tmp_path)[0].songs) == 1
        assert len(prepare_folder(tmp_path, grid=Grid(unit="seconds"))[0].songs) == 2

    def test_benchmarks_keep_their_splits(self, folder):
        cells = np.empty((1, 2), object)
        cells[0, :] = [np.eye(4, 88), np.eye(4, 88)]
        for name in ("b.mat", "c.mat"):
            savemat(
                folder / name,
                {"traindata": cells, "validdata": cells[:, :1], "testdata": cells[:, 1:]},
            )
        corpus, _ = prepare_folder(folder)
        names = sorted((s.name, s.split) for s in corpus.songs if "#" in s.name)
        assert names == [
            ("b.mat#test[0]", "test"),
            ("b.mat#train[0]", "train"),
            ("b.mat#train[1]", "train"),
            ("b.mat#valid[0]", "valid"),
        ]
        entry = next(e for e in corpus.manifest if e["input"].endswith("b.mat"))
        assert (entry["verdict"], entry["songs"], entry["frames"]) == (
            "kept",
            4,
            16,
        ) and "split" not in entry
        copy = next(e for e in corpus.manifest if e["input"].endswith("c.mat"))
        assert (copy["verdict"], copy["reason"]) == (
            "duplicate",
            f"same music as {folder / 'b.mat'}",
        )
        for grid in (Grid(articulation="onset"), Grid(low=48), Grid(unit="seconds")):
            with pytest.raises(MidigenError, match="b.mat holds rolls of pitches 21..108"):
                prepare_folder(folder, grid=grid)

    def test_names_are_shown_escaped(self, tmp_path):
        (tmp_path / "x\x1b[2J[red].mid").write_bytes(melody(60))
        corpus, _ = prepare_folder(tmp_path)
        assert corpus.songs[0].name == "x\\x1b[2J[red].mid"
        assert corpus.manifest[0]["input"].endswith("x\\x1b[2J[red].mid")

    def test_nothing_usable(self, folder):
        with pytest.raises(MidigenError, match="bad.mid: not a MIDI file"):
            prepare([Input(str(folder / "bad.mid"))], Settings())
        with pytest.raises(
            MidigenError, match=r"among 2 files: not a MIDI file \(1\), no such file \(1\)"
        ):
            prepare([Input(str(folder / "bad.mid")), Input("no.mid", "no such file")], Settings())

    def test_summary(self, folder):
        (folder / "drums.mid").write_bytes(midi(note(20) + note(38, channel=9)))
        summary = summarise(*prepare_folder(folder))
        assert json.loads(json.dumps(summary)) == summary
        assert (summary["songs"], summary["inputs"], summary["kept"], summary["duplicates"]) == (
            13,
            15,
            13,
            1,
        )
        assert summary["skipped"] == {"not a MIDI file": 1}
        assert (summary["drums"], summary["transposed"], summary["notes_per_frame"]) == (1, 1, 1.0)
        assert sum(part["songs"] for part in summary["splits"].values()) == 13


@pytest.mark.usefixtures("in_process")
class TestPaths:
    def test_a_corpus_as_the_command_makes_it(self, folder):
        seen = []
        corpus = prepare_paths(folder, Settings(split=(1, 0, 0)), on_file=seen.append)
        assert corpus.digest == prepare_folder(folder, split=(1, 0, 0))[0].digest
        assert seen == corpus.manifest and len(seen) == 14
        assert os.listdir() == ["in"]  # no file is written

    def test_several_paths_and_settings(self, folder):
        grid = Grid(low=30)
        corpus = prepare_paths(
            [folder / "00.mid", "in/1*.mid"], Settings(grid=grid, split=(1, 0, 0))
        )
        assert len(corpus.songs) == 3
        assert (corpus.grid.low, corpus.grid.steps_per_beat) == (30, 1)
        fixed = Settings(grid=grid, decide=(), parts="none", split=(1, 0, 0))
        assert prepare_paths(folder, fixed).grid == grid

    def test_settings_by_name(self, tmp_path):
        (tmp_path / "a.mid").write_bytes(tune_and_chords())
        kept = {"steps_per_beat": 4, "tonic": "kept", "split": (1, 0, 0)}
        grid = midigen.prepare(tmp_path, parts="none", **kept).grid
        assert grid == Grid()
        for parts in ("melody,chords", ["melody", "chords"]):
            grid = midigen.prepare(tmp_path, parts=parts, **kept).grid
            assert [part.name for part in grid.parts] == ["melody", "chords"]
        automatic = midigen.prepare(tmp_path, steps_per_beat="auto", tonic="auto", split=(1, 0, 0))
        assert (automatic.grid.steps_per_beat, automatic.grid.tonic) == (1, "one")
        assert automatic.digest == midigen.prepare(tmp_path, split=(1, 0, 0)).digest
        for wrong in ({"parts": "solo"}, {"tonic": "two"}, {"steps_per_beat": 97}):
            with pytest.raises(ValueError, match="must be"):
                midigen.prepare(tmp_path, **wrong)

    def test_warnings_are_those_of_python(self, folder):
        with pytest.warns(UserWarning, match="fell to valid") as caught:
            prepare_paths(str(folder), Settings(split=(1, 1e-9, 0)))
        assert caught[0].filename == __file__

    @pytest.mark.parametrize(
        "paths, words",
        [
            ("nowhere", "no such file or folder: nowhere"),
            ("empty", r"no MIDI files \(.mid, .midi, .kar, .rmi\) in empty"),
            ([], r"no MIDI files \(.mid, .midi, .kar, .rmi\) in an empty list"),
            ("in/bad.mid", "no usable song: in/bad.mid: not a MIDI file"),
        ],
    )
    def test_nothing_to_read(self, folder, paths, words):
        (folder.parent / "empty").mkdir()
        with pytest.raises(MidigenError, match=words):
            prepare_paths(paths)


def named(name, *pitches, length=480, channel=0, first=b""):
    """A track."""
    notes = b"".join(note(pitch, length, channel=channel) for pitch in pitches)
    return meta(0x03, name.encode()) + first + notes


def chord_track(*roots, length=480):
    """A track called chords, of triads."""
    body = meta(0x03, b"chords")
    for root in roots:
        pitches = (root, root + 4, root + 7)
        body += b"".join(b"\x00" + bytes([0x91, pitch, 64]) for pitch in pitches)
        body += number(length) + bytes([0x81, root, 0])
        body += b"".join(b"\x00" + bytes([0x81, pitch, 0]) for pitch in pitches[1:])
    return body


def tune_and_chords(shift=0, *others):
    tune = [pitch + shift for pitch in (72, 74, 76, 77, 79, 77, 76, 72)]
    return midi(named("melody", *tune), chord_track(48 + shift, 53 + shift, length=1920), *others)


@pytest.mark.usefixtures("in_process")
class TestDecisions:
    def write(self, folder, *songs):
        for i, data in enumerate(songs):
            (folder / f"{i}.mid").write_bytes(data)
        return folder

    def names(self, folder, **settings):
        return [part.name for part in prepare_folder(folder, **settings)[0].grid.parts]

    def test_parts_that_half_of_the_songs_have(self, tmp_path):
        drums = [b"".join(note(pitch, channel=9) for pitch in (36, 42))]
        bass = named("bass", 40, 41, channel=2)
        self.write(tmp_path, tune_and_chords(0, *drums), tune_and_chords(2, bass))
        assert self.names(tmp_path) == ["melody", "chords", "bass", "drums"]
        self.write(tmp_path, *(tune_and_chords(i) for i in range(5)), tune_and_chords(7, bass))
        corpus, _ = prepare_folder(tmp_path)
        assert [part.name for part in corpus.grid.parts] == ["melody", "chords"]
        entry = next(e for e in corpus.manifest if e["input"].endswith("5.mid"))
        assert entry["parts"] == {"melody": 8, "chords": 6 + 2} and entry["dropped"] == 0

    def test_ranges_with_one_tonic_and_with_their_own(self, tmp_path):
        self.write(tmp_path, *(tune_and_chords(shift) for shift in (0, 3, 5)))
        melody, chords = prepare_folder(tmp_path)[0].grid.parts
        assert melody == Part("melody", 70, 81, "line")  # C major: 72..79, and to an octave
        assert chords == Part("chords", 48, 60, "block")
        kept = Settings(decide=(), grid=Grid(low=40, high=86), split=(1, 0, 0))
        melody, chords = prepare(expand([str(tmp_path)]), kept)[0].grid.parts
        assert (melody.low, melody.high) == (69, 86)  # 3 below 72; 84 + 3 is over the grid's
        assert (chords.low, chords.high) == (45, 68)

    def test_the_most_frequent_programme(self, tmp_path):
        program = [b"\x00\xc0" + bytes([n]) for n in (40, 73, 73)]
        songs = [
            midi(named("melody", *range(70 + i, 76 + i), first=first), chord_track(48 + i))
            for i, first in enumerate(program)
        ]
        parts = prepare_folder(self.write(tmp_path, *songs))[0].grid.parts
        assert [part.program for part in parts] == [73, 0]

    def test_how_loud_each_part_is(self, tmp_path):
        """And each drum: flat songs tell no more than levels."""
        drums = b"".join(
            note(pitch, channel=9, velocity=velocity)
            for pitch, velocity in [(36, 99), (42, 50)] * 8
        )
        accents = b"".join(note(72 + i % 4, velocity=(90, 80, 85, 80)[i % 4]) for i in range(32))
        tune = meta(0x03, b"melody") + accents
        chords = chord_track(*[48] * 8, length=1920)
        corpus, _ = prepare_folder(self.write(tmp_path, midi(tune, chords, drums)))
        found = corpus.dynamics
        assert {name: own.level for name, own in found.items()} == {
            "melody": 83.75,
            "chords": 64,
            "drums": 74.5,
        }
        accents = dict(zip(PLACES, found["melody"].accents, strict=True))
        assert accents["downbeat"] > 3 > accents["middle"] > 0 > accents["beat"]
        assert not any(found["chords"].accents) and not any(found["drums"].accents)
        assert found["drums"].drums == ((36, 99.0), (42, 50.0))

    def test_how_loud_notes_without_parts_are(self, tmp_path):
        self.write(tmp_path, tune_and_chords())
        assert prepare_folder(tmp_path, parts="none")[0].dynamics == {"notes": Dynamics(64.0)}
        velocities = Settings(grid=Grid(values="velocity"))
        assert prepare(expand([str(tmp_path)]), velocities)[0].dynamics == {}

    def test_named_parts(self, tmp_path):
        bass = named("bass", 40, 41, channel=2)
        drums = note(36, channel=9) + note(42, channel=9)
        self.write(
            tmp_path, *(tune_and_chords(i) for i in range(3)), tune_and_chords(5, bass, drums)
        )
        assert self.names(tmp_path, parts="drums,melody,bass,chords") == [
            "melody",
            "chords",
            "bass",
            "drums",
        ]
        # the chords' notes must be somewhere
        assert self.names(tmp_path, parts="melody,bass") == ["melody", "chords", "bass"]
        assert self.names(tmp_path, parts="none") == []
        assert self.names(tmp_path, parts="chords") == ["notes"]
        assert self.names(tmp_path, parts="chords,drums") == ["notes", "drums"]
        (tmp_path / "3.mid").unlink()
        corpus, warnings = prepare_folder(tmp_path, parts="melody,chords,drums")
        assert [part.name for part in corpus.grid.parts] == ["melody", "chords"]
        assert "no song has drums: left out of --parts" in warnings

    def test_one_part_is_voices_called_notes(self, tmp_path):
        self.write(tmp_path, *(melody(*range(60 + i, 70 + i)) for i in range(3)))
        grid = prepare_folder(tmp_path)[0].grid
        assert [(part.name, part.kind) for part in grid.parts] == [("notes", "block")]

    @pytest.mark.parametrize(
        "settings",
        [
            {"grid": Grid(values="velocity")},
            {"grid": Grid(unit="seconds")},
            {"grid": Grid(articulation="onset")},
        ],
    )
    def test_rolls_that_cannot_have_parts(self, folder, settings):
        assert prepare_folder(folder, **settings)[0].grid.parts == ()
        with pytest.raises(UsageError, match="--parts needs a beat grid"):
            prepare_folder(folder, parts="melody,chords", **settings)

    @pytest.mark.parametrize(
        "length, steps",
        [(480, 1), (240, 2), (160, 3), (120, 4), (80, 6), (60, 8), (40, 12), (192, 4)],
    )
    def test_the_coarsest_grid(self, tmp_path, length, steps):
        self.write(tmp_path, melody(*[60, 62, 64] * 8, length=length))
        assert prepare_folder(tmp_path)[0].grid.steps_per_beat == steps
        fixed = Settings(grid=Grid(steps_per_beat=5), decide=("tonic",))
        assert prepare(expand([str(tmp_path)]), fixed)[0].grid.steps_per_beat == 5

    def test_a_few_finer_onsets_do_not_decide(self, tmp_path):
        few = b"".join(note(60 + i % 5) for i in range(98))
        self.write(tmp_path, midi(few + note(60, 240) + note(62, 240)))  # 1 of 100
        assert prepare_folder(tmp_path)[0].grid.steps_per_beat == 1
        self.write(tmp_path, midi(few + b"".join(note(60, 240) for _ in range(8))))  # 4 of 106
        assert prepare_folder(tmp_path)[0].grid.steps_per_beat == 2

    def test_a_large_collection_keeps_its_keys(self, tmp_path):
        for beats, tonic in ((110_000, "kept"), (90_000, "one")):
            body = tempo(500) + note(60, 48) + note(64, 48) + note(67, 48 * beats)
            self.write(tmp_path, midi(body, division=48))
            assert prepare_folder(tmp_path)[0].grid.tonic == tonic

    def test_benchmarks_decide_nothing(self, folder):
        cells = np.empty((1, 1), object)
        cells[0, 0] = np.eye(4, 88)
        savemat(folder / "b.mat", {f"{split}data": cells for split in ("train", "valid", "test")})
        corpus, _ = prepare_folder(folder)
        assert corpus.grid == Grid()
        song = next(s for s in corpus.songs if "#" in s.name)
        assert (song.outline.metres, song.outline.form.shape) == (((0, 4, 4),), (1, 1))
        np.testing.assert_array_equal(song.roll, np.eye(4, 88))
        steps = Settings(grid=Grid(steps_per_beat=1), decide=("tonic",))
        assert prepare(expand([str(folder)]), steps)[0].grid == Grid(steps_per_beat=1)
        with pytest.raises(UsageError, match="keep their tonic"):
            prepare_folder(folder, grid=Grid(tonic="one"), decide=())

    def test_rolls_of_benchmarks_are_sorted_into_parts_where_named(self, folder):
        """A tune in steps over held chords, a semitone up in the other song."""
        roll = np.zeros((32, 88), np.uint8)
        roll[np.arange(32), np.tile([51, 53, 55, 53], 8)] = 1  # C5 D5 E5 D5
        roll[:, [27, 31, 34]] = 1  # C3 E3 G3
        cells = np.empty((1, 1), object), np.empty((1, 1), object)
        cells[0][0, 0], cells[1][0, 0] = roll, np.roll(roll, 1, axis=1)
        splits = dict(zip(("train", "valid", "test"), (*cells, cells[0]), strict=True))
        savemat(folder / "b.mat", {f"{split}data": cell for split, cell in splits.items()})
        corpus, _ = prepare(
            expand([str(folder / "b.mat")]),
            Settings(Grid(steps_per_beat=1), decide=("tonic",), parts="melody,chords"),
        )
        parts = {part.name: part.kind for part in corpus.grid.parts}
        assert parts == {"melody": "line", "chords": "block"}
        assert summarise(corpus)["parts"]["melody"]["songs"] == 3
        [train], [valid] = corpus.of_split("train"), corpus.of_split("valid")
        assert corpus.grid.tonic == "one" and len(corpus.of_split("test")) == 1
        assert valid.outline.shift == train.outline.shift - 1
        np.testing.assert_array_equal(train.roll, valid.roll)
        melody, chords = part_notes(train.roll, corpus.grid)
        tune = [72, 74, 76, 74]
        assert melody[:4].tolist() == [[t, t + 1, pitch] for t, pitch in enumerate(tune)]
        assert chords.tolist() == [[0, 32, pitch] for pitch in (48, 52, 55)]

    def test_styles_are_folders_under_the_one_given(self, folder):
        for path in ("jigs/a.mid", "jigs/deep/b.mid", "reels/c.mid"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(melody(*range(60, 60 + len(path))))
        corpus, _ = prepare_folder(folder)
        styles = {song.name: song.outline.style for song in corpus.songs}
        assert {styles[name] for name in ("a.mid", "b.mid")} == {"jigs"}
        assert (styles["c.mid"], styles["01.mid"]) == ("reels", "")
        assert summarise(corpus)["styles"] == {"": 12, "jigs": 2, "reels": 1}
        single = prepare(expand([str(folder / "jigs" / "a.mid")]), Settings())[0]
        assert single.songs[0].outline.style == ""

    def test_summary_of_the_music(self, tmp_path):
        pickup = meta(0x58, b"\x01\x02\x18\x08") + meta(0x58, b"\x03\x02\x18\x08", 480)
        bass = named("bass", 40, 41, 43, 40, channel=2)
        self.write(tmp_path, tune_and_chords(0, bass), tune_and_chords(2, pickup, bass))
        summary = summarise(*prepare_folder(tmp_path))
        assert summary["parts"]["melody"] == {
            "songs": 2,
            "low": 70,
            "high": 81,
            "kind": "line",
            "program": 0,
        }
        assert list(summary["parts"]) == ["melody", "chords", "bass"]
        figures = ("steps_per_beat", "on_grid", "off_grid", "tonic", "metres", "pickups", "keys")
        assert [summary[name] for name in (*figures, "styles")] == [
            1,
            1.0,
            0,
            "one",
            {"4/4": 1, "3/4": 1},
            1,
            {"C major": 1, "D major": 1},
            {},
        ]

    def test_songs_off_the_grid_are_counted_and_warned_of_where_they_are_many(self, tmp_path):
        apart = [
            note(60, length=480 + 70)
        ] * 8  # each begins a little later on the grid than the last
        (tmp_path / "free.mid").write_bytes(midi(b"".join(apart)))
        for count in (8, 9):
            self.write(tmp_path, *[melody(*range(40 + i, 50 + i)) for i in range(count)])
            corpus, warnings = prepare_folder(tmp_path, grid=Grid(steps_per_beat=2))
            assert summarise(corpus, warnings)["off_grid"] == 1
            told = [line for line in warnings if "onsets off the beat grid: 1 " in line]
            assert bool(told) == (count == 8)

    def test_what_a_roll_cannot_take_is_skipped(self, folder):
        (folder / "low.mid").write_bytes(melody(20))
        corpus, _ = prepare_folder(folder, grid=Grid(outside="refuse"))
        entry = next(e for e in corpus.manifest if e["input"].endswith("low.mid"))
        assert entry["verdict"] == "skipped" and "out of range" in entry["reason"]


@pytest.mark.parametrize("method", [None, "spawn"])
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_programs_need_no_main_guard(folder, source, method):
    """A script that would start itself again if a worker imported it, and one that has no file."""
    code = "import multiprocessing\n"
    if method:
        code += f"multiprocessing.set_start_method({method!r})\n"
    code += (
        "print('begun')\n"
        "from midigen.preparation import Settings, prepare_paths\n"
        "print(len(prepare_paths('in', Settings(split=(1, 0, 0))).songs))\n"
    )
    (folder.parent / "script.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-" if source == "stdin" else "script.py"],
        input=code if source == "stdin" else "",
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "begun\n12\n", "")


def test_split_of():
    shares = (80, 10, 10)
    places = {
        "0": "train",
        "c": "train",
        "ccc": "train",
        "ccd": "valid",
        "e6": "valid",
        "e7": "test",
        "f" * 64: "test",
    }
    assert {start: split_of(start.ljust(64, "0"), shares) for start in places} == places
    assert split_of("f" * 64, (1, 0, 0)) == "train" and split_of("0" * 64, (0, 0, 1)) == "test"


@pytest.mark.usefixtures("in_process")
class TestCommand:
    def test_path_alone_on_stdout(self, folder, capsys):
        code, out, err = run(capsys, "in")
        corpus = Corpus.load(out.strip())
        assert (
            code == 0
            and out
            == os.path.join("output/corpora", f"corpus-{corpus.digest[:10]}.safetensors") + "\n"
        )
        assert "songs" in err and "not a MIDI file" in err and "kept once" in err
        assert run(capsys, "in")[1] == out
        assert os.listdir("output/corpora") == [Path(out.strip()).name]

    def test_quiet_and_json(self, folder, capsys):
        assert run(capsys, "in", "-q")[2] == ""
        code, out, err = run(capsys, "in", "--json")
        report = json.loads(out)
        assert code == 0 and err == "" and len(Corpus.load(report["corpus"]).songs) == 12
        assert report["skipped_inputs"] == [
            {
                "input": os.path.join("in", "bad.mid"),
                "reason": "not a MIDI file (no MThd at its start)",
            }
        ]

    def test_the_first_files_that_are_skipped_are_named(self, folder, capsys):
        for i in range(14):
            (folder / f"x{i:02}.mid").write_bytes(b"" if i else b"no music")
        err = run(capsys, "in", "-o", "my corpus")[2].splitlines()
        named = [line for line in err if line.startswith("skipped in")]
        assert named[:2] == [
            "skipped in/bad.mid: not a MIDI file (no MThd at its start)",
            "skipped in/x00.mid: not a MIDI file (no MThd at its start)",
        ]
        assert len(named) == 10 and err[-1] == (
            "and 5 more: midigen show 'my corpus' --all"
            if os.name != "nt"
            else 'and 5 more: midigen show "my corpus" --all'
        )

    def test_recordings_are_no_inputs(self, folder, capsys):
        for name in ("a.mp3", "b.WAV", "c.txt"):
            (folder / name).write_bytes(b"")
        code, out, err = run(capsys, "in")
        assert code == 0 and "warning: 2 audio files ignored: midigen reads MIDI\n" in err
        assert len(Corpus.load(out.strip()).manifest) == 14
        code, out, err = run(capsys, "in/a.mp3", "in/00.mid")
        assert "1 audio" not in err
        assert "skipped in/a.mp3: audio (a recording; midigen reads MIDI)" in err

    def test_a_folder_of_recordings_alone(self, folder, capsys):
        (folder.parent / "tapes").mkdir()
        (folder.parent / "tapes" / "a.flac").write_bytes(b"")
        assert run(capsys, "tapes") == (
            1,
            "",
            "midigen: no MIDI files (.mid, .midi, .kar, .rmi) in tapes, but 1 audio file: midigen "
            "reads MIDI\n",
        )

    def test_songs_of_midigen_s_own_are_left_out_unless_asked_for(self, folder, capsys):
        text = meta(0x01, b"midigen 0.1.0; seed 7; song 1 of 1; 64 frames")
        (folder / "own.mid").write_bytes(midi(text + note(60) + note(62)))
        (folder / "other.mid").write_bytes(midi(meta(0x01, b"by me") + note(61) + note(63)))
        code, out, err = run(capsys, "in")
        assert code == 0
        assert "a song that midigen made is left out: --own-songs takes them" in err
        assert "skipped in/own.mid: made by midigen (midigen 0.1.0; seed 7)\n" in err
        left_out = Corpus.load(out.strip())
        assert len(left_out.songs) == 13
        code, out, err = run(capsys, "in", "--own-songs")
        assert len(Corpus.load(out.strip()).songs) == 14 and "own" not in err
        code, out, err = run(capsys, "in/own.mid")
        assert (code, out) == (1, "") and err.endswith("seed 7): --own-songs takes it\n")

    def test_what_is_prepared_already(self, folder, capsys):
        corpus = run(capsys, "in", "-q", "-o", "my.corpus")[1].strip()
        code, out, err = run(capsys, corpus)
        assert (code, out) == (2, "")
        assert err == "midigen: my.corpus is a corpus: it is prepared: midigen train my.corpus\n"

    def test_output_replaces_a_corpus_only(self, folder, capsys):
        assert run(capsys, "in", "-o", "a/b.corpus")[:2] == (0, "a/b.corpus\n")
        assert run(capsys, "in/00.mid", "-o", "a/b.corpus", "-q")[0] == 0
        assert len(Corpus.load("a/b.corpus").songs) == 1
        code, out, err = run(capsys, "in", "-o", "in/00.mid")
        assert (code, out) == (1, "")
        assert err == "midigen: in/00.mid exists and is no corpus: name another file with -o\n"
        assert run(capsys, "in", "-o", "in")[0] == 1

    def test_strict(self, folder, capsys):
        code, out, err = run(capsys, "in", "--strict", "-q")
        assert code == 3 and Path(out.strip()).exists() and "1 of 14 inputs were skipped" in err
        assert run(capsys, "in/00.mid", "--strict", "-q")[0] == 0

    def test_a_terminal_of_no_columns(self, folder, capsys, monkeypatch):
        monkeypatch.setenv("COLUMNS", "0")
        assert "notes a frame" in run(capsys, "in")[2]

    @pytest.mark.parametrize("columns", [32, 40, 80])
    def test_the_music_is_summed_up_on_any_terminal(self, folder, capsys, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        (folder / "jigs").mkdir()
        (folder / "jigs" / "a.mid").write_bytes(melody(60, 64, 67))
        # the first line is a warning, the last one names a file that was skipped
        _, *table, _ = run(capsys, "in")[2].splitlines()
        assert max(map(len, table)) <= columns
        shown = [line.split() for line in table]
        rows = [line[:2] for line in shown]
        assert ["keys", "10"] in rows and ["metres", "1"] in rows and ["styles", "2"] in rows
        assert "notes" in sum(shown, []) and "4/4" in sum(shown, []) and "jigs" in sum(shown, [])

    @pytest.mark.parametrize(
        "arguments, code, words",
        [
            ([], 2, "no input given"),
            (["in", "nowhere"], 1, "no such file or folder: nowhere"),
            (["in", "none*.mid"], 1, "no such file or folder: none*.mid"),
            (["empty"], 1, "no MIDI files (.mid, .midi, .kar, .rmi) in empty"),
            (["in/bad.mid"], 1, "no usable song: in/bad.mid: not a MIDI file"),
            (["in", "--low", "60", "--high", "50"], 2, "--low 60 is above --high 50"),
            (["in", "--range", "note", "--low", "50"], 2, "leave out --low and --high"),
            (["in", "--split", "80/20"], 2, "three shares"),
            (["in", "--split", "a/b/c"], 2, "three shares"),
            (["in", "--split", "0/0/0"], 2, "three shares"),
            (["in", "--split", "nan/1/1"], 2, "three shares"),
            (["in", "--step", "0"], 2, "0.001<=x<=10"),
            (["in", "--step", "0.05"], 2, "--step is for --grid seconds"),
            (
                ["in", "--grid", "seconds", "--steps-per-beat", "8"],
                2,
                "--steps-per-beat is for --grid beat",
            ),
            (["in", "-o", "new/"], 1, "new/ is a folder: name a file"),
            (["in", "-o", "new/."], 1, "new/. is a folder: name a file"),
            (["in", "--articulation", "slur"], 2, "'slur' is not one of"),
            (["in", "--parts", "solo"], 2, "none, auto, or some of melody,chords,bass,drums"),
            (["in", "--parts", "bass,bass"], 2, "parts must be none, auto, or some of"),
            (["in", "--grid", "seconds", "--parts", "bass"], 2, "--parts needs a beat grid"),
            (["in", "--steps-per-beat", "97"], 2, "1<=x<=96"),
        ],
    )
    def test_what_cannot_be_done(self, folder, capsys, arguments, code, words):
        (folder.parent / "empty").mkdir()
        got, out, err = run(capsys, *arguments)
        assert (got, out) == (code, "") and words in err and "Traceback" not in err
        assert not Path("output").exists() and not Path("new").exists()

    def test_settings_reach_the_corpus(self, folder, capsys):
        out = run(
            capsys,
            "in",
            "-q",
            "--range",
            "note",
            "--grid",
            "seconds",
            "--step",
            "0.5",
            "--articulation",
            "onset",
            "--outside",
            "drop",
        )[1]
        grid = Grid("seconds", 4, 0.5, 48, 83, "onset", "drop", tonic="one")
        assert Corpus.load(out.strip()).grid == grid
        out = run(
            capsys,
            "in",
            "-q",
            "--low",
            "30",
            "--steps-per-beat",
            "8",
            "--max-bytes",
            "150",
            "--parts",
            "none",
            "--tonic",
            "kept",
        )[1]
        assert Corpus.load(out.strip()).grid == Grid(steps_per_beat=8, low=30)
        assert any("too large" in e["reason"] for e in Corpus.load(out.strip()).manifest)

    @pytest.mark.parametrize(
        "arguments, stdin",
        [
            (["-"], b"in/00.mid\r\nno\x1b.mid\n\n"),
            (["-0"], b"in/00.mid\0no\x1b.mid"),
            (["-", "-0"], b"in/00.mid\0no\x1b.mid\0"),
        ],
    )
    def test_a_list_on_stdin(self, folder, capsys, monkeypatch, arguments, stdin):
        with open("list", "wb+") as f:
            f.write(stdin)
            f.seek(0)
            monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": f}))
            code, out, err = run(capsys, *arguments)
        assert code == 0 and "no such file" in err and "\x1b" not in err
        assert [e["input"] for e in Corpus.load(out.strip()).manifest] == [
            "in/00.mid",
            "no\\x1b.mid",
        ]


def test_help_names_every_option(capsys):
    code, out, _ = run(capsys, "--help-all")
    assert code == 0
    for words in [
        "--null",
        "--output",
        "--grid",
        "--steps-per-beat",
        "--step",
        "--articulation",
        "--low",
        "--high",
        "--range",
        "--outside",
        "--tonic",
        "--parts",
        "--split",
        "--time-limit",
        "--memory-limit",
        "--max-bytes",
        "--workers",
        "--strict",
        "--json",
        "--quiet",
    ]:
        assert words in out


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from midigen.cli import main; main(['prepare', '--help']);"
        "heavy = {'numpy', 'rich', 'pretty_midi', 'scipy', 'safetensors'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_path_is_printed_in_its_own_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    (tmp_path / "one.mid").write_bytes(melody(60, 62))
    done = subprocess.run(
        [sys.executable, "-m", "midigen", "prepare", "-q", "one.mid", "-o", "é"],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, os.fsencode("é\n"), b"")


def test_nobody_has_to_read_stderr(tmp_path):
    (tmp_path / "one.mid").write_bytes(melody(60, 62))
    process = subprocess.Popen(
        [sys.executable, "-m", "midigen", "prepare", "one.mid", "-o", "made"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stderr.close()
    assert (process.stdout.read(), process.wait()) == (b"made\n", 0)
    process.stdout.close()


def test_the_starter_songs(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "midigen", "prepare", SONGS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    corpus = Corpus.load(tmp_path / result.stdout.strip())
    assert len(corpus.songs) == 32
    assert all(corpus.rolls(split) for split in ("train", "valid", "test"))
