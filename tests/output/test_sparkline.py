import pytest

from midigen.output.sparkline import ASCII, sparkline


@pytest.mark.parametrize(
    "values, width, line",
    [
        ([], 10, ""),
        ([1.0], 10, "▁"),
        ([2, 2, 2], 10, "▁▁▁"),
        ([8, 1], 10, "█▁"),
        ([1, None, 8], 10, "▁ █"),
        ([None, float("nan")], 10, "  "),
        ([0, 0, 7, 7, 0, 0], 3, "▁█▁"),
        ([0, None, 7, 7, None, None], 3, "▁█ "),
    ],
)
def test_a_curve_in_a_line(values, width, line):
    assert sparkline(values, width) == line


def test_without_blocks():
    assert sparkline([0, 1, 2, 3, 4, 5], 10, ASCII) == ASCII
