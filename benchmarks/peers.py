"""The same gradient by other means: PyTorch and JAX, for benchmarks/rtrl.py.

Every function takes a Network and its parameters and returns run(x (T, X), c (T, Y)) -> dE/dw (P,)
for the loss E = sum_t c_t . y_t, from a silent start, in float32.  One core: rtrl.py pins the
process.
"""

import numpy as np


def _split(network, params):
    """Weights by what they do.

    The first layer's from outside, all layers' towards r, biases, and the rows of y.
    """
    layers = [np.array(layer) for layer in network.layers(params)]
    outside, recurrent = network.inputs, network.recurrent
    top = layers[-1]
    layers[-1], y = top[:recurrent], top[recurrent:]
    return (
        layers[0][:, :outside],
        [layers[0][:, outside:-1], *(layer[:, :-1] for layer in layers[1:])],
        [layer[:, -1] for layer in layers],
        y,
    )


def _join(network, w_x, ws, bs, y):
    """The flat gradient of what _split took apart."""
    layers = [
        np.concatenate([np.asarray(w), np.asarray(b)[:, None]], axis=1)
        for w, b in zip(ws, bs, strict=True)
    ]
    layers[0] = np.concatenate([np.asarray(w_x), layers[0]], axis=1)
    layers[-1] = np.concatenate([layers[-1], np.asarray(y)])
    return np.concatenate([layer.ravel() for layer in layers])


def torch_loop(network, params):
    """PyTorch, an eager loop over frames.

    What does not depend on r is one product before or behind it.
    """
    import torch

    torch.set_num_threads(1)
    w_x, ws, bs, w_y = _split(network, params)
    w_x, w_y = (torch.tensor(w, requires_grad=True) for w in (w_x, w_y))
    ws, bs = ([torch.tensor(a, requires_grad=True) for a in arrays] for arrays in (ws, bs))

    def run(x, c):
        x, c = torch.from_numpy(x), torch.from_numpy(c)
        for tensor in (w_x, w_y, *ws, *bs):
            tensor.grad = None
        field, below = torch.addmm(bs[0], x, w_x.T), []
        turned = [w.T.contiguous() for w in ws]
        r = torch.zeros(1, network.recurrent)
        for t in range(len(x)):
            z = torch.tanh(torch.addmm(field[t : t + 1], r, turned[0]))
            if len(ws) == 1:
                below.append(r)
            for w, b in zip(turned[1:], bs[1:], strict=True):
                last = z
                z = torch.tanh(torch.addmm(b, z, w))
            if len(ws) > 1:
                below.append(last)
            r = z
        below = torch.cat(below) if len(ws) > 1 else torch.cat([x, torch.cat(below)], 1)
        (torch.addmm(w_y[:, -1], below, w_y[:, :-1].T) * c).sum().backward()
        return _join(network, w_x.grad, [w.grad for w in ws], [b.grad for b in bs], w_y.grad)

    return run


def torch_rnn(network, params):
    """PyTorch's own nn.RNN, its loop in C++, the rows of y as one product behind it.

    For a network without a hidden layer.
    """
    import torch

    torch.set_num_threads(1)
    w_x, (w_r,), (b,), w_y = _split(network, params)
    rnn = torch.nn.RNN(network.inputs, network.recurrent)
    with torch.no_grad():
        for tensor, value in zip(rnn.parameters(), (w_x, w_r, b, np.zeros_like(b)), strict=True):
            tensor.copy_(torch.tensor(value))
    w_y = torch.tensor(w_y, requires_grad=True)

    def run(x, c):
        rnn.zero_grad()
        w_y.grad = None
        x, c = torch.from_numpy(x), torch.from_numpy(c)
        r, _ = rnn(x)
        below = torch.cat([x, torch.cat([torch.zeros(1, network.recurrent), r[:-1]])], 1)
        (torch.addmm(w_y[:, -1], below, w_y[:, :-1].T) * c).sum().backward()
        return _join(
            network, rnn.weight_ih_l0.grad, [rnn.weight_hh_l0.grad], [rnn.bias_ih_l0.grad], w_y.grad
        )

    return run


def _jax_frame(jnp, ws, bs, r, field):
    """r_t and the last layer's input but for x, from r_{t-1} and the field from outside."""
    z, below = jnp.tanh(ws[0] @ r + field), r
    for w, b in zip(ws[1:], bs[1:], strict=True):
        below, z = z, jnp.tanh(w @ z + b)
    return z, below


def jax_bptt(network, params):
    """JAX, grad of a compiled scan.

    What does not depend on r is one product before or behind it.
    """
    import jax
    import jax.numpy as jnp

    def loss(weights, x, c):
        w_x, ws, bs, w_y = weights
        below = jax.lax.scan(
            lambda r, field: _jax_frame(jnp, ws, bs, r, field),
            jnp.zeros(network.recurrent, x.dtype),
            x @ w_x.T + bs[0],
        )[1]
        if len(ws) == 1:
            below = jnp.concatenate([x, below], 1)
        return ((below @ w_y[:, :-1].T + w_y[:, -1]) * c).sum()

    gradient, weights = jax.jit(jax.grad(loss)), jax.tree.map(jnp.array, _split(network, params))
    return lambda x, c: _join(network, *jax.block_until_ready(gradient(weights, x, c)))


def jax_rtrl(network, params, batched=False):
    """JAX, a compiled scan that carries J, the R rows that are needed, by its own derivatives.

    batched: for series side by side, x (T, B, X) and c (T, B, Y), whose gradients are added.
    """
    import jax
    import jax.numpy as jnp

    weights = jax.tree.map(jnp.array, _split(network, params))

    def frame(moving, w_y, r, x):
        w_x, ws, bs = moving
        z, below = _jax_frame(jnp, ws, bs, r, w_x @ x + bs[0])
        below = jnp.concatenate([x, below]) if len(ws) == 1 else below
        return z, w_y[:, :-1] @ below + w_y[:, -1]

    def run(weights, x, c):
        *moving, w_y = weights
        moving = tuple(moving)

        def step(carry, now):
            r, j, total, total_y = carry
            x, c = now
            (by_w, by_y, by_r) = jax.grad(
                lambda *a: (frame(*a, x)[1] * c).sum(), argnums=(0, 1, 2)
            )(moving, w_y, r)
            total = jax.tree.map(lambda g, d, j: g + d + jnp.tensordot(by_r, j, 1), total, by_w, j)
            direct, through = jax.jacrev(lambda m, r: frame(m, w_y, r, x)[0], argnums=(0, 1))(
                moving, r
            )
            j = jax.tree.map(lambda d, j: d + jnp.tensordot(through, j, 1), direct, j)
            return (frame(moving, w_y, r, x)[0], j, total, total_y + by_y), None

        start = (
            jnp.zeros(network.recurrent, x.dtype),
            jax.tree.map(lambda w: jnp.zeros((network.recurrent, *w.shape), w.dtype), moving),
            jax.tree.map(jnp.zeros_like, moving),
            jnp.zeros_like(w_y),
        )
        return jax.lax.scan(step, start, (x, c))[0][2:]

    def side_by_side(weights, x, c):
        return jax.tree.map(lambda g: g.sum(axis=0), jax.vmap(run, (None, 1, 1))(weights, x, c))

    compiled = jax.jit(side_by_side if batched else run)

    def gradient(x, c):
        (w_x, ws, bs), w_y = jax.block_until_ready(compiled(weights, x, c))
        return _join(network, w_x, ws, bs, w_y)

    return gradient
