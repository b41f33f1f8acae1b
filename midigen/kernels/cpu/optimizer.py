"""Passes over all parameters: the move of Adam or of SGD with momentum, and what goes before and after it.

All arrays (P,), of one dtype; moments and parameters are changed in place.
"""

from numba import njit

from midigen.kernels.jit import KERNEL


@njit(**KERNEL)
def adam_step(parameters, gradient, mean, square, rate, beta1, beta2, step, epsilon):
    """Adam (Kingma and Ba 2015, algorithm 1); step counts from 1."""
    to_mean = parameters.dtype.type(rate / (1.0 - beta1**step))
    to_square = parameters.dtype.type(1.0 / (1.0 - beta2**step))
    b1, b2, eps = (
        parameters.dtype.type(beta1),
        parameters.dtype.type(beta2),
        parameters.dtype.type(epsilon),
    )
    one = parameters.dtype.type(1)
    for i in range(parameters.size):
        g = gradient[i]
        mean[i] = b1 * mean[i] + (one - b1) * g
        square[i] = b2 * square[i] + (one - b2) * g * g
        parameters[i] -= (
            to_mean * mean[i] / ((square[i] * to_square) ** parameters.dtype.type(0.5) + eps)
        )


@njit(**KERNEL)
def momentum_step(parameters, gradient, velocity, rate, momentum):
    """SGD with momentum: velocity <- momentum velocity + gradient; parameters <- parameters - rate velocity."""
    r, m = parameters.dtype.type(rate), parameters.dtype.type(momentum)
    for i in range(parameters.size):
        velocity[i] = m * velocity[i] + gradient[i]
        parameters[i] -= r * velocity[i]


@njit(**KERNEL)
def shorten_and_decay(parameters, gradient, scale, decay):
    """gradient <- scale gradient + decay parameters, entry by entry; decay (P,)."""
    factor = parameters.dtype.type(scale)
    for i in range(parameters.size):
        gradient[i] = factor * gradient[i] + decay[i] * parameters[i]


@njit(**KERNEL)
def average_step(average, parameters, decay):
    """average <- decay average + (1 - decay) parameters."""
    kept, one = parameters.dtype.type(decay), parameters.dtype.type(1)
    for i in range(parameters.size):
        average[i] = kept * average[i] + (one - kept) * parameters[i]


@njit(**KERNEL)
def mix(scale, x, other_scale, other):
    """x <- scale x + other_scale other."""
    own, others = x.dtype.type(scale), x.dtype.type(other_scale)
    for i in range(x.size):
        x[i] = own * x[i] + others * other[i]


@njit(**KERNEL)
def scale(x, divisor):
    """x <- x / divisor."""
    count = x.dtype.type(divisor)
    for i in range(x.size):
        x[i] /= count


@njit(**KERNEL)
def mean_gradient(gradient, count, pushed, pushed_count):
    """gradient <- gradient / count + pushed / pushed_count, the mean over the frames of songs and of noise."""
    frames, others = gradient.dtype.type(count), gradient.dtype.type(pushed_count)
    for i in range(gradient.size):
        gradient[i] = gradient[i] / frames + pushed[i] / others


@njit(**KERNEL)
def centre_shift(w, a, b, means, hidden_mean, sign):
    """a (V,) <- a + sign nu W, b (H,) <- b + sign W mu, for W (H, V), means mu (V,), hidden_mean nu.  Eq. (25)."""
    factor, to_a = w.dtype.type(sign), w.dtype.type(sign * hidden_mean)
    for j in range(w.shape[0]):
        field = w.dtype.type(0)
        for i in range(w.shape[1]):
            a[i] += to_a * w[j, i]
            field += w[j, i] * means[i]
        b[j] += factor * field


@njit(**KERNEL)
def centre_gradient(w, a, b, means, hidden_mean):
    """dE/dW (H, V) <- dE/dW - (dE/db) mu^T - nu (dE/da)^T, from dE/da (V,) and dE/db (H,).  Eq. (25)."""
    nu = w.dtype.type(hidden_mean)
    for j in range(w.shape[0]):
        for i in range(w.shape[1]):
            w[j, i] -= b[j] * means[i] + nu * a[i]
