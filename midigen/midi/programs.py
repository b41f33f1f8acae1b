"""General MIDI's instruments by name: what `--program` asks for, to a programme for each part."""

import difflib
import operator
import re
from collections.abc import Iterable, Mapping, Sequence

from pretty_midi.constants import INSTRUMENT_MAP

from midigen.config import Grid
from midigen.midi.parts import DRUMS

ALL = ""  # stands for every part that is not named
Programs = tuple[tuple[str, int], ...]  # part and programme
# words that many names have, and which of these is meant
PLAIN = {"piano": 0, "organ": 19, "guitar": 24, "strings": 48, "choir": 52, "brass": 61}
MOST_NAMED = 6  # in an error
HELP = "`midigen generate --program list` shows all"


def list_programs() -> str:
    """Return a line for every instrument: its number, counted from 0, and its name."""
    return "\n".join(f"{number:3}  {name}" for number, name in enumerate(INSTRUMENT_MAP))


def find_program(asked: int | str) -> int:
    """Find an instrument by its number or by its name, which may be shortened.

    A name is looked for among whole names, of which "Acoustic" may be left out, then as words of a
    name, as beginnings of its words, and anywhere in it; case and punctuation do not count.  Of
    names that differ by a number at their end the first is meant.

    >>> find_program("violin"), find_program("grand piano"), find_program("harp")
    (40, 0, 46)
    >>> find_program("elec pia 2"), find_program("string ens"), find_program("saw")
    (5, 48, 81)

    Parameters
    ----------
    asked : int or str
        Such as 40, "40", "violin", "Pad 2 (warm)".

    Returns
    -------
    int
        0..127.

    Raises
    ------
    ValueError
        In one line, where there is none, or more than one.
    """
    if not isinstance(asked, str) or re.fullmatch(r"\s*[+-]?\d{1,9}\s*", asked):
        number = operator.index(int(asked) if isinstance(asked, str) else asked)
        if 0 <= number < len(INSTRUMENT_MAP):
            return number
        raise ValueError(f"{number} is no instrument: they are 0 to 127; {HELP}")
    query = _words(asked)
    found = _matches(query)
    if not found:
        raise ValueError(f"no instrument is called {asked!r}{_suggestion(query)}; {HELP}")
    if len(found) > 1:
        raise ValueError(f"{asked!r} may be {_named(found)}: say which")
    return found[0]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


NAMES = [_words(name) for name in INSTRUMENT_MAP]


def _matches(query: list[str]) -> list[int]:
    """Return the instruments that fit best."""
    text, size = " ".join(query), len(query)
    if not query or text in PLAIN:
        return [PLAIN[text]] if query else []
    plain = [[word for word in name if word != "acoustic"] for name in NAMES]
    ways: list[Iterable[bool]] = [
        (name == query for name in NAMES),
        (name == query for name in plain),
        (any(name[i : i + size] == query for i in range(len(name))) for name in NAMES),
        (_begin(query, name) for name in NAMES),
        (text in " ".join(name) for name in NAMES),
    ]
    for way in ways:
        found = [number for number, fits in enumerate(way) if fits]
        if found:
            first = {tuple(word for word in NAMES[n] if not word.isdigit()): n for n in found[::-1]}
            return sorted(first.values())
    return []


def _begin(query: list[str], name: list[str]) -> bool:
    """Tell whether the words of a query begin words of a name, in their order."""
    words = iter(name)
    return all(any(word.startswith(start) for word in words) for start in query)


def _named(numbers: Sequence[int]) -> str:
    names = [f"{INSTRUMENT_MAP[number]} ({number})" for number in numbers]
    if len(names) > MOST_NAMED:
        names[MOST_NAMED - 1 :] = [f"{len(names) - MOST_NAMED + 1} others"]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _suggestion(query: list[str]) -> str:
    """Return what may have been meant, or ""."""
    known = {" ".join(name): number for number, name in enumerate(NAMES)}
    for number, name in enumerate(NAMES):
        for word in name:
            known.setdefault(word, number)
    near = difflib.get_close_matches(" ".join(query), known, 1)
    return f": perhaps {INSTRUMENT_MAP[known[near[0]]]} ({known[near[0]]})" if near else ""


def read_programs(asked: int | str | Mapping[str, int | str]) -> Programs:
    """Read which instruments are asked for.

    >>> read_programs("violin"), read_programs("melody=flute,bass=33")
    ((('', 40),), (('melody', 73), ('bass', 33)))

    Parameters
    ----------
    asked : int, str or mapping
        A number or a name for all parts, "melody=flute,chords=harp", or the same as a mapping from
        parts to numbers or names.

    Returns
    -------
    tuple of (str, int)
        Part, "" for all that are not named, and programme.

    Raises
    ------
    ValueError
        In one line, for what is no instrument, and for a part that is named twice.
    """
    if isinstance(asked, Mapping):
        pairs = [(str(part), program) for part, program in asked.items()]
    elif isinstance(asked, int):
        pairs = [(ALL, asked)]
    else:
        pairs = [_pair(item) for item in asked.split(",")]
    parts = [part for part, _ in pairs]
    for part in parts:
        if parts.count(part) > 1:
            raise ValueError(f"two instruments for {part or 'all parts'}: give one")
    return tuple((part, find_program(program)) for part, program in pairs)


def _pair(item: str) -> tuple[str, str]:
    part, is_named, program = item.rpartition("=")
    part = part.strip().lower()
    if is_named and not part:
        raise ValueError(f"{item!r}: write a part's name ahead of =, such as melody=flute")
    return part, program


def programs_of(grid: Grid, asked: Programs = ()) -> tuple[int, ...]:
    """Return the programme of every part of a grid, or of its one instrument without parts.

    Parameters
    ----------
    grid : Grid
    asked : tuple of (str, int)
        As `read_programs` returns it; parts that are not named keep their own.  Drums have none.

    Raises
    ------
    ValueError
        In one line, for a part that the grid lacks, and for drums.
    """
    wanted = dict(asked)
    having = [part.name for part in grid.parts if part.kind != "drums"]
    for name in wanted:
        if name not in (ALL, *having):
            what = (
                f"the parts are {', '.join(having)}"
                if having
                else "there are no parts, but one instrument"
            )
            why = "drums have no instrument" if name == DRUMS else f"the model has no {name!r}"
            raise ValueError(f"{why}: {what}")
    if not grid.parts:
        return (wanted.get(ALL, 0),)
    if ALL in wanted:
        wanted = {**dict.fromkeys(having, wanted[ALL]), **wanted}
    return tuple(wanted.get(part.name, part.program) for part in grid.parts)
