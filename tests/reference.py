"""docs/mathematics.md in slow NumPy, equation by equation: what the kernels are held to.

Everything is float64, one frame at a time, and shares no code with midigen.  A network is a list of
(W, b) and, for each layer, a list of activation names; its output is u = [r; y].
"""

import itertools

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(0, x)


PHI = {
    "linear": lambda s: s,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "leaky": lambda s: np.where(s > 0, s, 0.01 * s),
}
SLOPE = {
    "linear": np.ones_like,
    "tanh": lambda s: 1 - np.tanh(s) ** 2,
    "sigmoid": lambda s: sigmoid(s) * sigmoid(-s),
    "softplus": sigmoid,
    "leaky": lambda s: np.where(s > 0, 1.0, 0.01),
}


def apply(functions, names, s):
    """phi or phi' with a name for each unit."""
    return np.array([functions[name](s_i) for name, s_i in zip(names, s, strict=True)])


def forward(layers, names, x):
    """Eq. (1): the inputs x^(0)..x^(L-1) of every layer, the local fields s^(1)..s^(L), and y."""
    inputs, fields = [], []
    for (w, b), layer_names in zip(layers, names, strict=True):
        inputs.append(x)
        fields.append(w @ x + b)
        x = apply(PHI, layer_names, fields[-1])
    return inputs, fields, x


def local_gradients(layers, names, fields):
    """Eq. (2)-(3): D^(1)..D^(L)."""
    d = np.diag(apply(SLOPE, names[-1], fields[-1]))
    result = [d]
    for k in range(len(layers) - 1, 0, -1):
        d = d @ layers[k][0] @ np.diag(apply(SLOPE, names[k - 1], fields[k - 1]))
        result.insert(0, d)
    return result


def weight_jacobian(layers, names, x):
    """Eq. (4): dy/dw (n_L, P), columns in the order of the flat parameters ([W | b] row by row)."""
    inputs, fields, _ = forward(layers, names, x)
    blocks = []
    for d, below in zip(local_gradients(layers, names, fields), inputs, strict=True):
        one = np.append(below, 1.0)
        blocks += [np.outer(d[:, j], one) for j in range(d.shape[1])]
    return np.concatenate(blocks, axis=1)


def input_jacobian(layers, names, x):
    """Eq. (5): dy/dx."""
    _, fields, _ = forward(layers, names, x)
    return local_gradients(layers, names, fields)[0] @ layers[0][0]


def policy_gradient(policy, policy_names, critic, critic_names, x, maps):
    """Eq. (7) for one state: q and dq/dw_mu.

    maps: (W, b) by name, the identity where there is none.
    """

    def mapped(name, z):
        return maps[name][0] @ z + maps[name][1] if name in maps else z

    def slope(name, n):
        return maps[name][0] if name in maps else np.eye(n)

    seen = mapped("before_policy", x)
    mu = forward(policy, policy_names, seen)[2]
    joined = np.concatenate([x, mapped("after_policy", mu)])
    z = mapped("before_critic", joined)
    q = mapped("after_critic", forward(critic, critic_names, z)[2])
    by_action = slope("before_critic", len(joined))[:, len(x) :]
    gradient = (
        slope("after_critic", 1)
        @ input_jacobian(critic, critic_names, z)
        @ by_action
        @ slope("after_policy", len(mu))
        @ weight_jacobian(policy, policy_names, seen)
    )
    return q[0], gradient[0]


def rtrl(layers, names, recurrent, xs, loss_gradient):
    """Eq. (8)-(10) as they stand, the whole du/dw carried: u (T, n_L) and dE/dw (P,).

    loss_gradient(t, u) is de_t/du_t.
    """
    r = np.zeros(recurrent)
    influence = np.zeros((recurrent, sum(w.size + b.size for w, b in layers)))
    us, gradient = [], 0
    for t, x in enumerate(xs):
        joined = np.concatenate([x, r])
        by_r = input_jacobian(layers, names, joined)[:, len(x) :]
        du_dw = weight_jacobian(layers, names, joined) + by_r @ influence
        u = forward(layers, names, joined)[2]
        gradient = gradient + loss_gradient(t, u) @ du_dw
        influence, r = du_dw[:recurrent], u[:recurrent]
        us.append(u)
    return np.array(us), gradient


def free_energy(v, w, a, b):
    """Eq. (16) for one frame."""
    return -a @ v - softplus(w @ v + b).sum()


def free_energy_gradients(v, w, a, b):
    """Eq. (17): dF/da, dF/db, dF/dW for one frame."""
    p = sigmoid(w @ v + b)
    return -v, -p, -np.outer(p, v)


def all_states(n):
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def is_allowed(v, groups):
    """Whether at most one of each group (first, stop) is on, at most K of (first, stop, K)."""
    return all(v[first:stop].sum() <= (most or [1])[0] for first, stop, *most in groups)


def allowed_states(n, groups):
    """The states of n units that groups allow, Eq. (29), (33)."""
    states = all_states(n)
    return states[[is_allowed(v, groups) for v in states]]


def log_partition(w, a, b, groups=()):
    """log of the sum over all visible states of exp(-F)."""
    states = allowed_states(len(a), groups)
    return np.logaddexp.reduce([-free_energy(v, w, a, b) for v in states])


def negative_log_likelihood(v, w, a, b, groups=()):
    """-log p(v) of one frame."""
    return free_energy(v, w, a, b) + log_partition(w, a, b, groups)


def negative_log_likelihood_gradients(v, w, a, b, groups=()):
    """Eq. (15), the expectation summed over all visible states."""
    log_z = log_partition(w, a, b, groups)
    result = [np.array(g) for g in free_energy_gradients(v, w, a, b)]
    for state in allowed_states(len(a), groups):
        p = np.exp(-free_energy(state, w, a, b) - log_z)
        for total, g in zip(result, free_energy_gradients(state, w, a, b), strict=True):
            total -= p * g
    return result


def alone(n, groups):
    """The units that are in no group."""
    return [i for i in range(n) if not any(first <= i < stop for first, stop, *_ in groups)]


def pseudo_log_likelihood(v, w, a, b, groups=()):
    """sum_i log p(v_i | the others), each from two free energies; a group is one unit."""
    total = 0.0
    ranges = [(i, i + 1) for i in alone(len(v), groups)] + [tuple(group) for group in groups]
    for first, stop in ranges:
        energies = []
        for choice in np.eye(stop - first + 1)[:, 1:]:  # none on, then each alone
            other = v.copy()
            other[first:stop] = choice
            energies.append(free_energy(other, w, a, b))
        total -= free_energy(v, w, a, b) + np.logaddexp.reduce(-np.array(energies))
    return total


def visible_probability(field, groups):
    """Eq. (18) of one frame, and (29) in groups."""
    p = sigmoid(field)
    for first, stop in groups:
        p[first:stop] = np.exp(field[first:stop]) / (1 + np.exp(field[first:stop]).sum())
    return p


def at_most_draw(field, most, uniforms):
    """A state of n units of which at most `most` are on, unit by unit from its own chance."""
    states = allowed_states(len(field), [(0, len(field), most)])
    for i, u in enumerate(uniforms):
        weights = np.exp(states @ field - (states @ field).max())
        on = u < weights[states[:, i] > 0].sum() / weights.sum()
        states = states[states[:, i] == on]
    return states[0]


def visible_draw(field, groups, uniforms):
    """A state of one frame from a uniform number for each column.

    A group has the first column's, or all of its columns' where more than one may be on.
    """
    v = (uniforms < sigmoid(field)).astype(float)
    for first, stop, *most in groups:
        if most and most[0] > 1:
            v[first:stop] = at_most_draw(field[first:stop], most[0], uniforms[first:stop])
            continue
        p = visible_probability(field[first:stop], [(0, stop - first)])
        v[first:stop] = 0
        reached = 1 - p.sum()  # none
        for j in range(first, stop):
            if reached <= uniforms[first] < reached + p[j - first]:
                v[j] = 1
            reached += p[j - first]
    return v


def gate_planes(gates, rows, part, gate, lines, interval_gates, intervals, last):
    """phi_k of Eq. (27) for one frame: (K, V); rows (S, V) and last (L,) are that frame's."""
    phi = np.zeros((gates, len(part)))
    for s, gate_of in enumerate(gate):
        for i, p in enumerate(part):
            if gate_of[p] >= 0:
                phi[gate_of[p], i] += rows[s, i]
    for (first, stop), k, pitch in zip(lines, interval_gates, last, strict=True):
        for n, d in enumerate(intervals):
            if k >= 0 and pitch >= 0 and first <= pitch + d < stop:
                phi[k + n, pitch + d] += 1
    return phi


def latest_notes(song, t, lines):
    """The latest frame before t in which each line has any column, and the highest; -1 for none."""
    found = []
    for first, stop in lines:
        notes = [(n, i) for n in range(t) for i in range(first, stop) if song[n, i] > 0]
        found.append(max(notes, default=(-1, -1)))
    return found


def recalled(song, t, lines):
    """The columns of each line, in the latest frame before t in which it has any, in a row."""
    latest = [(n, line) for (n, _), line in zip(latest_notes(song, t, lines), lines, strict=True)]
    return [song[n, i] if n >= 0 else 0 for n, line in latest for i in range(*line)]


def sources(song, t, lines, back):
    """What the gates may copy before frame t: (S, V), the latest frames of the lines first."""
    frames = [n for n, _ in latest_notes(song, t, lines)] + [t - n if n else -1 for n in back]
    return np.array([song[n] if n >= 0 else 0 * song[0] for n in frames])


class TinyRnnRbm:
    """An RNN-RBM with context, lines and gates, Eq. (26)-(27), at an inverse temperature.

    copying is None or (part, gate, lines, heard_lines, interval_gates, intervals), as
    `gate_planes` has them; context (T, C), back (T, S - L).  groups as in `allowed_states`.
    """

    def __init__(self, layers, names, w, recurrent, context, back, copying, groups, beta):
        self.layers, self.names, self.w, self.recurrent = layers, names, w, recurrent
        self.context, self.back, self.copying = context, back, copying
        self.groups, self.beta = groups, beta

    def biases(self, song, t, r):
        """beta a', beta b and r_t of frame t, after the frames of a song before it and r_{t-1}."""
        part, gate, lines, heard, interval_gates, intervals = self.copying
        before = song[t - 1] if t else np.zeros(self.w.shape[1])
        x = np.concatenate([before, recalled(song, t, lines[:heard]), self.context[t], r])
        u = forward(self.layers, self.names, x)[2]
        hidden, visible = self.w.shape
        at = self.recurrent + visible
        a, b, g = u[self.recurrent : at], u[at : at + hidden], u[at + hidden :]
        rows = sources(song, t, lines, self.back[t])
        last = [column for _, column in latest_notes(song, t, lines)]
        a = a + g @ gate_planes(len(g), rows, part, gate, lines, interval_gates, intervals, last)
        return self.beta * a, self.beta * b, u[: self.recurrent]

    def log_probability(self, song):
        """log p(v_1 .. v_T), the sum of -F(v_t) - log Z_t."""
        total, r = 0.0, np.zeros(self.recurrent)
        for t, v in enumerate(song):
            a, b, r = self.biases(song, t, r)
            total -= negative_log_likelihood(v, self.beta * self.w, a, b, self.groups)
        return total


def conditional(model, frames):
    """p(song | every frame t is one of the states frames[t]), by enumeration: songs and p."""
    songs = [np.array(song) for song in itertools.product(*frames)]
    log_p = np.array([model.log_probability(song) for song in songs])
    return songs, np.exp(log_p - np.logaddexp.reduce(log_p))


def particle_filter(model, frames, count, rng):
    """The same by `count` particles, Eq. (32): songs, and log weights since the last resampling.

    Frame t of each is drawn among the states frames[t], and weighed by their share of Z_t.
    """
    songs, log_w = np.zeros((count, len(frames), model.w.shape[1])), np.zeros(count)
    r = np.zeros((count, model.recurrent))
    for t, states in enumerate(frames):
        if np.exp(2 * np.logaddexp.reduce(log_w) - np.logaddexp.reduce(2 * log_w)) < count / 2:
            reached = np.cumsum(np.exp(log_w - np.logaddexp.reduce(log_w)))
            those = np.searchsorted(reached, (rng.random() + np.arange(count)) / count)
            songs, r, log_w = songs[those], r[those], np.zeros(count)
        for n in range(count):
            a, b, r[n] = model.biases(songs[n], t, r[n])
            minus_f = np.array([-free_energy(v, model.beta * model.w, a, b) for v in states])
            log_z = np.logaddexp.reduce(minus_f)
            songs[n, t] = states[rng.choice(len(states), p=np.exp(minus_f - log_z))]
            log_w[n] += log_z - log_partition(model.beta * model.w, a, b, model.groups)
    return songs, log_w


def centred_biases(a, b, w, mu, nu):
    """a', b' of the RBM whose energy counts notes from mu and hidden units from nu.  Eq. (25)."""
    return (
        np.array([a[i] + sum(nu * w[j, i] for j in range(len(b))) for i in range(len(a))]),
        np.array([b[j] + sum(w[j, i] * mu[i] for i in range(len(a))) for j in range(len(b))]),
    )


def gaussian_energy(v, h, w, a, b, z):
    """Eq. (19) for one frame."""
    return 0.5 * (v - a) @ np.diag(np.exp(-z)) @ (v - a) - (np.exp(-z / 2) * v) @ w.T @ h - b @ h


def gaussian_free_energy(v, w, a, b, z):
    """Eq. (20) for one frame."""
    return 0.5 * (v - a) @ (np.exp(-z) * (v - a)) - softplus(w @ (np.exp(-z / 2) * v) + b).sum()


def gaussian_free_energy_gradients(v, w, a, b, z):
    """Eq. (21): dF/da, dF/db, dF/dz, dF/dW for one frame."""
    x = np.exp(-z / 2) * v
    p = sigmoid(w @ x + b)
    return (
        -np.exp(-z) * (v - a),
        -p,
        -0.5 * (v - a) ** 2 * np.exp(-z) + 0.5 * x * (w.T @ p),
        -np.outer(p, x),
    )


def gaussian_mixture(w, a, b, z):
    """The RBM as a mixture over hidden states: log weights (2^H,), means (2^H, V), variances (V,).

    exp(log weights) sums to Z.
    """
    states = all_states(len(b))
    means = a + np.exp(z / 2) * (states @ w)
    at_mean = np.array(
        [-gaussian_energy(m, h, w, a, b, z) for h, m in zip(states, means, strict=True)]
    )
    return at_mean + 0.5 * (len(a) * np.log(2 * np.pi) + z.sum()), means, np.exp(z)


def gaussian_log_partition(w, a, b, z):
    """log of the integral of exp(-F) over v, by completing the square in every hidden state."""
    return np.logaddexp.reduce(gaussian_mixture(w, a, b, z)[0])


def gaussian_conditional_log_density(v, i, w, a, b, z):
    """log p(v_i | the other visible units) of one frame, from the mixture over hidden states."""
    log_weights, means, variances = gaussian_mixture(w, a, b, z)
    log_normal = -0.5 * ((v - means) ** 2 / variances + np.log(2 * np.pi * variances))
    rest = np.arange(len(v)) != i
    return np.logaddexp.reduce(log_weights + log_normal.sum(axis=1)) - np.logaddexp.reduce(
        log_weights + log_normal[:, rest].sum(axis=1)
    )


def philox(counters, keys):
    """Philox4x32-10 in Python integers (Salmon et al. 2011)."""
    c, k = list(counters), list(keys)
    for i in range(10):
        if i:
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
    return c


def uniforms(key, sweep, row, n):
    """The uniform numbers of a row's n columns: column j is word j // Q of counter j mod Q."""
    quarter = (n + 3) // 4
    words = [philox((j, row, sweep, 0), (key & 0xFFFFFFFF, key >> 32)) for j in range(quarter)]
    return np.array([(words[j % quarter][j // quarter] >> 8) / 2**24 for j in range(n)])


def central_differences(f, x, step=1e-6):
    """Gradient of a scalar function at x (n,), in float64."""
    return np.array([(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(len(x))])
