"""Passes over all parameters against their formulas in NumPy."""

import numpy as np
import pytest

TOLERANCE = {np.float64: 1e-13, np.float32: 2e-6}
P, H, V = 37, 4, 6


def vectors(dtype, count):
    return np.random.default_rng(0).normal(size=(count, P)).astype(dtype)


def close(got, expected):
    return np.allclose(
        got, expected, rtol=TOLERANCE[got.dtype.type], atol=TOLERANCE[got.dtype.type]
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_adam_takes_the_steps_of_the_paper(kernels, dtype):
    parameters, *gradients = vectors(dtype, 4)
    mean, square = np.zeros_like(parameters), np.zeros_like(parameters)
    x, m, s = (array.astype(np.float64) for array in (parameters, mean, square))
    for step, gradient in enumerate(gradients, 1):
        kernels("optimizer").adam_step(
            parameters, gradient, mean, square, 0.1, 0.8, 0.95, step, 0.01
        )
        g = gradient.astype(np.float64)
        m, s = 0.8 * m + 0.2 * g, 0.95 * s + 0.05 * g**2
        x -= 0.1 * (m / (1 - 0.8**step)) / (np.sqrt(s / (1 - 0.95**step)) + 0.01)
    assert close(parameters, x) and close(mean, m) and close(square, s)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_momentum_adds_up_gradients(kernels, dtype):
    parameters, gradient, velocity = vectors(dtype, 3)
    moved = 0.9 * velocity.astype(np.float64) + gradient
    expected = parameters - 0.1 * moved
    kernels("optimizer").momentum_step(parameters, gradient, velocity, 0.1, 0.9)
    assert close(velocity, moved) and close(parameters, expected)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_gradient_is_shortened_and_then_pulls_towards_0(kernels, dtype):
    parameters, gradient, decay = vectors(dtype, 3)
    expected = 0.3 * gradient.astype(np.float64) + decay * parameters
    kernels("optimizer").shorten_and_decay(parameters, gradient, 0.3, decay)
    assert close(gradient, expected)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_average_moves_towards_the_parameters(kernels, dtype):
    average, parameters = vectors(dtype, 2)
    expected = 0.75 * average.astype(np.float64) + 0.25 * parameters
    kernels("optimizer").average_step(average, parameters, 0.75)
    assert close(average, expected)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_means_over_frames_are_numpy_s_bits(kernels, dtype):
    gradient, pushed = vectors(dtype, 2)
    expected, alone = gradient.copy(), gradient.copy()
    expected /= 7
    kernels("optimizer").scale(alone, 7)
    assert np.array_equal(alone, expected)
    noise = pushed.copy()
    noise /= 3
    expected += noise
    kernels("optimizer").mean_gradient(gradient, 7, pushed, 3)
    assert np.array_equal(gradient, expected)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_two_vectors_are_mixed(kernels, dtype):
    x, other = vectors(dtype, 2)
    expected = 0.3 * x.astype(np.float64) - 2 * other
    kernels("optimizer").mix(0.3, x, -2, other)
    assert close(x, expected)


def rbm(dtype):
    """w, a, b and the notes' means."""
    rng = np.random.default_rng(0)
    return *(rng.normal(size=shape).astype(dtype) for shape in ((H, V), V, H)), rng.random(
        V
    ).astype(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("sign", [1, -1])
def test_centred_biases(kernels, dtype, sign):
    """Eq. (25): a + nu sum_j W_j and b + W mu, or back."""
    w, a, b, means = rbm(dtype)
    expected = a + sign * 0.3 * w.sum(axis=0), b + sign * w @ means
    kernels("optimizer").centre_shift(w, a, b, means, 0.3, sign)
    assert close(a, expected[0]) and close(b, expected[1])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_gradient_of_centred_weights(kernels, dtype):
    w, a, b, means = rbm(dtype)
    expected = w - np.outer(b, means) - 0.3 * a
    kernels("optimizer").centre_gradient(w, a, b, means, 0.3)
    assert close(w, expected)
