"""Passes over all parameters: the step of Adam or of SGD with momentum, and what goes with it.

All arrays are (P,), P parameters, and of one float dtype, unless said otherwise.
"""

from numba import njit

from midigen.kernels.jit import KERNEL


@njit(**KERNEL)
def adam_step(parameters, gradient, mean, square, rate, beta1, beta2, step, epsilon) -> None:
    """Take a step of Adam (Kingma and Ba 2015, algorithm 1).

    Parameters
    ----------
    parameters, mean, square : (P,)
        Parameters, and the running means of the gradient and of its square; moved on in place.
    gradient : (P,)
        Of the loss.
    rate, beta1, beta2, epsilon : float
        Alpha, beta_1, beta_2 and epsilon of the paper.
    step : int
        Number of the step, from 1.
    """
    real = parameters.dtype.type
    to_mean, to_square = real(rate / (1.0 - beta1**step)), real(1.0 / (1.0 - beta2**step))
    b1, b2, eps, one, half = real(beta1), real(beta2), real(epsilon), real(1), real(0.5)
    for i in range(parameters.size):
        g = gradient[i]
        mean[i] = b1 * mean[i] + (one - b1) * g
        square[i] = b2 * square[i] + (one - b2) * g * g
        parameters[i] -= to_mean * mean[i] / ((square[i] * to_square) ** half + eps)


@njit(**KERNEL)
def momentum_step(parameters, gradient, velocity, rate, momentum) -> None:
    """Take a step of SGD with momentum.

    Parameters
    ----------
    parameters, velocity : (P,)
        velocity <- momentum velocity + gradient; parameters <- parameters - rate velocity.
    gradient : (P,)
        Of the loss.
    rate, momentum : float
        Step size, and what the velocity keeps of itself.
    """
    r, m = parameters.dtype.type(rate), parameters.dtype.type(momentum)
    for i in range(parameters.size):
        velocity[i] = m * velocity[i] + gradient[i]
        parameters[i] -= r * velocity[i]


@njit(**KERNEL)
def shorten_and_decay(parameters, gradient, scale, decay) -> None:
    """Shorten a gradient and add weight decay to it.

    Parameters
    ----------
    parameters : (P,)
        What decays.
    gradient : (P,)
        Replaced by scale gradient + decay parameters.
    scale : float
        At most 1 where gradients are clipped.
    decay : (P,)
        Of every parameter.
    """
    factor = parameters.dtype.type(scale)
    for i in range(parameters.size):
        gradient[i] = factor * gradient[i] + decay[i] * parameters[i]


@njit(**KERNEL)
def average_step(average, parameters, decay) -> None:
    """Move a running mean towards the parameters.

    Parameters
    ----------
    average : (P,)
        Replaced by decay average + (1 - decay) parameters.
    parameters : (P,)
        What is averaged.
    decay : float
        How much the mean keeps of itself.
    """
    kept, one = parameters.dtype.type(decay), parameters.dtype.type(1)
    for i in range(parameters.size):
        average[i] = kept * average[i] + (one - kept) * parameters[i]


@njit(**KERNEL)
def mix(scale, x, other_scale, other) -> None:
    """Replace x by scale x + other_scale other.

    Parameters
    ----------
    scale, other_scale : float
        Factors.
    x : (P,)
        Overwritten.
    other : (P,)
        Added.
    """
    own, others = x.dtype.type(scale), x.dtype.type(other_scale)
    for i in range(x.size):
        x[i] = own * x[i] + others * other[i]


@njit(**KERNEL)
def scale(x, divisor) -> None:
    """Replace x by x / divisor, rounded as NumPy does.

    Parameters
    ----------
    x : (P,)
        Overwritten.
    divisor : float
        Rounded to the dtype of x.
    """
    count = x.dtype.type(divisor)
    for i in range(x.size):
        x[i] /= count


@njit(**KERNEL)
def mean_gradient(gradient, count, pushed, pushed_count) -> None:
    """Add the mean gradients of songs and of noise, rounded as NumPy does.  Eq. (23).

    Parameters
    ----------
    gradient : (P,)
        Summed over the frames of songs; replaced by gradient / count + pushed / pushed_count.
    count, pushed_count : int
        Frames of songs and of noise.
    pushed : (P,)
        Summed over the frames of noise, whose weights are negative.
    """
    frames, others = gradient.dtype.type(count), gradient.dtype.type(pushed_count)
    for i in range(gradient.size):
        gradient[i] = gradient[i] / frames + pushed[i] / others


@njit(**KERNEL)
def centre_shift(w, a, b, means, hidden_mean, sign) -> None:
    """Move biases into centred coordinates (sign 1) or out of them (sign -1).  Eq. (25).

    Parameters
    ----------
    w : (H, V)
        W.
    a, b : (V,), (H,)
        Replaced by a + sign nu sum_j W_j and b + sign W mu.
    means : (V,)
        mu, the means of the notes.
    hidden_mean : float
        nu, that of the hidden units.
    sign : int
        1 or -1.
    """
    factor, to_a = w.dtype.type(sign), w.dtype.type(sign * hidden_mean)
    for j in range(w.shape[0]):
        field = w.dtype.type(0)
        for i in range(w.shape[1]):
            a[i] += to_a * w[j, i]
            field += w[j, i] * means[i]
        b[j] += factor * field


@njit(**KERNEL)
def centre_gradient(w, a, b, means, hidden_mean) -> None:
    """Turn the gradient of W into the one in centred coordinates.  Eq. (25).

    Parameters
    ----------
    w : (H, V)
        dE/dW, replaced by dE/dW - (dE/db) mu^T - nu (dE/da)^T.
    a, b : (V,), (H,)
        dE/da and dE/db.
    means : (V,)
        mu, the means of the notes.
    hidden_mean : float
        nu, that of the hidden units.
    """
    nu = w.dtype.type(hidden_mean)
    for j in range(w.shape[0]):
        for i in range(w.shape[1]):
            w[j, i] -= b[j] * means[i] + nu * a[i]
