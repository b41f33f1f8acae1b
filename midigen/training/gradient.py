"""One block of frames of one song -> one gradient.  Eq. (8)-(13) for the network, (15) for the RBM."""

from dataclasses import dataclass

import numpy as np

from midigen.model import exact
from midigen.model.influence import Block, Influence, Past
from midigen.model.network import share
from midigen.training.negative import push_weights

PARTS = "inputs", "u", "starts"  # of a Block
CHAINS = 128  # Gibbs chains, at most, that one thread moves on at a time


@dataclass
class Carry:
    """What a stream hands to the frames that follow: the last frame (V,), r (R,), and J (None for 0).

    J is an Influence; with the textbook recursion it is the whole du/dw, flat.
    """

    frame: np.ndarray
    state: np.ndarray
    influence: Influence | np.ndarray | None

    @classmethod
    def start(cls, model):
        """Before the first frame: v_0 = 0, r_0 = 0, J_0 = 0."""
        dtype = model.network.dtype
        return cls(
            np.zeros(model.config.visible, dtype), np.zeros(model.config.recurrent, dtype), None
        )

    def copy(self):
        """A carry that later blocks cannot change; J needs no copy, every block makes a new one."""
        return Carry(self.frame.copy(), self.state.copy(), self.influence)

    def tensors(self):
        """Its arrays by name, for checkpoints."""
        tensors, j = {"frame": self.frame, "state": self.state}, self.influence
        if isinstance(j, Influence):
            tensors |= {
                name: part
                for name, part in (("influence", j.matrix), ("rows", j.rows))
                if part is not None
            }
            tensors["looked"] = np.array(j.looked)
            kept = {"first": j.first} if j.first else {}
            for name, past in (
                kept | {f"history.{i}": past for i, past in enumerate(j.history)}
            ).items():
                tensors |= {f"{name}.{part}": getattr(past.block, part) for part in PARTS}
                tensors[f"{name}.params"] = past.params
        elif j is not None:
            tensors["influence"] = j
        return tensors

    @classmethod
    def from_tensors(cls, tensors):
        """A carry from the arrays that `tensors` gave."""

        def past(name):
            return Past(
                Block(*(tensors[f"{name}.{part}"] for part in PARTS)), tensors[f"{name}.params"]
            )

        j = tensors.get("influence")
        if "looked" in tensors:
            kept = sum(name.startswith("history.") and name.endswith(".u") for name in tensors)
            j = Influence(
                j,
                tensors.get("rows"),
                tuple(past(f"history.{i}") for i in range(kept)),
                past("first") if "first.u" in tensors else None,
                int(tensors["looked"]),
            )
        return cls(tensors["frame"], tensors["state"], j)

    def check(self, model):
        """ValueError where an array has not the shape and dtype that it has in a run of the model."""
        network, j = model.network, self.influence
        found = [(self.frame, (model.config.visible,)), (self.state, (network.recurrent,))]
        if isinstance(j, Influence):
            rows = network.cut_units if j.rows is None else len(j.rows)
            found += [(j.rows, (rows, network.cut_units)), (j.matrix, (rows, network.influential))]
            for past in (*j.history, *([j.first] if j.first else [])):
                frames, widths = len(past.block.starts), network.sizes
                found += [
                    (past.block.u, (frames, int(widths[-1]))),
                    (past.params, (network.parameters,)),
                    (past.block.inputs, (frames * int((widths[:-1] + 1).sum()),)),
                ]
        elif j is not None:
            found.append((j, (int(network.sizes[-1]) * network.parameters,)))
        for array, shape in found:
            if array is not None and (array.shape != shape or array.dtype != network.dtype):
                raise ValueError(
                    f"what a song hands on is {array.dtype} {array.shape}, not {network.dtype} {shape}"
                )


def joined(arrays):
    """Arrays one behind the other; a lone one as it is, not copied."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def block_end(starts, position, frames):
    """The frame behind the next block, of a stream with `starts` (T,): where a song ends, if it can, since no J is
    needed there, and else `frames` on."""
    stop = position + frames
    if stop >= len(starts):
        return len(starts)
    begun = np.flatnonzero(starts[position + 1 : stop + 1])
    return position + 1 + int(begun[-1]) if len(begun) else stop


class Stream:
    """Songs on their way through the model, one behind the other, block by block.

    rolls: uint8 (T, V) each.  Every song but the first begins anew; with `concatenate` none does, and the first goes on
    from `carry` either way.  key: np.uint64, all random numbers.  particles: (sum of T, V), one persistent chain a
    frame, uint8 or, of a Gaussian model, float32, moved on in place, or None for chains that start at the data.
    negative: whether its frames are noise to be pushed away, Eq. (23)-(24).
    """

    def __init__(self, model, rolls, carry, key, settings, particles=None, negative=False):
        self.model, self.v = model, model.frames(joined(rolls))
        self.carry, self.key, self.settings = carry, key, settings
        self.particles, self.negative = particles, negative
        self.position = 0
        self.x = np.empty_like(self.v)
        self.x[0], self.x[1:] = carry.frame, self.v[:-1]
        self.starts = np.zeros(len(self.v), np.uint8)
        if len(rolls) > 1 and not settings.concatenate:
            begun = np.cumsum([len(roll) for roll in rolls[:-1]])
            self.starts[begun], self.x[begun] = 1, 0
        if settings.noise or settings.dropout:
            model.kernels.corrupt(key, settings.noise, settings.dropout, self.x, 0)

    @property
    def done(self):
        """Whether every frame has been through."""
        return self.position >= len(self.v)

    def step(self, gradient, pool=None):
        """Add the next block's gradient to `gradient` (all of theta, summed over frames); returns its frame count.

        J is carried on where frames follow, of this stream or, with `concatenate`, of the next.  pool:
        an executor for parts of the work; it changes no bit of the result.
        """
        model, settings, network, carry = self.model, self.settings, self.model.network, self.carry
        rows = slice(self.position, block_end(self.starts, self.position, self.settings.block))
        block = network.forward(model.params, self.x[rows], carry.state, self.starts[rows])
        du = np.zeros_like(block.u)
        self._contrast(
            rows,
            model.biases(block.u),
            model.bias_gradients(du),
            gradient[network.parameters :].reshape(model.w.shape),
            pool,
        )
        model.finish_gradients(du)
        self.position = rows.stop
        carry.frame = self.v[rows.stop - 1]
        if settings.gradient == "textbook":
            carry.influence = network.textbook(model.params, block, du, carry.influence, gradient)
            return rows.stop - rows.start
        adjoint = network.backward(model.params, block, du, gradient)
        if carry.influence is not None:
            network.influence_gradient(adjoint, carry.influence, gradient)
        if (
            settings.concatenate and not self.negative
            if self.done
            else not self.starts[self.position]
        ):
            carry.influence = network.influence(
                model.params, block, carry.influence, settings.rank_tolerance, pool
            )
        return rows.stop - rows.start

    def _contrast(self, rows, biases, out, gradient_w, pool):
        """dE/da, dE/db (and dE/dz) of the block into `out`, dE/dW added to gradient_w.  Eq. (15), (17), (21)."""
        settings, v, w, kernels = self.settings, self.v[rows], self.model.w, self.model.kernels
        if settings.sampler == "exact" and not self.negative:
            exact.contrast(v, w, biases, out, gradient_w)
            return
        start = v if self.particles is None else self.particles[rows].astype(v.dtype)
        sample = np.empty_like(v)

        def chains(part):
            own = [bias[part] for bias in biases]
            kernels.gibbs_chain(
                start[part],
                w,
                *own,
                settings.gibbs_steps,
                1.0,
                self.key,
                0,
                rows.start + part.start,
                sample[part],
            )

        share(pool, len(v), CHAINS, chains)
        if self.particles is not None:
            self.particles[rows] = sample
        weight = (
            push_weights(settings, v, sample, w, *biases)
            if self.negative
            else np.ones(len(v), v.dtype)
        )
        kernels.contrast(v, sample, w, *biases, weight, *out, gradient_w)
