"""What goes to stdout: JSON that is valid, and text in any encoding."""

import errno
import io
import json
import os
import subprocess
import sys

import pytest

from midigen.cli.streams import print_json, ready_streams

from ..midi.craft import melody


def test_json_has_no_number_that_json_lacks(capsys):
    print_json(a=float("nan"), b=[1.5, float("-inf"), {"c": (float("inf"), 2)}], d="é\udce9")
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and out.isascii() and "NaN" not in out and "Infinity" not in out
    assert json.loads(out) == {"a": None, "b": [1.5, None, {"c": [None, 2]}], "d": "é\udce9"}


@pytest.mark.parametrize(
    "encoding, text",
    [
        ("ascii", r"5 +- 1... \xe9 \u266b"),
        ("latin-1", "5 ± 1... é \\u266b"),
        ("utf-8", "5 ± 1… é ♫"),
    ],
)
def test_what_an_encoding_lacks_is_written_in_ascii(monkeypatch, encoding, text):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    with ready_streams():
        stream.write("5 ± 1… é ♫")
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == text


class _Full(io.RawIOBase):
    """A disk without room, as `2> /dev/full`."""

    def __init__(self, path):
        self.number = os.open(path, os.O_WRONLY | os.O_CREAT)

    def writable(self):
        return True

    def fileno(self):
        return self.number

    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_stderr_ends_nothing(monkeypatch, tmp_path):
    raw = _Full(tmp_path / "x")
    stream = io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with ready_streams():
        print("a line", file=sys.stderr)
        sys.stderr.flush()
        assert os.path.samestat(os.fstat(raw.number), os.stat(os.devnull))
    assert sys.stderr is stream
    raw.write = len  # what is buffered goes to nothing now
    os.close(raw.number)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_the_work_is_done_where_stderr_is_full(tmp_path):
    (tmp_path / "a.mid").write_bytes(melody(60, 62, 64, 65))
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "midigen", "prepare", "a.mid", "-o", "c"],
            cwd=tmp_path,
            stderr=full,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stdout) == (0, "c\n")
