import io

import pytest
from rich.console import Console

from midigen.output import show
from midigen.output.roll import Look
from midigen.rendering.contents import corpus_facts, song_facts
from tests.rendering.test_contents import corpus
from tests.rendering.views import song, track, tune

RUN = {
    "kind": "run",
    "name": "mine",
    "midigen": "1.0",
    "seed": 3,
    "corpus": "some/corpus.safetensors",
    "corpus_digest": "ab" * 32,
    "songs": 32,
    "frames": 6600,
    "notes_per_frame": 2.5,
    "sizes": {"visible": 82, "hidden": (32, 16), "recurrent": 16, "rbm_hidden": 100},
    "parameters": 22867,
    "visible_model": "bernoulli",
    "context": ["position"],
    "gates": [],
    "settings": {},
    "changed": {"batch": 3, "transpose": [-1, 1]},
    "validation": 0.7654,
    "temperature": 0.8,
    "trained": {"epochs": 167, "steps": 9, "frames": 1000, "seconds": 92.4, "last": "2024-01-01"},
    "curves": {
        "epochs": [1, 2],
        "seconds": [1, 2],
        "loss": [2.0, 1.0],
        "validation": [None, 1.5],
        "notes_per_frame": [1.0, 2.0],
    },
    "remarks": [],
}


def plain(width=80, encoding="utf-8"):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding, errors="backslashreplace", write_through=True)
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False), raw


def shown(function, *args, width=80, encoding="utf-8"):
    """The lines that a function shows on a console that is no terminal."""
    console, raw = plain(width, encoding)
    function(console, *args)
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


@pytest.mark.parametrize(
    "options, encoding, look",
    [
        ({}, "utf-8", Look.BLOCKS),
        ({}, "ascii", Look.ASCII),
        ({}, "cp1252", Look.ASCII),
        ({"force_terminal": True, "color_system": "truecolor"}, "utf-8", Look.COLOURS),
        ({"force_terminal": True, "color_system": "256"}, "utf-8", Look.COLOURS),
        ({"force_terminal": True, "color_system": "standard"}, "utf-8", Look.BLOCKS),
        (
            {"force_terminal": True, "color_system": "truecolor", "no_color": True},
            "utf-8",
            Look.BLOCKS,
        ),
        ({"force_terminal": True, "color_system": "truecolor"}, "ascii", Look.ASCII),
    ],
)
def test_what_a_console_can_show(options, encoding, look):
    file = io.TextIOWrapper(io.BytesIO(), encoding)
    assert show.look_of(Console(file=file, **options)) is look


@pytest.mark.parametrize("columns, width", [("", 80), ("0", 80), ("60", 60), ("x", 80), ("9", 40)])
def test_a_pipe_is_80_columns_wide_or_as_it_is_told(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    assert show.make_console().width == width


def test_a_song():
    view = song(tune(), track([(0, 8, 40)], "bass", "Bass [red]", 33), title="Ode", key="D minor")
    view = view._replace(text="midigen 1; seed 7")
    lines = shown(show.show_song, view, song_facts(view), False)
    assert lines[:10] == [
        "Ode",
        "file     song.mid",
        "length   0:08, 4 bars",
        "metre    4/4",
        "tempo    120 quarter notes a minute",
        "key      D minor",
        "made by  midigen 1, seed 7",
        "",
        "█▬  melody      Acoustic Grand Piano    16 notes  C5..C5",
        "▒╌  Bass [red]  Electric Bass (finger)    1 note  E2..E2",
    ]
    assert lines[11].split() == ["1", "2", "3", "4"]


def test_a_key_that_nobody_told_is_marked():
    view = song(tune())
    assert "key     C major, as its notes suggest" in shown(
        show.show_song, view, song_facts(view), False
    )


def test_a_long_song_is_cut_unless_all_is_asked_for():
    view = song(tune(100), bars=100)
    cut, whole = (shown(show.show_song, view, song_facts(view), all_) for all_ in (False, True))
    assert cut[-1] == "bars 65 to 100: --all shows them"
    assert len(whole) > len(cut) and "--all" not in "".join(whole)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_nothing_is_wider_than_the_terminal_and_no_number_is_cut(width, encoding):
    view = song(tune(9), track([(0, 9, 40)] * 12345, "bass", "A very long name of a bass " * 3))
    lines = shown(show.show_song, view, song_facts(view), True, width=width, encoding=encoding)
    assert max(map(len, lines)) <= width
    assert any("12,345 notes" in line for line in lines)
    facts = corpus_facts(corpus())
    facts["songs"][0]["name"] = "A very long name of a song " * 5
    lines = shown(show.show_corpus, facts, "c", False, width=width, encoding=encoding)
    assert max(len(line) for line in lines if ".mid: " not in line) <= width
    [row] = [line for line in lines if line.startswith("A very")]
    assert "G major" in row and "2 bars" in row and "valid" in row
    lines = shown(show.show_run, RUN, "run", width=width, encoding=encoding)
    assert max(map(len, lines)) <= width


def test_a_corpus():
    lines = shown(show.show_corpus, corpus_facts(corpus()), "my.safetensors", False)
    assert lines[0] == "my.safetensors" and lines[1].split()[:2] == ["songs", "2"]
    text = "\n".join(lines)
    assert "song   key      metre  length  parts  split" in lines
    assert "a.mid  G major  3/4    2 bars  c      valid" in lines
    assert "b.mid  A minor  4/4    2 bars  m c    train" in lines
    assert "parts: m melody, c chords" in lines
    assert "left out\nin/copy.mid: a.mid\nin/bad.mid: damaged (cut)" in text
    assert "remarks\nin/b.mid: odd" in text


def test_long_lists_are_cut_with_a_count():
    facts = corpus_facts(corpus())
    facts["songs"] *= 15
    facts["left_out"] *= 6
    cut = shown(show.show_corpus, facts, "c", False)
    assert "and 10 more songs: --all shows them" in cut
    assert "and 2 more files: --all shows them" in cut
    whole = shown(show.show_corpus, facts, "c", True)
    assert len([line for line in whole if line.startswith("a.mid")]) == 15
    assert "--all" not in "".join(whole)


def test_a_run():
    lines = shown(show.show_run, RUN, "runs/mine", width=100)
    assert lines[:3] == [
        "runs/mine",
        "held out  0.765 nats a frame, pseudo-likelihood",
        f"          {show.NATS}",
    ]
    assert "trained   167 epochs, 1,000 frames, 1 min 32 s, until 2024-01-01" in lines
    assert "settings  batch 3, transpose -1,1" in lines
    assert "may copy  nothing (--gates none)" in lines
    assert lines[-3:] == [
        "loss           █▁  2.00 to 1.00",
        "held out        ▁  1.50 to 1.50",
        "notes a frame  ▁█  1.00 to 2.00",
    ]
    assert len(show.NATS) + 10 <= 80  # one line


def test_a_model_of_which_little_is_known():
    nothing = {"epochs": None, "steps": None, "frames": None, "seconds": None, "last": None}
    curves = dict.fromkeys(RUN["curves"], [])
    known = {"validation": None, "temperature": None, "seed": None, "midigen": "", "corpus": None}
    known |= {"songs": None, "frames": None, "notes_per_frame": None, "changed": {}}
    lines = shown(show.show_run, RUN | known | {"trained": nothing, "curves": curves}, "m")
    text = "\n".join(lines)
    assert "corpus    with the digest ababababab" in lines
    assert "settings  all as they are by default" in lines
    assert "None" not in text and "trained" not in text and "loss" not in text
