"""Options of click made from the settings of `midigen.config`: the one place where they are."""

import re
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from types import ModuleType, UnionType
from typing import Any, TypeVar, get_args

import click

from midigen.backends.choose import DEVICES
from midigen.config import GenerateConfig, PrepareConfig, Setting, Settings
from midigen.duration import parse_length
from midigen.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S", bound=Settings)
Decorator = Callable[[Any], Any]
AUTO = "auto"
PATH = click.Path(readable=False)  # any path, which shells complete; commands check it themselves


class TupleType(click.ParamType):
    """A tuple in one word; `write` is the inverse of `convert`."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Read a word; what is read already stays as it is."""
        if isinstance(value, tuple):
            return value
        try:
            return self.read(str(value))
        except ValueError as e:
            self.fail(str(e), param, ctx)

    def read(self, text: str) -> tuple[Any, ...]:
        """Read a word.  ValueError, with what to write instead, where that cannot be."""
        raise NotImplementedError

    def write(self, value: tuple[Any, ...]) -> str:
        """Write a tuple as `read` reads it."""
        return ",".join(f"{item:g}" for item in value)


class Widths(TupleType):
    """Layer widths: "150", "150,100" or "none"."""

    name = "widths"

    def read(self, text: str) -> tuple[int, ...]:
        """Read the widths, () for none."""
        if text.strip().lower() in ("none", ""):
            return ()
        if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", text):
            raise ValueError(f"{text!r}: write none, or widths such as 150 or 150,100")
        return tuple(int(width) for width in text.split(","))

    def write(self, value: tuple[int, ...]) -> str:
        """Write the widths, or none."""
        return ",".join(map(str, value)) or "none"


class Words(TupleType):
    """Words out of some: "hold,lag", "none", or "all".

    Parameters
    ----------
    choices : tuple of str
    """

    name = "words"

    def __init__(self, choices: tuple[str, ...]) -> None:
        self._choices = choices

    def read(self, text: str) -> tuple[str, ...]:
        """Read the words, in the order of the choices."""
        words = [word.strip() for word in text.lower().split(",")]
        if words in (["none"], [""]):
            return ()
        if words == ["all"]:
            return self._choices
        unknown = [word for word in words if word not in self._choices]
        if unknown:
            raise ValueError(
                f"{unknown[0]!r}: write none, all, or some of {self.write(self._choices)}"
            )
        return tuple(word for word in self._choices if word in words)

    def write(self, value: tuple[Any, ...]) -> str:
        """Write the words, or none."""
        return ",".join(value) or "none"


class Auto(click.ParamType):
    """What another type takes, or the word auto, which stays as it is.

    Parameters
    ----------
    kind : click type
    """

    def __init__(self, kind: Any) -> None:
        self._kind = click.types.convert_type(kind)
        self.name = f"{self._kind.name}|{AUTO}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a word."""
        if isinstance(value, str) and value.strip().lower() == AUTO:
            return AUTO
        return self._kind.convert(value, param, ctx)


class Semitones(TupleType):
    """Lowest and highest shift: "-5,6", or "3" for all from 0 to 3."""

    name = "semitones"

    def read(self, text: str) -> tuple[int, int]:
        """Read both shifts."""
        match = re.fullmatch(r"\s*([+-]?\d+)\s*(?:[, ]\s*([+-]?\d+)\s*)?", text)
        if not match:
            raise ValueError(
                f"{text!r}: write the lowest and highest shift, such as -5,6, or 0 for none"
            )
        low = int(match[1])
        return (low, int(match[2])) if match[2] else (min(low, 0), max(low, 0))


class Deviations(TupleType):
    """Lowest and highest standard deviation: "0.05,1"."""

    name = "deviations"

    def read(self, text: str) -> tuple[float, float]:
        """Read both."""
        try:
            low, high = (float(part) for part in text.split(","))
        except ValueError:
            message = f"{text!r}: write the lowest and the highest, such as 0.05,1"
            raise ValueError(message) from None
        return low, high


class Length(TupleType):
    """An amount of music: "32 bars", "64beats", "90 s", "3m", "1:30", or a bare number of beats."""

    name = "length"

    def read(self, text: str) -> tuple[float, str]:
        """Read the amount and its unit."""
        return parse_length(text)

    def write(self, value: tuple[Any, ...]) -> str:
        """Write the amount and its unit."""
        amount, unit = value
        return f"{amount:g} {unit}"


class MetreType(TupleType):
    """A metre: "3/4"."""

    name = "metre"

    def read(self, text: str) -> tuple[int, int]:
        """Read numerator and denominator."""
        try:
            numerator, denominator = (int(number) for number in text.split("/"))
            GenerateConfig(metre=(numerator, denominator))
        except ValueError:
            expected = GenerateConfig.setting_of("metre").expected
            raise ValueError(f"{text!r} is not {expected}") from None
        return numerator, denominator

    def write(self, value: tuple[Any, ...]) -> str:
        """Write numerator and denominator."""
        return "/".join(map(str, value))


class ProgramType(TupleType):
    """Instruments: "violin", "40" or "melody=flute,chords=harp"; "list" shows all, and ends."""

    name = "instrument"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Read the instruments, or show all."""
        if value == "list" and ctx is not None:
            click.echo(_programs().list_programs())
            ctx.exit()
        return super().convert(value, param, ctx)

    def read(self, text: str) -> tuple[tuple[str, int], ...]:
        """Read part and programme of each."""
        return _programs().read_programs(text)


def _programs() -> ModuleType:
    """Import the names of instruments, which takes a while."""
    import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

    # isort: split
    from midigen.midi import programs

    return programs


class Shares(TupleType):
    """Shares of the splits: "80/10/10"."""

    name = "train/valid/test"

    def read(self, text: str) -> tuple[float, float, float]:
        """Read the three shares, of any sum."""
        try:
            return PrepareConfig.from_json({"split": [float(n) for n in text.split("/")]}).split
        except ValueError:
            expected = PrepareConfig.setting_of("split").expected
            raise ValueError(f"{text!r} is not {expected}") from None

    def write(self, value: tuple[Any, ...]) -> str:
        """Write the shares."""
        return "/".join(f"{share:g}" for share in value)


TUPLES = {
    "hidden": Widths(),
    "metre": MetreType(),
    "transpose": Semitones(),
    "deviation": Deviations(),
    "length": Length(),
    "program": ProgramType(),
    "split": Shares(),
}


def options(owner: type[Settings], *names: str, ranges: bool = True) -> Callable[[F], F]:
    """Make the options of a command from the settings of a class.

    Parameters
    ----------
    owner : type of Settings
        A field without a default makes no option: it comes from the data.
    names : str
        The fields, in the order of the help; all of them if left out.
    ranges : bool
        Whether an option knows its range.  If not, the help is shorter, and only `owner` says what
        is out of range.

    Returns
    -------
    callable
        A decorator, as click.option's.
    """
    by_name = {
        f.name: f
        for f in fields(owner)
        if f.default is not MISSING and not owner.setting_of(f.name).from_data
    }
    made = [
        decorator
        for name in names or by_name
        for decorator in _option(by_name[name], owner.setting_of(name), ranges)
    ]

    def decorate(function: F) -> F:
        for decorator in reversed(made):
            function = decorator(function)
        return function

    return decorate


def _option(f: "Field[Any]", setting: Setting, ranges: bool) -> list[Decorator]:
    """Make the option, or the flags, of one field."""
    if setting.flag_help:
        return [
            _choice_flag(f, choice, text)
            for choice, text in zip(setting.choices, setting.flag_help, strict=True)
        ]
    name = "--" + (setting.option or f.name).replace("_", "-")
    if isinstance(f.default, bool):
        flags = f"{name}/--no-{name[2:]}" if f.default else name
        shown: bool | None = f.default or None
        return [
            click.option(
                flags,
                f.name,
                is_flag=True,
                default=f.default,
                help=setting.help,
                show_default=shown,
            )
        ]
    if setting.repeated:
        return [click.option(name, f.name, multiple=True, metavar="TEXT", help=setting.help)]
    kind = _type(f, setting, ranges)
    default: Any = f.default
    if isinstance(kind, TupleType) and default is not None:
        default = kind.write(default)
    return [
        click.option(
            name,
            f.name,
            type=kind,
            default=AUTO if setting.auto else default,
            help=setting.help,
            show_default=setting.shown or True,
            metavar=setting.unit.upper() or None,
        )
    ]


def _choice_flag(f: "Field[Any]", choice: str, text: str) -> Decorator:
    """Make the flag of one choice; the flags of a field share its name."""
    if choice != f.default:
        return click.option(f"--{choice}", f.name, flag_value=choice, help=text)
    return click.option(
        f"--{choice}", f.name, flag_value=choice, default=choice, help=f"{text} [default]"
    )


def _type(f: "Field[Any]", setting: Setting, ranges: bool) -> Any:
    """Return the type that click converts a field's word to."""
    if setting.choices and not isinstance(f.default, tuple):
        return click.Choice((AUTO, *setting.choices) if setting.auto else setting.choices)
    kind = _plain_type(f, setting, ranges)
    return Auto(kind) if setting.auto else kind


def _plain_type(f: "Field[Any]", setting: Setting, ranges: bool) -> Any:
    if isinstance(f.default, tuple) or f.name in TUPLES:
        return Words(setting.choices) if setting.choices else TUPLES[f.name]
    kind: Any = get_args(f.type)[0] if isinstance(f.type, UnionType) else f.type  # the not-None
    if not ranges or setting.low is None:
        return kind
    made: dict[Any, Any] = {int: click.IntRange, float: click.FloatRange}
    return made[kind](setting.low, setting.high, setting.low_open, setting.high_open)


def take(owner: type[Settings], given: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of a class out of what a command was given."""
    return {f.name: given.pop(f.name) for f in fields(owner) if f.name in given}


def make(owner: type[S], given: dict[str, Any]) -> S:
    """Make settings of what a command was given, and take it out.

    Raises
    ------
    UsageError
        Where they are not what they have to be.
    """
    try:
        return owner(**take(owner, given))
    except ValueError as e:
        raise UsageError(str(e)) from None


device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="cpu",
    show_default=True,
    help="Where to compute: cuda is an NVIDIA GPU (needs the extra cuda, see README); auto takes "
    "it where there is one.",
)


def json_option(text: str = "Print one JSON object in place of the table.") -> Callable[[F], F]:
    """Make the option --json, as_json in Python."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def quiet_option(text: str = "Say nothing on stderr but errors.") -> Callable[[F], F]:
    """Make the option -q, --quiet."""
    return click.option("-q", "--quiet", is_flag=True, help=text)
