"""midigen completion: what a shell needs to complete midigen's commands, options and paths."""

from __future__ import annotations

import click

from midigen.cli.command import Command

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_MIDIGEN_COMPLETE"  # in which click looks for a shell's questions


@click.command(cls=Command, short_help="Complete commands with the Tab key.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Complete commands with the Tab key: print what SHELL has to read for that, once a session.

    \b
        bash   add to ~/.bashrc:  eval "$(midigen completion bash)"
        zsh    add to ~/.zshrc:   eval "$(midigen completion zsh)"
        fish   midigen completion fish > ~/.config/fish/completions/midigen.fish
    """  # noqa: D301  click wants the backspace itself
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None and ctx.parent is not None
    click.echo(kind(ctx.parent.command, {}, "midigen", VARIABLE).source())
