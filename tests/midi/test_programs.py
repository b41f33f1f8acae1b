"""Instruments by name: what is meant, what is not, and for which part."""

import pytest

from midigen.config import Grid, Part
from midigen.midi.programs import find_program, list_programs, programs_of, read_programs

BAND = Grid(
    parts=(
        Part("melody", 60, 80, "line", 73),
        Part("bass", 30, 50, "line", 33),
        Part("drums", 35, 50, "drums"),
    )
)


@pytest.mark.parametrize(
    "asked, program",
    [
        (40, 40),
        ("40", 40),
        (" 0 ", 0),
        ("violin", 40),
        ("VIOLIN", 40),
        ("Acoustic Guitar (nylon)", 24),
        ("flute", 73),  # not the pan flute
        ("grand piano", 0),  # acoustic, not electric
        ("bass", 32),
        ("harp", 46),  # a word of a name before the beginning of one
        ("harpsi", 6),
        ("pan fl", 75),
        ("elec piano 2", 5),
        ("electric piano", 4),  # the first of two that differ by their number
        ("honky tonk", 3),
        ("sawtooth", 81),
        ("tooth", 81),
        ("piano", 0),
        ("strings", 48),
    ],
)
def test_an_instrument_is_found(asked, program):
    assert find_program(asked) == program


@pytest.mark.parametrize(
    "asked, words",
    [
        ("violn", "perhaps Violin \\(40\\); `midigen generate --program list`"),
        ("grnd piano", "perhaps Acoustic Grand Piano"),
        ("sax", "Soprano Sax \\(64\\), .* or Baritone Sax \\(67\\): say which"),
        ("a", "or 8 others: say which"),
        ("xyzzy", "no instrument is called 'xyzzy'; "),
        ("Ünï", "no instrument is called"),
        ("", "no instrument is called ''; "),
        ("a\x1b[31m\n", "x1b"),
        (128, "0 to 127"),
        ("-1", "0 to 127"),
        ("9" * 9999, "no instrument is called"),
    ],
)
def test_what_is_none_or_several_is_one_line(asked, words):
    with pytest.raises(ValueError, match=words) as e:
        find_program(asked)
    assert "\n" not in str(e.value) and "\x1b" not in str(e.value)


def test_the_list_has_a_line_for_each():
    lines = list_programs().splitlines()
    assert len(lines) == 128
    assert [find_program(line[5:]) for line in lines] == [int(line[:3]) for line in lines]


@pytest.mark.parametrize(
    "asked, programs",
    [
        (7, (("", 7),)),
        ("violin", (("", 40),)),
        ("melody=flute, Bass = 33", (("melody", 73), ("bass", 33))),
        ("flute,bass=33", (("", 73), ("bass", 33))),
        ({"melody": "flute", "bass": 33}, (("melody", 73), ("bass", 33))),
    ],
)
def test_parts_are_read(asked, programs):
    assert read_programs(asked) == programs


@pytest.mark.parametrize(
    "asked, words",
    [
        ("flute,harp", "two instruments for all parts"),
        ("bass=1,bass=2", "two instruments for bass"),
        ("=3", "write a part's name"),
        ("bass=", "no instrument is called ''"),
    ],
)
def test_what_cannot_be_read_is_one_line(asked, words):
    with pytest.raises(ValueError, match=words):
        read_programs(asked)


@pytest.mark.parametrize(
    "asked, programs",
    [
        ((), (73, 33, 0)),
        ((("", 40),), (40, 40, 0)),  # not the drums
        ((("bass", 43),), (73, 43, 0)),
        ((("", 40), ("bass", 43)), (40, 43, 0)),
    ],
)
def test_parts_that_are_not_named_keep_their_own(asked, programs):
    assert programs_of(BAND, asked) == programs


def test_a_grid_without_parts_has_one():
    assert programs_of(Grid()) == (0,)
    assert programs_of(Grid(), (("", 40),)) == (40,)
    with pytest.raises(ValueError, match="the model has no 'bass': there are no parts"):
        programs_of(Grid(), (("bass", 40),))


@pytest.mark.parametrize(
    "part, words",
    [
        ("chords", "the model has no 'chords': the parts are melody, bass"),
        ("drums", "drums have no instrument: the parts are melody, bass"),
    ],
)
def test_a_part_that_is_not_there_names_those_that_are(part, words):
    with pytest.raises(ValueError, match=words):
        programs_of(BAND, ((part, 40),))
