import itertools

import numpy as np
import pytest

from midigen.midi.view import TrackView
from midigen.rendering.colours import COLOURS, MORE, track_colours

WHITE, NEAR_BLACK = "#ffffff", "#111418"
# linear RGB as it is seen with each kind of colour blindness (Machado, Oliveira and Fernandes,
# IEEE Transactions on Visualization and Computer Graphics, 2009; severity 1)
SEEN = {
    "all colours": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(colour):
    """Linear RGB of "#rrggbb", 0..1."""
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    """The contrast ratio of the Web Content Accessibility Guidelines."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    """CIELAB of linear RGB."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def track(part, name=""):
    return TrackView(name, 0, part == "drums", np.array([[0.0, 1, 60, 80]]), part)


def test_a_known_contrast_is_measured():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("colour", [*COLOURS.values(), *MORE])
@pytest.mark.parametrize("ground", [WHITE, NEAR_BLACK])
def test_every_colour_stands_out(colour, ground):
    assert contrast(colour, ground) >= 3


@pytest.mark.parametrize("eyes", SEEN)
def test_parts_are_told_apart(eyes):
    seen = [lab(SEEN[eyes] @ linear(colour)) for colour in COLOURS.values()]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


def test_each_part_has_its_colour():
    parts = ("melody", "chords", "bass", "drums")
    assert track_colours([track(p) for p in parts]) == tuple(COLOURS[p] for p in parts)


def test_tracks_of_one_part_have_colours_of_their_own():
    found = track_colours([track("chords")] * 8)
    assert found[0] == COLOURS["chords"]
    assert len(set(found)) == 8
    assert COLOURS["drums"] not in found


def test_of_many_tracks_colours_come_again():
    found = track_colours([track("chords")] * 40)
    assert set(found) == {*COLOURS.values(), *MORE} - {COLOURS["drums"]}
