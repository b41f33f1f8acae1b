"""A command: settings from a file and the environment, a short help, suggestions for slips."""

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import click

MOST_SETTINGS = 1_000_000  # bytes of a settings file
ALL = "midigen.all"  # in a context's meta: whether the help shows all options


class Paths(click.ParamType):
    """Several paths behind one option, up to the next: `--songs a.mid b.mid --seed 1`."""

    name = "paths"
    between = "\0"  # what no path has

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the paths that Command has joined to one word."""
        if not value:
            self.fail("name a file behind it", param, ctx)
        return value if isinstance(value, tuple) else tuple(str(value).split(self.between))


class Command(click.Command):
    """A command whose long options may stand in its table of the settings file or in variables.

    The command line outranks MIDIGEN_<COMMAND>_<OPTION>, and that the file.  No value may be empty,
    which would pass for one that is not given, or nan, which is outside no range.

    Parameters
    ----------
    shown : sequence of str
        The parameters whose options --help shows, in their order there; --help-all shows all.
        Where it is empty, --help does.
    """

    def __init__(self, *args: Any, shown: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.shown = tuple(shown)
        self._help_all = self._make_help_all() if shown else None

    def _make_help_all(self) -> click.Option:
        options = [param for param in self.params if isinstance(param, click.Option)]
        more = sum(option.name not in self.shown for option in options)
        return click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_all,
            help=f"Show these and {more} more options, and exit.",
        )

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, with --help-all where there is one."""
        params = super().get_params(ctx)
        return [*params, self._help_all] if self._help_all else params

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options to be shown, or all of them with --help-all."""
        if not self.shown or ctx.meta.get(ALL):
            super().format_options(ctx, formatter)
            return
        params = [p for name in self.shown for p in self.params if p.name == name]
        params += self.get_params(ctx)[len(self.params) :]  # --help, --help-all
        records = [record for param in params if (record := param.get_help_record(ctx))]
        with formatter.section("Options"):
            formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; the defaults are what the environment and the file say."""
        options = long_names(self)
        given = {**(ctx.default_map or {}), **_variables(ctx, options)}
        defaults: dict[str, Any] = {}
        for name, value in given.items():
            defaults |= _meaning(options[name], name, value, ctx)
        ctx.default_map = defaults
        given_args = list(args)
        try:
            rest = super().parse_args(ctx, _spelled_out(args, options))
        except click.NoSuchOption as e:
            raise _with_two_dashes(e, given_args, options) from None
        for param in self.params:
            _refuse_empty(param, ctx)
        return rest


def _show_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Show the help with all options; the callback of --help-all."""
    if value and not ctx.resilient_parsing:
        ctx.meta[ALL] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _with_two_dashes(
    error: click.NoSuchOption, args: Sequence[str], options: Iterable[str]
) -> click.NoSuchOption:
    """Return the error of an unknown option, for `-seed 7` with what was meant."""
    for arg in args:
        name = arg[1:].split("=")[0]
        if len(name) > 1 and name in options and error.option_name == arg[:2]:
            return click.NoSuchOption(f"-{name}", possibilities=[f"--{name}"], ctx=error.ctx)
    return error


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of some names that is most like a word; None where none is."""
    import difflib  # not for every start

    found = difflib.get_close_matches(word, known, 1, cutoff)
    return found[0] if found else None


def long_names(command: click.Command) -> dict[str, click.Option]:
    """Return the long options of a command, with --no-... as their own.

    Returns
    -------
    dict
        {"gibbs-steps": its click.Option, ...}
    """
    return {
        flag[2:]: option
        for option in command.params
        if isinstance(option, click.Option)
        for flag in option.opts + option.secondary_opts
        if flag.startswith("--")
    }


def load_settings_file(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Make a settings file the defaults of the group's commands; the callback of --config.

    Raises
    ------
    click.UsageError
        Where it cannot be read, or names what is no setting.
    """
    if path is None:
        return
    import tomllib  # not for every start

    try:
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a device may never end
            raise ValueError("it is not a file")
        with open(path, "rb") as f:
            data = f.read(MOST_SETTINGS + 1)
        if len(data) > MOST_SETTINGS:
            raise ValueError(f"it is larger than {MOST_SETTINGS:,} bytes")
        tables = tomllib.loads(data.decode())
    except (OSError, ValueError) as e:  # not TOML, or not even UTF-8
        raise click.UsageError(f"cannot read the settings in {path}: {e}") from None
    known = _settings_of(ctx)
    ctx.default_map = {name: _table(path, name, table, known) for name, table in tables.items()}


def _settings_of(ctx: click.Context) -> dict[str, dict[str, str]]:
    """{command: {setting: how it is written in a settings file}} of the group that is run."""
    group = ctx.command
    assert isinstance(group, click.Group)
    commands = {name: group.get_command(ctx, name) for name in group.list_commands(ctx)}
    return {
        name: {key: f"[{name}] {key}" for key in long_names(command)}
        for name, command in commands.items()
        if command is not None
    }


def _table(path: str, name: str, table: Any, known: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Check a command's table, and return it by the names of its options."""
    if not isinstance(table, dict):
        _refuse(path, name, {key: place for keys in known.values() for key, place in keys.items()})
    if name not in known:
        _refuse(path, f"[{name}]", {command: f"[{command}]" for command in known})
    settings = {key.replace("_", "-"): value for key, value in table.items()}
    for key, value in settings.items():
        if key not in known[name]:
            _refuse(path, f"[{name}] {key}", known[name])
        if isinstance(value, dict | list):
            raise click.UsageError(
                f"{path}: [{name}] {key} takes one value, written as on the command line"
            )
    return settings


def _refuse(path: str, wrong: str, right: Mapping[str, str]) -> NoReturn:
    """Name the nearest of `right`, {name: how it is written in a settings file}."""
    found = nearest(wrong.strip("[]").split("] ")[-1], right, 0)
    assert found is not None
    raise click.UsageError(f"{path}: {wrong} is no setting; the nearest is {right[found]}")


def _spelled_out(args: list[str], options: Mapping[str, click.Option]) -> list[str]:
    """Write the options that take none or several words as click reads them, with one.

    An option whose value may be left out gets it where what follows is none of its choices, so that
    `--audio MODEL` is what it looks like; one of Paths gets all words up to the next option.
    """
    spelled, left = [], list(args)
    while left:
        arg = left.pop(0)
        option = options.get(arg[2:]) if arg.startswith("--") else None
        kind = option.type if option and not option.is_flag else None
        if option and isinstance(kind, click.Choice) and isinstance(option.flag_value, str):
            if not left or left[0] not in kind.choices:
                arg = f"{arg}={option.flag_value}"
        elif isinstance(kind, Paths):
            words = list(itertools.takewhile(lambda word: not word.startswith("-"), left))
            del left[: len(words)]
            arg = f"{arg}={Paths.between.join(words)}"
        spelled.append(arg)
        if arg == "--":
            break
    return spelled + left


def _variables(ctx: click.Context, names: Mapping[str, object]) -> dict[str, str]:
    """Read what the environment says of the long options, by their names."""
    variables = {name: f"MIDIGEN_{ctx.info_name}_{name}".upper() for name in names}
    values = {name: os.environ.get(text.replace("-", "_")) for name, text in variables.items()}
    return {name: value for name, value in values.items() if value}


def _meaning(option: click.Option, name: str, value: object, ctx: click.Context) -> dict[str, Any]:
    """Return what `name = value` says, as click's {parameter: default}.

    A flag takes a truth, and sets its own value.
    """
    assert option.name
    if not option.is_flag:
        return {option.name: [str(value)] if option.multiple else str(value)}
    on = click.BOOL.convert(str(value), option, ctx)
    if option.is_bool_flag:
        return {option.name: on == ("--" + name in option.opts)}
    return {option.name: option.flag_value} if on else {}


def _refuse_empty(param: click.Parameter, ctx: click.Context) -> None:
    """Refuse a value that is empty or nan."""
    values = ctx.params.get(param.name or "")
    for value in values if isinstance(values, tuple) else (values,):
        if value == "":
            raise click.BadParameter("it is empty", ctx, param)
        if value != value:
            raise click.BadParameter("nan is not a number", ctx, param)
