"""docs/mathematics.md names functions that exist, and every equation has one."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "mathematics.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(midigen\.[\w.]+)`", PAGE)))
EQUATIONS = [str(i) for i in range(1, 36)] + ["12a"]


def find(name):
    """The object of a dotted name: the longest module there is, then attributes."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found


@pytest.mark.parametrize("name", NAMES)
def test_every_name_exists_and_is_documented(name):
    if "cuda" in name:
        pytest.importorskip("midigen.kernels.cuda")
    assert find(name).__doc__


def test_equations_are_numbered_once_and_in_order():
    assert re.findall(r"^    .* {3}\((\d+a?)\)$", PAGE, re.MULTILINE) == sorted(
        EQUATIONS, key=lambda n: (int(n.rstrip("a")), n)
    )


def test_every_equation_is_followed_by_what_computes_it():
    """Between an equation and the next section stands at least one name."""
    for section in re.split(r"^#+ ", PAGE, flags=re.MULTILINE):
        last = max(
            (m.end() for m in re.finditer(r" {3}\(\d+a?\)$", section, re.MULTILINE)), default=None
        )
        assert last is None or re.search(r"`midigen\.[\w.]+`", section[last:]), section[:60]


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in NAMES
        if n.startswith(("midigen.kernels.cpu.", "midigen.model."))
        and n in PAGE[: PAGE.index("## 7.")]
    ],
)
def test_what_computes_an_equation_says_so(name):
    """The files of the kernels and of the model say which equations they hold."""
    module = importlib.import_module(".".join(name.split(".")[: 4 if "kernels" in name else 3]))
    assert "Eq. (" in module.__doc__
