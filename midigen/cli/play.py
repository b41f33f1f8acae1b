"""midigen play: songs -> sound from this machine's loudspeakers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from midigen.cli.command import Command
from midigen.cli.options import PATH, quiet_option
from midigen.cli.render import make_request, soundfont_option
from midigen.cli.songs import for_each, named_songs
from midigen.errors import MidigenError
from midigen.interrupts import exit_code
from midigen.shell import quoted

if TYPE_CHECKING:
    from midigen.rendering.players import Play


@click.command(cls=Command, short_help="Play songs.")
@click.argument("songs", nargs=-1, type=PATH, metavar="[SONG...]")
@soundfont_option
@quiet_option()
@click.pass_context
def command(ctx: click.Context, songs: tuple[str, ...], soundfont: str | None, quiet: bool) -> None:
    """Play each SONG, a MIDI file or a folder of them.  Ctrl-C stops.

    \b
        midigen play song.mid
        midigen generate output/runs/run-001 --count 3 | midigen play

    The sound is that of `midigen render`; a program that is installed plays it (afplay, pw-play,
    paplay, aplay, ffplay, mpv, cvlc or play; Windows does so itself).
    """  # noqa: D301  click wants the backspace itself
    from midigen.rendering.audio import encode_audio, render_audio
    from midigen.rendering.players import PROGRAMS, find_players

    files = named_songs(songs)
    players = find_players()
    if not players:
        raise MidigenError(
            f"no program here plays sound (of {', '.join(PROGRAMS)}): install one, or make a file "
            f"to open elsewhere: midigen render {quoted(files[0])}"
        )
    request = make_request(soundfont, quiet)

    def play(song: str, midi: bytes) -> None:
        with request.bar("preparing", files, song) as advance:
            sound = render_audio(midi, soundfont, request.say, advance)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "song.wav")
            path.write_bytes(encode_audio(sound, "wav"))
            _play(song, path, sound.seconds, players, quiet)

    try:
        for_each(files, play, "played")
    except KeyboardInterrupt as e:  # how one stops listening: nothing has gone wrong
        ctx.exit(exit_code(e))


def _play(song: str, sound: Path, seconds: float, players: dict[str, Play], quiet: bool) -> None:
    """Play a sound file with the first of the players that can."""
    from midigen.midi.inputs import printable
    from midigen.output.console import make_console, progress

    problems = []
    for name, play in players.items():
        what = printable(Path(song).name)
        with progress(make_console(quiet), what, round(seconds)) as advance:
            try:
                return play(sound, seconds, advance)
            except MidigenError as e:
                problems.append(f"{name}: {e}")
    raise MidigenError(
        f"no sound comes out ({'; '.join(problems)}): make a file to open elsewhere: "
        f"midigen render {quoted(song)}"
    )
