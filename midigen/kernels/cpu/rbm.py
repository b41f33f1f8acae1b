"""Bernoulli RBM for N frames at once, every frame with biases of its own.  Eq. (15)-(18).

    F(v) = -a^T v - sum_j softplus((W v + b)_j)                                             (16)
    p(h_j = 1 | v) = sigmoid((W v + b)_j),   p(v_i = 1 | h) = sigmoid((W^T h + a)_i)        (18)

In a group of visible units at most one is on; with their fields s = W^T h + a,

    p(v_i = 1 | h) = e^s_i / (1 + sum_k e^s_k),   p(none | h) = 1 / (1 + sum_k e^s_k)       (29)

It is the case K = 1 of units that are independent but for their number,

    p(v | h) ~ prod_i e^(s_i v_i)   where   sum_i v_i <= K,   else 0                        (31)

Arguments that the functions share; float arrays are all float32 or all float64:
  N, V, H      frames, visible units, hidden units
  v, sample    (N, V), states of 0 and 1
  w            (H, V), W
  a, b         (N, V) and (N, H), the visible and hidden biases of every frame; rows contiguous
  groups       int64 (G, 2), first column, and the one behind the last, of every group, from left to
               right; no two overlap.  Where draws are made a third column, (G, 3), may give each
               group a K of its own, 1..MOST_ON
  key          uint64, of all draws of a call
  first_row    int: row n draws as row first_row + n
Random draws depend on (key, sweep, row, column) alone, so that they are the same on any number of
threads.
"""

import numpy as np
from numba import njit

from midigen.kernels.codes import CORRUPT, FACTORS
from midigen.kernels.cpu.blas import gemm
from midigen.kernels.jit import KERNEL
from midigen.kernels.scalar import f32, f64, philox, shrink, sigmoid, softplus, u64, uniform

_LOW, _WORD = u64(0xFFFFFFFF), u64(32)
TWO_TO_500 = 2.0**500
ROWS = 64  # frames that go through all sweeps together: W and states stay in the core's cache


@njit(**KERNEL)
def uniform_row(key, sweep, row, out) -> None:
    """Draw uniform numbers in [0, 1) for one row.

    Parameters
    ----------
    key, sweep, row : int
        The place of the draw.
    out : float32 (4 Q,)
        Overwritten; column j is word j // Q of Philox at counter j mod Q.
    """
    quarter = out.size // 4
    first, second = out[:quarter], out[quarter : 2 * quarter]
    third, fourth = out[2 * quarter : 3 * quarter], out[3 * quarter :]
    k0, k1 = u64(key) & _LOW, u64(key) >> _WORD
    row, sweep = u64(row), u64(sweep)
    for j in range(quarter):
        w0, w1, w2, w3 = philox(u64(j), row, sweep, u64(0), k0, k1)
        first[j] = uniform(w0)
        second[j] = uniform(w1)
        third[j] = uniform(w2)
        fourth[j] = uniform(w3)


@njit(**KERNEL)
def sample_bernoulli(key, sweep, first_row, field, noise, out) -> None:
    """Draw units that are on with probability sigmoid(field).

    key, first_row: see the module.

    Parameters
    ----------
    sweep : int
        Of the draw.
    field : (N, n)
        Log-odds of the units.
    noise : float32 (n + 3 or more,)
        A buffer, overwritten.
    out : (N, n)
        Overwritten with 0 and 1.
    """
    count, n = field.shape
    width = (n + 3) // 4 * 4
    zero, one = out.dtype.type(0), out.dtype.type(1)
    for i in range(count):
        uniform_row(key, sweep, first_row + i, noise[:width])
        for j in range(n):
            out[i, j] = one if noise[j] < sigmoid(field[i, j]) else zero


@njit(**KERNEL)
def _shares(field, out):
    """Write e^(s_j - M), M = max(0, max s), of a group's fields s to out; returns e^-M."""
    top = field.dtype.type(0)
    for j in range(field.size):
        top = max(top, field[j])
    for j in range(field.size):
        out[j] = shrink(field[j] - top)
    return shrink(-top)


@njit(**KERNEL)
def _sample_at_most(field, most, uniforms, within, out) -> None:
    """Draw n units of one row of which at most `most` are on, Eq. (33).

    within (n + 1, most + 1 or more) is a table of float64, overwritten: within[i, k] is in
    proportion to the chance that of the units from i on at most k are on.
    """
    n, one, zero = field.size, out.dtype.type(1), out.dtype.type(0)
    within[n, : most + 1] = 1.0
    for i in range(n - 1, -1, -1):
        # both from exponentials: neither is 0 where the other is nearly 1
        on, off = 1.0 / (1.0 + np.exp(-f64(field[i]))), 1.0 / (1.0 + np.exp(f64(field[i])))
        within[i, 0] = off * within[i + 1, 0]
        for k in range(1, most + 1):
            within[i, k] = off * within[i + 1, k] + on * within[i + 1, k - 1]
        for k in range(most + 1):  # the last one, the largest, becomes 1
            within[i, k] /= within[i, most]
    left = most
    for i in range(n):
        on, off = 1.0 / (1.0 + np.exp(-f64(field[i]))), 1.0 / (1.0 + np.exp(f64(field[i])))
        with_it = on * within[i + 1, left - 1] if left > 0 else 0.0
        drawn = f64(uniforms[i]) * (with_it + off * within[i + 1, left]) < with_it
        out[i] = one if drawn else zero
        left -= 1 if drawn else 0


@njit(**KERNEL)
def sample_groups(key, sweep, first_row, field, groups, out) -> None:
    """Draw the units of groups, Eq. (29), (33), of which at most one is on, or at most K.

    key, first_row, groups: see the module.  A group's draw is made of the uniform number of its
    first column in uniform_row or, where more than one may be on, of those of all its columns.

    Parameters
    ----------
    sweep : int
        Of the draw.
    field : (N, n)
        The units' fields.
    out : (N, n)
        The groups' columns are overwritten with 0 and 1, and no others.
    """
    count, n = field.shape
    quarter = (n + 3) // 4
    k0, k1 = u64(key) & _LOW, u64(key) >> _WORD
    zero, one = out.dtype.type(0), out.dtype.type(1)
    widest, most = 0, 1
    for g in range(groups.shape[0]):
        widest = max(widest, groups[g, 1] - groups[g, 0])
        if groups.shape[1] > 2:
            most = max(most, groups[g, 2])
    shares = np.empty(widest, field.dtype)
    noise = np.empty(4 * quarter if most > 1 else 0, f32)
    within = np.empty((widest + 1 if most > 1 else 0, most + 1))
    for g in range(groups.shape[0]):
        first, stop = groups[g, 0], groups[g, 1]
        if groups.shape[1] > 2 and groups[g, 2] > 1:
            for i in range(count):
                uniform_row(key, sweep, first_row + i, noise)
                _sample_at_most(
                    field[i, first:stop],
                    groups[g, 2],
                    noise[first:stop],
                    within,
                    out[i, first:stop],
                )
            continue
        for i in range(count):
            none = _shares(field[i, first:stop], shares[: stop - first])
            total = none
            for j in range(stop - first):
                total += shares[j]
            words = philox(u64(first % quarter), u64(first_row + i), u64(sweep), u64(0), k0, k1)
            x = field.dtype.type(uniform(words[first // quarter])) * total
            for j in range(first, stop):
                out[i, j] = zero
            if x < none:
                continue
            chosen, reached = first, none + shares[0]
            while not x < reached and chosen + 1 < stop:
                chosen += 1
                reached += shares[chosen - first]
            out[i, chosen] = one


@njit(**KERNEL)
def corrupt(key, noise, dropout, x, first_row) -> None:
    """Flip notes, then drop notes, in place.

    key, first_row: see the module.

    Parameters
    ----------
    noise : float
        Probability that a note is flipped, drawn in sweep CORRUPT.
    dropout : float
        Probability that a note is then dropped, drawn in sweep CORRUPT + 1.  Notes that are kept
        are scaled by 1 / (1 - dropout), so that the mean stays.
    x : (T, V)
        Notes of 0 and 1.
    """
    count, n = x.shape
    draws = np.empty((n + 3) // 4 * 4, f32)
    one, scale = x.dtype.type(1), x.dtype.type(1 / (1 - dropout))
    for t in range(count):
        if noise > 0:
            uniform_row(key, CORRUPT, first_row + t, draws)
            for i in range(n):
                if draws[i] < noise:
                    x[t, i] = one - x[t, i]
        if dropout > 0:
            uniform_row(key, CORRUPT + 1, first_row + t, draws)
            for i in range(n):
                x[t, i] = x[t, i] * scale if draws[i] >= dropout else x.dtype.type(0)


@njit(**KERNEL)
def gibbs_chain(v, w, a, b, groups, sweeps, beta, key, first_sweep, first_row, out) -> None:
    """Take steps of block Gibbs sampling, Eq. (18), (29).

    v, w, a, b, groups, key, first_row: see the module.  The chains start at v.

    Parameters
    ----------
    sweeps : int
        Steps; each draws all hidden units, then all visible ones.
    beta : float
        Inverse temperature, which multiplies all energies.
    first_sweep : int
        Step s draws the hidden units with sweep number 2 (first_sweep + s), the visible ones with
        the next.
    out : (N, V)
        Overwritten with the chains' last states.
    """
    count, visible = v.shape
    hidden = w.shape[0]
    rows = min(ROWS, count)
    h = np.empty((rows, hidden), v.dtype)
    noise = np.empty(max(hidden, visible) + 3, f32)
    inverse = v.dtype.type(beta)
    out[:] = v
    for start in range(0, count, rows):
        stop = min(count, start + rows)
        n = stop - start
        field_v = np.empty((n, visible), v.dtype)
        field_h = np.empty((n, hidden), v.dtype)
        for sweep in range(first_sweep, first_sweep + sweeps):
            for i in range(n):
                for j in range(hidden):
                    field_h[i, j] = inverse * b[start + i, j]
            gemm(False, True, beta, out[start:stop], w, 1.0, field_h)
            sample_bernoulli(key, 2 * sweep, first_row + start, field_h, noise, h[:n])
            for i in range(n):
                for j in range(visible):
                    field_v[i, j] = inverse * a[start + i, j]
            gemm(False, False, beta, h[:n], w, 1.0, field_v)
            sample_bernoulli(key, 2 * sweep + 1, first_row + start, field_v, noise, out[start:stop])
            sample_groups(key, 2 * sweep + 1, first_row + start, field_v, groups, out[start:stop])


@njit(**KERNEL)
def hidden_field(v, w, b, out) -> None:
    """Compute W v + b, the argument of Eq. (16)-(18).

    v, w, b: see the module.

    Parameters
    ----------
    out : (N, H)
        Overwritten.
    """
    out[:] = b
    gemm(False, True, 1.0, v, w, 1.0, out)


@njit(**KERNEL)
def hidden_probability(v, w, b, out) -> None:
    """Compute p(h = 1 | v), Eq. (18).

    v, w, b: see the module.

    Parameters
    ----------
    out : (N, H)
        Overwritten.
    """
    hidden_field(v, w, b, out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = sigmoid(out[i, j])


@njit(**KERNEL)
def visible_probability(h, w, a, groups, out) -> None:
    """Compute p(v = 1 | h), Eq. (18), (29).

    w, a, groups: see the module.

    Parameters
    ----------
    h : (N, H)
        States of the hidden units, or their probabilities, which gives the mean field.
    out : (N, V)
        Overwritten with sigmoid(h W + a), in groups with their shares of 1 + sum_k e^s_k.
    """
    out[:] = a
    gemm(False, False, 1.0, h, w, 1.0, out)
    for i in range(out.shape[0]):
        behind = 0  # the columns before it are done
        for g in range(groups.shape[0]):
            first, stop = groups[g, 0], groups[g, 1]
            for j in range(behind, first):
                out[i, j] = sigmoid(out[i, j])
            total = _shares(out[i, first:stop], out[i, first:stop])
            for j in range(first, stop):
                total += out[i, j]
            for j in range(first, stop):
                out[i, j] /= total
            behind = stop
        for j in range(behind, out.shape[1]):
            out[i, j] = sigmoid(out[i, j])


@njit(**KERNEL)
def free_energy(v, w, a, b, out) -> None:
    """Compute the free energy F(v), Eq. (16).

    v, w, a, b: see the module.

    Parameters
    ----------
    out : float64 (N,)
        Overwritten.
    """
    c = np.empty(b.shape, v.dtype)
    hidden_field(v, w, b, c)
    for i in range(v.shape[0]):
        energy = 0.0
        for j in range(v.shape[1]):
            energy -= a[i, j] * v[i, j]
        for j in range(c.shape[1]):
            energy -= softplus(c[i, j])
        out[i] = energy


@njit(**KERNEL)
def pair_energies(v, w, a, b, out) -> None:
    """Compute the free energy of every state in every RBM, F_n(v_s), Eq. (16).

    w, a, b: see the module.

    Parameters
    ----------
    v : (S, V)
        States.
    out : float64 (N, S)
        Overwritten.
    """
    count, samples, hidden = a.shape[0], v.shape[0], w.shape[0]
    fields, linear = np.empty((samples, hidden), v.dtype), np.empty((count, samples), v.dtype)
    gemm(False, True, 1.0, v, w, 0.0, fields)
    gemm(False, True, 1.0, a, v, 0.0, linear)
    above, factor = np.empty(hidden, v.dtype), np.empty(hidden, v.dtype)
    for n in range(count):
        for s in range(samples):
            for j in range(hidden):  # log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)
                x = fields[s, j] + b[n, j]
                above[j] = max(x, v.dtype.type(0))
                factor[j] = v.dtype.type(1) + shrink(-abs(x))
            energy, product = -f64(linear[n, s]), 1.0
            for j in range(hidden):
                energy -= above[j]
                product *= factor[j]
                if product > TWO_TO_500:
                    energy -= np.log(product)
                    product = 1.0
            out[n, s] = energy - np.log(product)


@njit(**KERNEL)
def contrast(v, sample, w, a, b, weight, out_a, out_b, gradient_w) -> None:
    """Compute weight_n (dF(v_n) - dF(sample_n)), Eq. (15) with (17).

    That is the gradient of -log p(v_n), estimated, where the samples are drawn from the model.
    v, sample, w, a, b: see the module.  a cancels; the Gaussian twin has a use for it.

    Parameters
    ----------
    weight : (N,)
        Of every frame.
    out_a, out_b : (N, V), (N, H)
        Overwritten with the parts for a and b.
    gradient_w : (H, V)
        The part for W, summed over the frames, is added to it.
    """
    count = v.shape[0]
    p_data = np.empty((count, w.shape[0]), v.dtype)
    p_model = np.empty((count, w.shape[0]), v.dtype)
    hidden_probability(v, w, b, p_data)
    hidden_probability(sample, w, b, p_model)
    for i in range(count):
        for j in range(v.shape[1]):
            out_a[i, j] = weight[i] * (sample[i, j] - v[i, j])
        for j in range(w.shape[0]):
            p_data[i, j] *= weight[i]
            p_model[i, j] *= weight[i]
            out_b[i, j] = p_model[i, j] - p_data[i, j]
    gemm(True, False, 1.0, p_model, sample, 1.0, gradient_w)
    gemm(True, False, -1.0, p_data, v, 1.0, gradient_w)


@njit(**KERNEL)
def pseudo_log_likelihood(v, w, a, b, groups, out) -> None:
    """Compute sum_i log p(v_i | all other visible units), exactly, in nats.

    v, w, a, b, groups: see the module.  Flipping v_i changes F by -+a_i and by
    sum_j log(1 + p_j (exp(+-W_ji) - 1)), so that one pass over W does all flips.  A group counts
    as one unit: moving the note that is on from i to k changes F by the same with a_k - a_i and
    W_jk - W_ji.

    Parameters
    ----------
    out : float64 (N,)
        Overwritten.
    """
    visible, hidden = v.shape[1], w.shape[0]
    up, down = np.empty((hidden, visible)), np.empty((hidden, visible))
    for j in range(hidden):
        for i in range(visible):
            up[j, i] = np.exp(np.float64(w[j, i])) - 1.0
            down[j, i] = np.exp(-np.float64(w[j, i])) - 1.0
    p = np.empty(b.shape, v.dtype)
    hidden_probability(v, w, b, p)
    product, change = np.empty(visible), np.empty(visible)
    alone = _in_no_group(groups, visible)
    for n in range(v.shape[0]):
        product[:] = 1.0
        for i in range(visible):
            change[i] = a[n, i] * (1.0 - 2.0 * v[n, i])
        for j in range(hidden):
            pj = np.float64(p[n, j])
            for i in range(visible):
                product[i] *= 1.0 + pj * (down[j, i] if v[n, i] > 0.5 else up[j, i])
            if j % FACTORS == FACTORS - 1 or j == hidden - 1:
                for i in range(visible):
                    change[i] += np.log(product[i])
                    product[i] = 1.0
        out[n] = 0.0
        for i in range(visible):
            if alone[i]:
                out[n] -= softplus(change[i])
        for g in range(groups.shape[0]):
            out[n] -= _log_states(v[n], p[n], a[n], up, down, groups[g, 0], groups[g, 1])


@njit(**KERNEL)
def _in_no_group(groups, visible):
    """Tell which visible units are in no group, bool (V,)."""
    alone = np.ones(visible, np.bool_)
    for g in range(groups.shape[0]):
        alone[groups[g, 0] : groups[g, 1]] = False
    return alone


@njit(**KERNEL)
def _log_states(v, p, a, up, down, first, stop):
    """Log of the sum over a group's states of exp(F(v) - F(that state in place of v's)).

    p is p(h = 1 | v); up and down are exp(W) - 1 and exp(-W) - 1.
    """
    size, on = stop - first, -1
    for i in range(first, stop):
        if v[i] > 0.5:
            on = i
    change, product = np.empty(size + 1), np.ones(size + 1)
    for k in range(size):
        change[k] = a[first + k]
    change[size] = 0.0  # none
    if on >= 0:
        change -= np.float64(a[on])
    for j in range(p.size):
        pj = np.float64(p[j])
        back = 1.0 + down[j, on] if on >= 0 else 1.0
        for k in range(size):
            product[k] *= 1.0 + pj * ((1.0 + up[j, first + k]) * back - 1.0)
        product[size] *= 1.0 + pj * (back - 1.0)
        # two weights in each factor
        if j % (FACTORS // 2) == FACTORS // 2 - 1 or j == p.size - 1:
            change += np.log(product)
            product[:] = 1.0
    top = change.max()
    return top + np.log(np.exp(change - top).sum())
