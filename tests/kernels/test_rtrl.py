"""Sums over the frames in which a note is on, a few at a time."""

import numpy as np
import pytest

from midigen.kernels.cpu import rtrl


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("frames", [[2], [0, 5], [1, 2, 6], [0, 3, 4, 6]])
def test_one_to_four_frames_add_all_that_they_have(frames, dtype):
    rng = np.random.default_rng(len(frames))
    x, gathered = rng.normal(size=7).astype(dtype), rng.normal(size=(7, 9)).astype(dtype)
    out = rng.normal(size=5).astype(dtype)
    expected = out + sum(x[t] * gathered[t, 3:8] for t in frames)
    rtrl._add_four(x, gathered, 3, np.array(frames), out)
    np.testing.assert_allclose(out, expected, rtol=1e-5)
