"""Songs that are told some of what there is and not the rest: the GPU's against the CPU's.

The network has a layer that is narrower than a block of threads, which share out its sums.
"""

import numpy as np
import pytest

from midigen.backends.interface import PlayGates, PlayLevels
from midigen.kernels.cpu import play as on_cpu
from midigen.model.network import Network
from tests.kernels.conftest import OnDevice

R, H, SWEEPS, BETA, T, B = 3, 4, 2, 1 / 0.9, 9, 2
V, C = 11, 2
PART = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2])
LINES, GROUPS = np.array([(0, 3), (4, 8)]), np.array([(0, 4), (4, 9)])
INTERVALS = np.array([-2, 0, 1])
# of the lines' own frames, then for a source in one part, in several, in none; a line without gates
# of intervals
GATE = np.array([[6, -1, 1], [-1, 7, 7], [0, 1, -1], [2, 2, 2], [-1, -1, -1]])
INTERVAL_GATES, K = np.array([-1, 3]), 8
LOUDEST = {"bernoulli": None, "gaussian": 1.0, "velocities": 127.0}
on_every_kind = pytest.mark.parametrize("kind", LOUDEST)
pytestmark = pytest.mark.cuda


@pytest.fixture
def play():
    """That of the GPU, called with NumPy arrays."""
    return OnDevice("play").play


def problem(kind, heard=1, context=C, gates=K, groups=GROUPS, first=3, dtype=np.float64):
    """The arguments of `play` but first and stop, which are to be `first` and T."""
    rng = np.random.default_rng(5)
    gaussian, loudest = kind != "bernoulli", LOUDEST[kind]
    recalled = int((LINES[:heard, 1] - LINES[:heard, 0]).sum())
    net = Network(V + recalled + context, (6, 2), R, (2 if gaussian else 1) * V + H + gates, dtype)
    params = rng.normal(0, 0.7, net.parameters).astype(dtype)
    tables = PlayGates(PART, GATE, LINES, heard, INTERVAL_GATES, INTERVALS)
    if not gates:
        none = np.zeros(0, np.int64)
        tables = PlayGates(PART, GATE[:0], LINES[:0], 0, none, none)
    back = rng.integers(0, np.arange(T)[:, None] + 1, (B, T, len(tables.gate) - len(tables.lines)))
    songs = np.full((B, T, V), 99, np.uint8)  # what is to be made is not there yet
    songs[:, :first] = (rng.random((B, first, V)) < 0.2) * rng.integers(1, int(loudest or 1) + 1)
    songs[1, :first, LINES[1, 0] : LINES[1, 1]] = 0  # a line that has not begun
    x = np.zeros((B, V + R), dtype)
    x[:, :V] = songs[:, first - 1] / dtype(loudest or 1) if first else 0
    return (
        *(net.sizes, net.codes, params, R, rng.normal(0, 0.8, (H, V)).astype(dtype)),
        (np.array([-2, 0.5]) if gaussian else None),
        (PlayLevels(0.2, 0.7, 0.1, loudest) if gaussian else None),
        *(groups, tables, SWEEPS, BETA, np.array([7, 2**63 + 9], np.uint64)),
        *(rng.normal(size=(B, T, context)).astype(dtype), back, x, songs),
    )


def played(kernel, arguments, first):
    """songs, and what would be heard next."""
    *ahead, context, back, x, songs = arguments
    x, songs = x.copy(), songs.copy()
    kernel(*ahead, first, T, context, back, x, songs)
    return songs, x


@on_every_kind
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"heard": 2, "first": 0},
        {"heard": 0, "context": 0},
        {"heard": 0},
        {"context": 0, "groups": np.zeros((0, 2), np.int64)},
        {"gates": 0, "heard": 0, "context": 0},
    ],
    ids=["all", "both lines, from silence", "gates", "context", "a line", "groups"],
)
def test_songs_are_the_cpu_s(play, kind, changes):
    arguments, first = problem(kind, **changes), changes.get("first", 3)
    songs, heard = played(play, arguments, first)
    expected, expected_heard = played(on_cpu.play, arguments, first)
    np.testing.assert_array_equal(songs, expected)
    np.testing.assert_allclose(heard, expected_heard, rtol=0, atol=1e-12)
    made = songs[:, first:]
    assert 0 < (made > 0).mean() < 1 and made.max() <= (LOUDEST[kind] or 1)
    if kind == "bernoulli" and changes.get("groups") is None:
        for low, high in GROUPS:
            assert made[..., low:high].sum(axis=2).max() <= 1


def test_what_is_told_matters(play):
    """Each of: the primer, the context, how far sources lie back; so the tests above see them."""
    arguments = problem("bernoulli")
    songs, _ = played(play, arguments, 3)
    *_, context, back, _, primer = arguments
    for at, other in ((-4, -context), (-3, np.maximum(back - 1, 0)), (-1, primer[::-1].copy())):
        changed = list(arguments)
        changed[at] = other
        assert not np.array_equal(played(play, changed, 3)[0][:, 3:], songs[:, 3:])
