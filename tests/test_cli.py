"""The command line as a whole: help, exit codes, settings from files and variables, errors."""

import os
import subprocess
import sys

import click
import pytest

from midigen.cli import COMMANDS, group, main
from midigen.cli.command import long_names

HEAVY = ("numba", "numpy", "rich", "pretty_midi", "mido", "safetensors", "scipy")


def command(name):
    return group.get_command(None, name)


def loaded_by(*args):
    """Exit code of a fresh `midigen ARGS`, its stdout, and the heavy packages that it imported."""
    code = (
        f"import sys; from midigen.cli import main; code = main({list(args)!r}); "
        f"print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.split()


def test_group_help_lists_the_commands_and_loads_nothing_heavy():
    code, out, heavy = loaded_by("--help")
    assert (code, heavy) == (0, [])
    for name, (_, line) in COMMANDS.items():
        assert f"{name} " in out and line in out


@pytest.mark.parametrize("name", COMMANDS)
def test_command_help_loads_nothing_heavy(name):
    code, out, heavy = loaded_by(name, "--help")
    assert (code, heavy) == (0, [])
    assert out.startswith(f"Usage: midigen {name} ")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_complete(name):
    assert command(name).help
    options = [p for p in command(name).params if isinstance(p, click.Option)]
    assert [p.name for p in options if not p.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_no_package_of_somebody_else(name):
    """`midigen` on the package index is not this program."""
    assert not any("pip install" in (getattr(p, "help", "") or "") for p in command(name).params)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_group_s_line_of_help_begins_the_command_s_own(name):
    assert command(name).get_short_help_str(limit=200).startswith(COMMANDS[name][1].rstrip("."))


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "midigen, version 0.1.0\n"


@pytest.mark.parametrize(
    "args",
    [
        ["compose"],
        ["--nonsense"],
        ["prepare", "--nonsense"],
        ["train", "--nonsense"],
        ["generate", "--nonsense"],
        ["generate", "a", "b"],
        ["--config", "nowhere.toml", "train"],
    ],
)
def test_a_slip_on_the_command_line_is_a_usage_error(args, capsys):
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == "" and err and "Traceback" not in err


@pytest.mark.parametrize(
    "args", [["prepare", "nowhere"], ["train", "nowhere.corpus"], ["generate", "nowhere"]]
)
def test_a_wrong_path_is_one_line_that_names_it(args, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(args) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and args[1] in err
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "songs").mkdir()
    assert main(["prepare", "songs"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "songs" in err


@pytest.mark.parametrize("name", ["train", "generate"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a midigen file", id="text"),
        pytest.param(b"\x40" + bytes(7) + b'{"midigen": "cut short', id="truncated"),
    ],
)
def test_a_file_of_another_kind_is_one_line(name, content, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").write_bytes(content)
    assert main([name, "given"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "given" in err and "unexpectedly" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["given"]


def piped(stdin, *args, cwd):
    return subprocess.run(
        [sys.executable, "-m", "midigen", *args],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
    )


@pytest.mark.parametrize("name, what", [("train", "corpus"), ("generate", "model")])
def test_an_empty_pipe_is_one_line(name, what, tmp_path):
    done = piped("", name, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"no {what} path" in done.stderr


def test_several_paths_are_too_many_for_one_model(tmp_path):
    done = piped("one\ntwo\n", "generate", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "2 paths" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="sh closes the streams")
@pytest.mark.parametrize(
    "args, words",
    [
        ("train <&-", "no corpus given"),
        ("prepare - <&-", "stdin, which is closed"),
        ("generate run -o - >&-", "stdout, which is closed"),
    ],
)
def test_a_closed_stream_is_one_line(tmp_path, args, words):
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m midigen {args}', sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (
        2,
        "",
        1,
    ) and words in done.stderr


def test_a_path_in_the_pipe_needs_no_encoding(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = piped("no é\n", "generate", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "no file no é" in done.stderr


def test_a_reader_that_has_enough_is_no_failure():
    process = subprocess.Popen(
        [sys.executable, "-m", "midigen", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 0)
    process.stderr.close()


@pytest.fixture
def settings_of(monkeypatch):
    """settings_of(NAME, *ARGS, after) runs `midigen ARGS NAME AFTER`, to return settings."""

    def run(name, *args, after=()):
        given = {}
        monkeypatch.setattr(
            command(name), "callback", lambda *_, **settings: given.update(settings)
        )
        assert main([*args, name, *after]) == 0
        return given

    return run


def test_settings_from_a_file(tmp_path, settings_of):
    config = tmp_path / "midigen.toml"
    table = "count = 3\nlength = 12\ngibbs-steps = 9\nkeep_primer = false\n"
    config.write_text(f"[generate]\n{table}[train]\nepochs = 5\n")
    given = settings_of("generate", "--config", str(config))
    assert (given["count"], given["length"], given["gibbs_steps"], given["keep_primer"]) == (
        3,
        (12, "beats"),
        9,
        False,
    )


def test_the_environment_outranks_the_file(tmp_path, monkeypatch, settings_of):
    config = tmp_path / "midigen.toml"
    config.write_text("[generate]\ncount = 3\n[train]\nexact = true\n")
    monkeypatch.setenv("MIDIGEN_CONFIG", str(config))
    assert settings_of("train")["sampler"] == "exact"
    monkeypatch.setenv("MIDIGEN_TRAIN_EXACT", "0")
    assert settings_of("train")["sampler"] == "persistent"
    monkeypatch.delenv("MIDIGEN_TRAIN_EXACT")
    monkeypatch.setenv("MIDIGEN_GENERATE_COUNT", "4")
    monkeypatch.setenv("MIDIGEN_TRAIN_CD", "yes")
    assert settings_of("generate")["count"] == 4
    assert settings_of("train")["sampler"] == "cd"


# values for options that take one, other than the default; flags take true
VALUES = {
    "hidden": "7,5",
    "recurrent": 7,
    "rbm-hidden": 7,
    "visible-model": "gaussian",
    "deviation": "0.1,0.5",
    "dtype": "float64",
    "update": "epoch",
    "gradient": "textbook",
    "optimizer": "sgd",
    "transpose": "-1,1",
    "negative": "bounded",
    "negative-source": "own",
    "device": "auto",
    "length": "3 bars",
    "metre": "6/8",
    "context": "position,end",
    "gates": "hold",
    "split": "valid",
    "grid": "seconds",
    "articulation": "sustain",
    "values": "velocity",
    "range": "note",
    "outside": "drop",
    "tonic": "one",
    "vary": 0.3,
    "parts": "melody,bass",
    "temperatures": 200,
    "memory-limit": 64,
    "rank-tolerance": 0.01,
    "momentum": 0.5,
    "average": 0.5,
    "dropout": 0.5,
    "audio": "ogg",
    "excerpts": 5,
    "format": "ogg",
}
EVERY = [
    (name, flag, option) for name in COMMANDS for flag, option in long_names(command(name)).items()
]


@pytest.mark.parametrize(
    "name, flag, option", EVERY, ids=[f"{name} --{flag}" for name, flag, _ in EVERY]
)
def test_every_long_option_works_everywhere(tmp_path, monkeypatch, settings_of, name, flag, option):
    value = "8/1/1" if (name, flag) == ("prepare", "split") else VALUES.get(flag, 6)
    plain, typed = (
        settings_of(name),
        settings_of(name, after=[f"--{flag}"] + [str(value)] * (not option.is_flag)),
    )
    config = tmp_path / "midigen.toml"
    config.write_text(f"[{name}]\n{flag} = {'true' if option.is_flag else repr(value)}\n")
    assert settings_of(name, "--config", str(config)) == typed
    monkeypatch.setenv(
        f"MIDIGEN_{name}_{flag}".upper().replace("-", "_"), "1" if option.is_flag else str(value)
    )
    assert settings_of(name) == typed
    assert typed != plain or flag in ("persistent", "centre", "keep-primer")


@pytest.mark.parametrize(
    "text, line",
    [
        ("[train]\nepoch = 1", "[train] epoch is no setting; the nearest is [train] epochs"),
        (
            "[train]\nlearning-rte = 9",
            "[train] learning-rte is no setting; the nearest is [train] learning-rate",
        ),
        ("[prepare]\nunit = 'beat'", "[prepare] unit is no setting; the nearest is [prepare] "),
        ("[trian]\nepochs = 1", "[trian] is no setting; the nearest is [train]"),
        ("[trian]", "[trian] is no setting; the nearest is [train]"),
        ("epochs = 1", "epochs is no setting; the nearest is [train] epochs"),
        ("'' = 1", "is no setting; the nearest is ["),
        ("[train]\nhidden = [7, 5]", "[train] hidden takes one value"),
        ("[train.output]", "[train] output takes one value"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest(tmp_path, capsys, text, line):
    (tmp_path / "my.toml").write_text(text)
    assert main(["--config", str(tmp_path / "my.toml"), "generate", "model"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"my.toml: {line}" in err


FLOATS = [
    (name, flag)
    for name, flag, option in EVERY
    if isinstance(option.type, click.types.FloatParamType)
]


@pytest.mark.parametrize(
    "name, flag, value",
    [
        *((*option, value) for option in FLOATS for value in ("nan", "inf", "-inf", "-1e9")),
        ("train", "deviation", "nan,1"),
        ("train", "minutes", "1e300"),
        ("train", "epochs", "9" * 400),
        ("prepare", "memory-limit", "99999999999999"),
        ("evaluate", "rnn-frames", "9" * 30),
    ],
)
def test_a_number_without_sense_is_a_usage_error(tmp_path, monkeypatch, capsys, name, flag, value):
    monkeypatch.chdir(tmp_path)
    paths = [p for p in command(name).params if isinstance(p, click.Argument)]
    assert main([name, *["nowhere"] * bool(paths), f"--{flag}", value]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and flag in err.replace("_", "-")


@pytest.mark.parametrize(
    "args",
    [
        ["train", "--resume", ""],
        ["train", ""],
        ["train", "x", "-o", ""],
        ["generate", "x", "--primer", ""],
        ["generate", ""],
        ["evaluate", "x", "--corpus", ""],
        ["evaluate", "x", ""],
        ["prepare", "x", "-o", ""],
    ],
)
def test_an_empty_value_is_a_usage_error(args, capsys):
    assert main(args) == 2
    assert "it is empty" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[generate\n", "count = \n", "# \udce9"])
def test_a_settings_file_that_cannot_be_read_is_a_usage_error(tmp_path, capsys, text):
    config = tmp_path / "midigen.toml"
    config.write_text(text, errors="surrogateescape")
    assert main(["--config", str(config), "generate", "model"]) == 2
    err = capsys.readouterr().err
    assert "midigen.toml" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "error, code, line",
    [
        (KeyboardInterrupt(), 130, "stopped"),
        (RuntimeError("a\nb"), 1, "RuntimeError: a b"),
        (MemoryError(), 1, "not enough memory"),
    ],
)
def test_no_traceback_reaches_a_user(monkeypatch, capsys, error, code, line):
    def fail(**settings):
        raise error

    monkeypatch.setattr(command("generate"), "callback", fail)
    assert main(["generate", "model"]) == code
    err = capsys.readouterr().err.strip()
    assert line in err and "\n" not in err and "Traceback" not in err


def test_a_developer_can_ask_for_the_traceback(monkeypatch):
    def fail(**settings):
        raise RuntimeError("where?")

    monkeypatch.setattr(command("generate"), "callback", fail)
    monkeypatch.setenv("MIDIGEN_TRACEBACK", "1")
    with pytest.raises(RuntimeError, match="where"):
        main(["generate", "model"])
