"""Gaussian-Bernoulli RBM for N frames at once, every frame with biases and variances of its own.  Eq. (15), (19)-(22).

Axes: N frames, V visible units, H hidden units.  W is (H, V); v, a and z (N, V), b (N, H), rows contiguous; z is the
log-variance.
In units of the deviations, x = exp(-z/2) v and alpha = exp(-z/2) a, the hidden field is W x + b as in a Bernoulli RBM,
whose kernels do that part, and x | h ~ N(alpha + W^T h, 1).  Names and argument order are those of kernels/cpu/rbm.py.
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
def normal_row(key, sweep, row, out):
    """out (4 Q,) float32 <- standard normal numbers of one row, by Box and Muller from those of uniform_row."""
    rbm.uniform_row(key, sweep, row, out)
    half = out.size // 2
    for j in range(half):
        radius = math.sqrt(f32(-2) * math.log(f32(1) - out[j]))
        angle = _TURN * out[half + j]
        out[j] = radius * math.cos(angle)
        out[half + j] = radius * math.sin(angle)


@njit(**KERNEL)
def scale(v, z, out):
    """out (N, V) <- exp(-z/2) v: v in units of the deviations."""
    minus_half = v.dtype.type(-0.5)
    for i in range(v.shape[0]):
        for j in range(v.shape[1]):
            out[i, j] = v[i, j] * math.exp(minus_half * z[i, j])


@njit(**UNFUSED)
def log_variance(s, low, high, out):
    """out (N, V) <- z = low + (high - low) s, of the network's sigmoids s (N, V)."""
    start, length = s.dtype.type(low), s.dtype.type(high - low)
    for i in range(s.shape[0]):
        for j in range(s.shape[1]):
            out[i, j] = start + length * s[i, j]


@njit(**KERNEL)
def corrupt(key, noise, dropout, x, first_row):
    """Values x (T, V), in place: normal numbers of deviation `noise` are added, then `dropout` as in rbm.corrupt."""
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
def gibbs_chain(v, w, a, b, z, sweeps, beta, key, first_sweep, first_row, out):
    """`sweeps` steps of block Gibbs sampling from v at inverse temperature beta, Eq. (22); out (N, V) is overwritten.

    beta divides the variance too.  Sweep s draws the hidden units with counter 2 (first_sweep + s), the visible ones
    with the next.
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
def hidden_probability(v, w, b, z, out):
    """out (N, H) <- p(h = 1 | v), Eq. (22)."""
    x = np.empty_like(v)
    scale(v, z, x)
    rbm.hidden_probability(x, w, b, out)


@njit(**KERNEL)
def free_energy(v, w, a, b, z, out):
    """out (N,) float64 <- F(v), Eq. (20)."""
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
def add_gradients(v, w, a, b, z, weight, out_a, out_b, out_z, gradient_w):
    """weight_n dF(v_n), Eq. (21), added to out_a, out_z (N, V), out_b (N, H) and, summed over n, gradient_w (H, V)."""
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
def contrast(v, sample, w, a, b, z, weight, out_a, out_b, out_z, gradient_w):
    """weight_n (dF(v_n) - dF(sample_n)), Eq. (15) with (21): -log p's gradient where sample is drawn from the model.

    weight (N,); out_a, out_z (N, V) and out_b (N, H) are overwritten, gradient_w (H, V) is added to.
    """
    out_a[:] = 0
    out_b[:] = 0
    out_z[:] = 0
    add_gradients(v, w, a, b, z, weight, out_a, out_b, out_z, gradient_w)
    add_gradients(sample, w, a, b, z, -weight, out_a, out_b, out_z, gradient_w)


@njit(**KERNEL)
def pseudo_log_likelihood(v, w, a, b, z, out):
    """out (N,) float64 <- sum_i log p(v_i | all other visible units), densities, in nats.

    With t = x_i - alpha_i, p(t | the others) ~ exp(-t^2/2) prod_j (1 + exp(f_j + W_ji t)), f the hidden field at 0: a
    mixture of Gaussians of deviation 1 whose means lie between the sums of W's negative and positive entries of
    column i.  The trapezoid rule with step 1 over that range and TAIL more integrates it to 1e-8.
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
    """log of the integral over t of exp(-t^2/2) prod_j (1 + exp(f_j + W_ji t)); f_j = c_j - W_ji now; table exp(Wt)."""
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
