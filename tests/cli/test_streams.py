"""What goes to stdout: JSON that is valid, and text in any encoding."""

import io
import json
import sys

import pytest

from midigen.cli.streams import print_json, ready_streams


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
    ready_streams()
    stream.write("5 ± 1… é ♫")
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == text
