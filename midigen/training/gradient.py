"""One block of frames of one song -> one gradient.  Eq. (8)-(13) for the network, (15) for the RBM."""

from dataclasses import dataclass

import numpy as np

from midigen.kernels.cpu import rbm as kernels
from midigen.model.rbm import expectations
from midigen.training.negative import push_weights


@dataclass
class Carry:
    """What a stream hands to the frames that follow: the last frame (V,), r (R,), and J (flat; None for 0).

    J is dr/dw, R P_r numbers; with the textbook recursion it is the whole du/dw.
    """

    frame: np.ndarray
    state: np.ndarray
    influence: np.ndarray | None

    @classmethod
    def start(cls, model):
        """Before the first frame: v_0 = 0, r_0 = 0, J_0 = 0."""
        dtype = model.network.dtype
        return cls(np.zeros(model.config.visible, dtype), np.zeros(model.config.recurrent, dtype), None)

    def copy(self):
        """A carry that later blocks cannot change; J needs no copy, every block makes a new one."""
        return Carry(self.frame.copy(), self.state.copy(), self.influence)


class Stream:
    """A song on its way through the model, block by block.

    roll: uint8 (T, V).  key: np.uint64, all its random numbers.  particles: uint8 (T, V), one persistent chain a frame,
    moved on in place, or None for chains that start at the data.  negative: whether its frames are noise to be pushed
    away, Eq. (23)-(24).
    """

    def __init__(self, roll, carry, key, settings, particles=None, negative=False):
        dtype = carry.frame.dtype
        self.v = roll.astype(dtype)
        self.carry, self.key, self.settings = carry, key, settings
        self.particles, self.negative = particles, negative
        self.position = 0
        self.x = np.concatenate([carry.frame[None], self.v[:-1]])
        if settings.noise or settings.dropout:
            kernels.corrupt(key, settings.noise, settings.dropout, self.x)

    @property
    def done(self):
        """Whether every frame has been through."""
        return self.position >= len(self.v)

    def step(self, model, gradient):
        """Add the next block's gradient to `gradient` (all of theta, summed over frames); returns its frame count.

        The song's J is carried on where frames follow, in this song or, with `concatenate`, in the next.
        """
        settings, network, carry = self.settings, model.network, self.carry
        rows = slice(self.position, min(self.position + settings.block, len(self.v)))
        block = network.forward(model.params, self.x[rows], carry.state)
        du = np.zeros_like(block.u)
        self._contrast(model, rows, model.biases(block.u), model.biases(du),
                       gradient[network.parameters:].reshape(model.w.shape))
        self.position = rows.stop
        carry.frame = self.v[rows.stop - 1]
        if settings.gradient == "textbook":
            carry.influence = network.textbook(model.params, block, du, carry.influence, gradient)
            return rows.stop - rows.start
        adjoint = network.backward(model.params, block, du, gradient)
        if carry.influence is not None:
            network.influence_gradient(adjoint, carry.influence, gradient)
        if not self.done or (settings.concatenate and not self.negative):
            carry.influence = network.influence(model.params, block, carry.influence)
        return rows.stop - rows.start

    def _contrast(self, model, rows, biases, out, gradient_w):
        """dE/da and dE/db of the block into `out`, dE/dW added to gradient_w.  Eq. (15), (17)."""
        (a, b), v, w = biases, self.v[rows], model.w
        if self.settings.sampler == "exact" and not self.negative:
            mean_v, mean_h, pair = expectations(w, a, b)
            p = np.empty_like(b)
            kernels.hidden_probability(v, w, b, p)
            out[0][:], out[1][:] = mean_v - v, mean_h - p
            gradient_w += (pair - p.T @ v).astype(gradient_w.dtype)
            return
        start = v if self.particles is None else self.particles[rows].astype(v.dtype)
        sample = np.empty_like(v)
        kernels.gibbs_chain(start, w, a, b, self.settings.gibbs_steps, 1.0, self.key, 0, rows.start, sample)
        if self.particles is not None:
            self.particles[rows] = sample
        weight = push_weights(self.settings, v, sample, w, a, b) if self.negative else np.ones(len(v), v.dtype)
        kernels.contrast(v, sample, w, b, weight, *out, gradient_w)
