"""Gaussian-Bernoulli RBM for N frames at once, every frame with biases and variances of its own.

    F(v) = 1/2 sum_i (x_i - alpha_i)^2 - sum_j softplus((W x + b)_j)                        (20)
    p(h_j = 1 | v) = sigmoid((W x + b)_j),   x | h ~ N(alpha + W^T h, 1)                    (22)

with x = exp(-z/2) v and alpha = exp(-z/2) a, in units of the deviations: a Bernoulli RBM's hidden
field, so that its kernels do that part.  Eq. (15), (19)-(22).

Arguments that the functions share are those of midigen.kernels.cpu.rbm, and:
  v, sample    (N, V), states of any value
  z            (N, V), the log-variances of every frame
"""

import math

import numpy as np
from numba import njit

from midigen.kernels.codes import CORRUPT, OVERFLOW, TAIL
from midigen.kernels.cpu import rbm
from midigen.kernels.cpu.blas import gemm
from midigen.kernels.jit import KERNEL, UNFUSED
from midigen.kernels.scalar import f32, softplus

_TURN = f32(2 * math.pi)


@njit(**KERNEL)
def normal_row(key, sweep, row, out) -> None:
    """Draw standard normal numbers for one row, by Box and Muller.

    Parameters
    ----------
    key, sweep, row : int
        The place of the draw.
    out : float32 (4 Q,)
        Overwritten; columns j and 2 Q + j are made of the uniform numbers there in uniform_row.
    """
    rbm.uniform_row(key, sweep, row, out)
    half = out.size // 2
    for j in range(half):
        radius = math.sqrt(f32(-2) * math.log(f32(1) - out[j]))
        angle = _TURN * out[half + j]
        out[j] = radius * math.cos(angle)
        out[half + j] = radius * math.sin(angle)


@njit(**KERNEL)
def scale(v, z, out) -> None:
    """Bring values into units of the deviations.

    Parameters
    ----------
    v : (N, V)
        Values.
    z : (N, V)
        Log-variances.
    out : (N, V)
        Overwritten with exp(-z/2) v.
    """
    minus_half = v.dtype.type(-0.5)
    for i in range(v.shape[0]):
        for j in range(v.shape[1]):
            out[i, j] = v[i, j] * math.exp(minus_half * z[i, j])


@njit(**UNFUSED)
def log_variance(s, low, high, out) -> None:
    """Compute z = low + (high - low) s, rounded as NumPy does.

    Parameters
    ----------
    s : (N, V)
        Sigmoids that the network gives.
    low, high : float
        Bounds of z.
    out : (N, V)
        Overwritten with z.
    """
    start, length = s.dtype.type(low), s.dtype.type(high - low)
    for i in range(s.shape[0]):
        for j in range(s.shape[1]):
            out[i, j] = start + length * s[i, j]


@njit(**KERNEL)
def corrupt(key, noise, dropout, x, first_row) -> None:
    """Add normal noise to values, then drop values, in place.

    key, first_row: see the module.

    Parameters
    ----------
    noise : float
        Standard deviation of the noise, drawn in sweep CORRUPT.
    dropout : float
        As in midigen.kernels.cpu.rbm.corrupt.
    x : (T, V)
        Values.
    """
    count, n = x.shape
    draws = np.empty((n + 3) // 4 * 4, f32)
    if noise > 0:
        deviation = x.dtype.type(noise)
        for t in range(count):
            normal_row(key, CORRUPT, first_row + t, draws)
            for i in range(n):
                x[t, i] += deviation * draws[i]
    rbm.corrupt(key, 0.0, dropout, x, first_row)


@njit(**KERNEL)
def gibbs_chain(v, w, a, b, z, sweeps, beta, key, first_sweep, first_row, out) -> None:
    """Take steps of block Gibbs sampling, Eq. (22).

    v, w, a, b, z, key, first_row: see the module.  The chains start at v.

    Parameters
    ----------
    sweeps : int
        Steps; each draws all hidden units, then all visible ones.
    beta : float
        Inverse temperature, which multiplies all energies, and so divides the variances.
    first_sweep : int
        Step s draws the hidden units with sweep number 2 (first_sweep + s), the visible ones with
        the next.
    out : (N, V)
        Overwritten with the chains' last states.
    """
    count, visible = v.shape
    hidden = w.shape[0]
    inverse, spread = v.dtype.type(beta), v.dtype.type(1 / math.sqrt(beta))
    uniforms, normals = np.empty(hidden + 3, f32), np.empty((visible + 3) // 4 * 4, f32)
    x, alpha = np.empty_like(v), np.empty_like(v)
    scale(v, z, x)
    scale(a, z, alpha)
    for start in range(0, count, rbm.ROWS):
        stop = min(count, start + rbm.ROWS)
        field = np.empty((stop - start, hidden), v.dtype)
        h = np.empty((stop - start, hidden), v.dtype)
        for sweep in range(first_sweep, first_sweep + sweeps):
            for i in range(stop - start):
                for j in range(hidden):
                    field[i, j] = inverse * b[start + i, j]
            gemm(False, True, beta, x[start:stop], w, 1.0, field)
            rbm.sample_bernoulli(key, 2 * sweep, first_row + start, field, uniforms, h)
            for i in range(start, stop):
                normal_row(key, 2 * sweep + 1, first_row + i, normals)
                for j in range(visible):
                    x[i, j] = alpha[i, j] + spread * normals[j]
            gemm(False, False, 1.0, h, w, 1.0, x[start:stop])
    half = v.dtype.type(0.5)
    for i in range(count):
        for j in range(visible):
            out[i, j] = x[i, j] * math.exp(half * z[i, j])


@njit(**KERNEL)
def hidden_probability(v, w, b, z, out) -> None:
    """Compute p(h = 1 | v), Eq. (22).

    v, w, b, z: see the module.

    Parameters
    ----------
    out : (N, H)
        Overwritten.
    """
    x = np.empty_like(v)
    scale(v, z, x)
    rbm.hidden_probability(x, w, b, out)


@njit(**KERNEL)
def free_energy(v, w, a, b, z, out) -> None:
    """Compute the free energy F(v), Eq. (20).

    v, w, a, b, z: see the module.

    Parameters
    ----------
    out : float64 (N,)
        Overwritten.
    """
    x, alpha = np.empty_like(v), np.empty_like(v)
    scale(v, z, x)
    scale(a, z, alpha)
    c = np.empty(b.shape, v.dtype)
    rbm.hidden_field(x, w, b, c)
    for i in range(v.shape[0]):
        energy = 0.0
        for j in range(v.shape[1]):
            energy += 0.5 * (x[i, j] - alpha[i, j]) ** 2
        for j in range(c.shape[1]):
            energy -= softplus(c[i, j])
        out[i] = energy


@njit(**KERNEL)
def add_gradients(v, w, a, b, z, weight, out_a, out_b, out_z, gradient_w) -> None:
    """Add weight_n dF(v_n), Eq. (21).

    v, w, a, b, z: see the module.

    Parameters
    ----------
    weight : (N,)
        Of every frame.
    out_a, out_b, out_z : (N, V), (N, H), (N, V)
        The parts for a, b and z are added to them.
    gradient_w : (H, V)
        The part for W, summed over the frames, is added to it.
    """
    x = np.empty_like(v)
    scale(v, z, x)
    p, back = np.empty(b.shape, v.dtype), np.empty_like(v)
    rbm.hidden_probability(x, w, b, p)
    gemm(False, False, 1.0, p, w, 0.0, back)
    half = v.dtype.type(0.5)
    for i in range(v.shape[0]):
        for j in range(v.shape[1]):
            inverse = math.exp(-half * z[i, j])
            away = (v[i, j] - a[i, j]) * inverse
            out_a[i, j] -= weight[i] * away * inverse
            out_z[i, j] += weight[i] * half * (x[i, j] * back[i, j] - away * away)
        for j in range(w.shape[0]):
            p[i, j] *= weight[i]
            out_b[i, j] -= p[i, j]
    gemm(True, False, -1.0, p, x, 1.0, gradient_w)


@njit(**KERNEL)
def contrast(v, sample, w, a, b, z, weight, out_a, out_b, out_z, gradient_w) -> None:
    """Compute weight_n (dF(v_n) - dF(sample_n)), Eq. (15) with (21).

    That is the gradient of -log p(v_n), estimated, where the samples are drawn from the model.
    v, sample, w, a, b, z: see the module.

    Parameters
    ----------
    weight : (N,)
        Of every frame.
    out_a, out_b, out_z : (N, V), (N, H), (N, V)
        Overwritten with the parts for a, b and z.
    gradient_w : (H, V)
        The part for W, summed over the frames, is added to it.
    """
    out_a[:] = 0
    out_b[:] = 0
    out_z[:] = 0
    add_gradients(v, w, a, b, z, weight, out_a, out_b, out_z, gradient_w)
    add_gradients(sample, w, a, b, z, -weight, out_a, out_b, out_z, gradient_w)


@njit(**KERNEL)
def pseudo_log_likelihood(v, w, a, b, z, out) -> None:
    """Compute sum_i log p(v_i | all other visible units), of densities, in nats.

    v, w, a, b, z: see the module.  With t = x_i - alpha_i and f the hidden field at t = 0,

        p(t | the others) ~ exp(-t^2/2) prod_j (1 + exp(f_j + W_ji t)),

    a mixture of Gaussians of deviation 1 whose means lie between the sums of the negative and of
    the positive entries of column i of W.  The trapezoid rule with step 1 over that range and TAIL
    more integrates it to 1e-8.

    Parameters
    ----------
    out : float64 (N,)
        Overwritten.
    """
    count, visible = v.shape
    hidden = w.shape[0]
    x, alpha, c = np.empty_like(v), np.empty_like(v), np.empty(b.shape, v.dtype)
    scale(v, z, x)
    scale(a, z, alpha)
    rbm.hidden_field(x, w, b, c)
    for n in range(count):
        out[n] = 0.0
        for j in range(hidden):
            out[n] += visible * softplus(c[n, j])
    for i in range(visible):
        low, high = -TAIL, TAIL
        for j in range(hidden):
            low += min(w[j, i], 0.0)
            high += max(w[j, i], 0.0)
        t = low + np.arange(int(math.ceil(high - low)) + 1)
        table = np.exp(np.outer(w[:, i].astype(np.float64), t))
        for n in range(count):
            now = np.float64(x[n, i]) - np.float64(alpha[n, i])
            out[n] -= 0.5 * now * now + 0.5 * z[n, i] + _log_integral(c[n], w[:, i], now, t, table)


@njit(**KERNEL)
def _log_integral(c, column, now, t, table):
    """Log of the integral over t of exp(-t^2/2) prod_j (1 + exp(f_j + W_ji t)).

    f_j = c_j - W_ji now; column is W_ji for all j, and table is exp(W_ji t).
    """
    logs = -0.5 * t * t
    product = np.ones(t.size)
    size = 0.0  # an upper bound on log(product)
    for j in range(c.size):
        weight = np.float64(column[j])
        field = np.float64(c[j]) - weight * now
        bound = 0.7 + abs(field) + abs(weight) * max(-t[0], t[-1])
        if bound > OVERFLOW:  # too large for any product, and rare
            for k in range(t.size):
                logs[k] += softplus(field + weight * t[k])
            continue
        if size + bound > OVERFLOW:
            logs += np.log(product)
            product[:] = 1.0
            size = 0.0
        size += bound
        odds = math.exp(field)
        for k in range(t.size):
            product[k] *= 1.0 + odds * table[j, k]
    logs += np.log(product)
    peak = logs.max()
    return peak + math.log(np.exp(logs - peak).sum())
