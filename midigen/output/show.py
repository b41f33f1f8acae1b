"""What `midigen show` shows, on stdout, since it is the result."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from midigen.midi.inputs import printable
from midigen.midi.view import SongView
from midigen.output.console import PlainConsole
from midigen.output.prepare import show_figures
from midigen.output.roll import Look, Roll, track_marks
from midigen.output.sparkline import ASCII, BLOCKS, sparkline
from midigen.rendering.colours import track_colours
from midigen.rendering.contents import Facts, duration, pitch_range

PIPED_WIDTH = 80  # columns, where stdout is no terminal
NARROWEST = 40
WIDE = 100  # columns from which the names of a song's parts have room
MOST_BARS, MOST_SONGS, MOST_LEFT_OUT = 64, 20, 10  # that are shown unless all are asked for
LONGEST_CURVE = 48
NATS = "lower is better: how much frames of unheard songs surprise the model"
LEAST_WORDS = 14  # columns for words that give way, before whole columns do
CURVES = {"loss": "loss", "validation": "held out", "notes_per_frame": "notes a frame"}


def make_console() -> Console:
    """Make a console on stdout: plain, and 80 columns or COLUMNS wide, where it is no terminal."""
    console = PlainConsole()
    if not console.is_terminal:
        columns = os.environ.get("COLUMNS", "")
        console.width = (int(columns) if columns.isdecimal() else 0) or PIPED_WIDTH
    console.width = max(console.width, NARROWEST)
    return console


def look_of(console: Console) -> Look:
    """Tell what a console can show."""
    try:
        "".join(["█▬▓░▒╌─│▀▄▌", BLOCKS]).encode(console.encoding)
    except (UnicodeError, LookupError):
        return Look.ASCII
    # in 16 colours there are no lighter shades, and which they are is the terminal's choice
    has_shades = console.color_system in ("256", "truecolor") and not console.no_color
    return Look.COLOURS if has_shades else Look.BLOCKS


def show_song(console: Console, view: SongView, facts: Facts, everything: bool) -> None:
    """Show a song: what is known of it, its parts, and a piano roll.

    Parameters
    ----------
    console : Console
        Where.
    view : SongView
        The song.
    facts : dict
        What `midigen.rendering.contents.song_facts` tells of it.
    everything : bool
        Whether to draw all bars of a long song.
    """
    look = look_of(console)
    _heading(console, facts["title"] or facts["name"])
    rows = [
        ("file", facts["name"] if facts["title"] else ""),
        ("length", f"{duration(facts)}, {_count(facts['bars'], 'bar')}"),
        ("metre", _metre(facts["metre"])),
        ("tempo", f"{facts['bpm']:g} quarter notes a minute"),
        ("key", _key(facts)),
        ("made by", facts["text"].replace("; ", ", ")),
    ]
    _rows(console, rows)
    console.print()
    _show_parts(console, view, facts["tracks"], look)
    console.print()
    roll = Roll(view, console.width, look)
    most = roll.bars if everything else MOST_BARS
    for line in roll.lines(most):
        console.print(line, soft_wrap=True)
    shown = roll.drawn(most)
    if shown < roll.bars:
        console.print()
        console.print(f"bars {shown + 1} to {roll.bars}: --all shows them")


def _key(facts: Facts) -> str:
    if not facts["key"]:
        return ""
    return facts["key"] + (", as its notes suggest" if facts["key_by"] == "notes" else "")


def _show_parts(console: Console, view: SongView, tracks: Sequence[Facts], look: Look) -> None:
    """Show the legend: a line for each track."""
    marks: list[str | Text] = list(track_marks(view.tracks, look))
    if look is Look.COLOURS:
        marks = [Text("██", colour) for colour in track_colours(view.tracks)]
    pitches = ["" if track["program"] is None else pitch_range(track) for track in tracks]
    columns = [
        _Column("", marks),
        _Column("part", [track["name"] or track["part"] for track in tracks], gives_way=True),
        _Column("instrument", [track["instrument"] for track in tracks], gives_way=True, goes=2),
        _Column("notes", [_count(track["notes"], "note") for track in tracks], justify="right"),
        _Column("pitches", pitches, goes=1),
    ]
    _print_table(console, columns, look, heading=False)


def show_corpus(console: Console, facts: Facts, name: str, everything: bool) -> None:
    """Show a corpus: its totals, its songs, and what was left out and why.

    Parameters
    ----------
    console : Console
        Where.
    facts : dict
        What `midigen.rendering.contents.corpus_facts` tells.
    name : str
        What to call it.
    everything : bool
        Whether to show all of long lists.
    """
    look = look_of(console)
    _heading(console, name)
    show_figures(console, facts["summary"])
    console.print()
    songs = facts["songs"]
    shown = songs if everything else songs[:MOST_SONGS]
    wide = console.width >= WIDE
    parts = [" ".join(part if wide else part[0] for part in song["parts"]) for song in shown]
    columns = [
        _Column("song", [song["name"] for song in shown], gives_way=True),
        _Column("key", [song["key"] or "" for song in shown]),
        _Column("metre", [_metre(song["metre"]) for song in shown], goes=2),
        _Column("length", [_length(song) for song in shown], justify="right"),
        _Column("parts", parts, goes=1),
        _Column("split", [song["split"] for song in shown], goes=3),
    ]
    headings = _print_table(console, columns, look)
    _more(console, len(songs), MOST_SONGS, "songs", everything)
    names = facts["summary"]["parts"]
    if names and not wide and "parts" in headings:
        console.print(f"parts: {', '.join(f'{part[0]} {part}' for part in names)}")
    for what, key, entries in (
        ("left out", "reason", facts["left_out"]),
        ("remarks", "remarks", facts["remarks"]),
    ):
        if entries:
            console.print()
            _heading(console, what)
            for entry in entries if everything else entries[:MOST_LEFT_OUT]:
                console.print(f"{entry['input']}: {_reason(entry, key)}", soft_wrap=True)
            _more(console, len(entries), MOST_LEFT_OUT, "files", everything)


def _length(song: Facts) -> str:
    return duration(song) if song["bars"] is None else _count(song["bars"], "bar")


def _reason(entry: Facts, key: str) -> str:
    text = entry[key]
    if isinstance(text, str):
        return text or entry["verdict"]
    return "; ".join(text)


def show_run(console: Console, facts: Facts, name: str) -> None:
    """Show a run, or a model alone.

    Parameters
    ----------
    console : Console
        Where.
    facts : dict
        What `midigen.rendering.run_facts.run_facts` tells.
    name : str
        What to call it.
    """
    look = look_of(console)
    _heading(console, name)
    sizes = facts["sizes"]
    hidden = ", ".join(str(width) for width in sizes["hidden"]) or "none"
    held_out = facts["validation"]
    rows = [
        ("held out", "" if held_out is None else f"{held_out:.3f} nats a frame, pseudo-likelihood"),
        ("", "" if held_out is None else NATS),
        ("trained", _trained(facts["trained"])),
        ("corpus", _corpus(facts)),
        (
            "size",
            f"{facts['parameters']:,} parameters: {sizes['visible']} {facts['visible_model']} "
            f"notes, hidden layers {hidden}, {sizes['recurrent']} recurrent units, "
            f"{sizes['rbm_hidden']} hidden units of the RBM",
        ),
        ("is told", ", ".join(facts["context"]) or "nothing (--context none)"),
        ("may copy", ", ".join(facts["gates"]) or "nothing (--gates none)"),
        ("settings", _settings(facts["changed"])),
        ("seed", "" if facts["seed"] is None else str(facts["seed"])),
        ("plays at", f"temperature {facts['temperature']:g}" if facts["temperature"] else ""),
        ("made by", f"midigen {facts['midigen']}" if facts["midigen"] else ""),
        *(("remark", remark) for remark in facts["remarks"]),
    ]
    _rows(console, rows)
    _show_curves(console, facts, look)


def _show_curves(console: Console, facts: Facts, look: Look) -> None:
    """Show how the run went, a line a curve."""
    curves = facts["curves"]
    width = min(LONGEST_CURVE, console.width - 32)
    levels = ASCII if look is Look.ASCII else BLOCKS
    lines = []
    for name, title in CURVES.items():
        known = [value for value in curves[name] if value is not None]
        if known:
            line = sparkline(curves[name], width, levels)
            lines.append(f"{title:13}  {line}  {known[0]:.2f} to {known[-1]:.2f}")
    if lines:
        console.print()
        for line in lines:
            console.print(line, soft_wrap=True)


def _trained(trained: Facts) -> str:
    texts = []
    if trained["epochs"] is not None:
        texts.append(_count(trained["epochs"], "epoch"))
    if trained["frames"] is not None:
        texts.append(_count(trained["frames"], "frame"))
    if trained["seconds"] is not None:
        texts.append(_time(trained["seconds"]))
    if trained["last"]:
        texts.append(f"until {printable(trained['last'])}")
    return ", ".join(texts)


def _time(seconds: float) -> str:
    """Write a time in its two largest units.

    >>> _time(45), _time(150), _time(7300)
    ('45 s', '2 min 30 s', '2 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _corpus(facts: Facts) -> str:
    path = facts["corpus"] or f"with the digest {facts['corpus_digest'][:10]}"
    counts = [
        _count(facts[what], what[:-1]) for what in ("songs", "frames") if facts[what] is not None
    ]
    if facts["notes_per_frame"] is not None:
        counts.append(f"{facts['notes_per_frame']:.2f} notes a frame")
    return f"{printable(path)} ({', '.join(counts)})" if counts else printable(path)


def _settings(changed: Facts) -> str:
    texts = [f"{name} {_plain(value)}" for name, value in changed.items()]
    return ", ".join(texts) or "all as they are by default"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _heading(console: Console, text: str) -> None:
    console.print(Text(printable(text), "bold"), soft_wrap=True)


def _rows(console: Console, rows: Iterable[tuple[str, str]]) -> None:
    """Print names and values; a row without a value is left out."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(name, value)
    console.print(table)


class _Column(NamedTuple):
    """A column of a table: its heading, what is in it, and how it behaves in a narrow one."""

    heading: str
    cells: Sequence[str | Text]
    gives_way: bool = False  # words that may be cut
    goes: int = 0  # in which order columns are left out, from 1 on; 0: never
    justify: Literal["left", "right"] = "left"

    @property
    def width(self) -> int:
        """Columns of the terminal that it would take."""
        return max([cell_len(str(cell)) for cell in (self.heading, *self.cells)])


def _print_table(
    console: Console, columns: Sequence[_Column], look: Look, heading: bool = True
) -> list[str]:
    """Print a table that fits: words give way, then whole columns, but no number is cut.

    The headings of the columns that are there are returned.
    """
    gap = 2 if console.width >= PIPED_WIDTH else 1
    kept = list(columns)
    while True:
        fixed = sum(column.width for column in kept if not column.gives_way)
        words = [column for column in kept if column.gives_way]
        room = (console.width - fixed - gap * len(kept)) // len(words)
        going = [column for column in kept if column.goes]
        if room >= LEAST_WORDS or not going:
            break
        kept.remove(min(going, key=lambda column: column.goes))
    table = Table(box=None, padding=(0, gap, 0, 0), header_style="bold", show_header=heading)
    for column in kept:
        table.add_column(
            column.heading,
            justify=column.justify,
            no_wrap=True,
            overflow="crop" if look is Look.ASCII else "ellipsis",
            width=min(column.width, _share(column, words, room)) if column.gives_way else None,
            min_width=None if column.gives_way else column.width,
        )
    for row in zip(*(column.cells for column in kept), strict=True):
        table.add_row(*row)
    console.print(table)
    return [column.heading for column in kept]


def _share(column: _Column, words: Sequence[_Column], room: int) -> int:
    """Return the width of a column of words: its share, and what others leave of theirs."""
    left = sum(max(room - other.width, 0) for other in words if other is not column)
    return room + left


def _more(console: Console, count: int, most: int, what: str, everything: bool) -> None:
    if count > most and not everything:
        console.print(f"and {count - most:,} more {what}: --all shows them")


def _metre(metre: Sequence[int]) -> str:
    return f"{metre[0]}/{metre[1]}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s'[: number != 1]}"
