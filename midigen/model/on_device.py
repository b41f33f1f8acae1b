"""An RnnRbm on the GPU, for B series side by side, one a lane.  Eq. (14).

Arrays lie on the device, frames first and lanes next; see midigen.kernels.cuda.
"""

import numpy as np

from midigen.kernels.cuda import gaussian, rbm, rolls
from midigen.kernels.cuda.blas import Matrix, copy, flat, matrix, scratch_matrix
from midigen.kernels.cuda.memory import empty, upload
from midigen.kernels.cuda.play import play
from midigen.model.lanes import LaneNetwork
from midigen.model.rnn_rbm import LOUDEST

STRETCH = 64  # frames of songs that are made in one launch: some milliseconds, after which Ctrl-C is heard
MOST_ROWS = 1 << 17  # frames of all lanes that go through a block together: bounds the memory


def theta_parts(model, theta):
    """Of a device array like an RnnRbm's theta: W (H, V), the constants in a (1, V) and b (1, H), each a Matrix."""
    config, network = model.config, model.network
    units, width = network.shapes[-1]
    start = network.parameters - units * width + (config.recurrent + 1) * width - 1
    return (
        Matrix(theta, network.parameters, config.rbm_hidden, config.visible, config.visible),
        Matrix(theta, start, 1, config.visible, 0, width),
        Matrix(theta, start + config.visible * width, 1, config.rbm_hidden, 0, width),
    )


class OnDevice:
    """What an RnnRbm gives to training and generation.  network: a LaneNetwork.  kernels: of its kind of RBM.

    theta: the parameters on the device, or None for a copy of the model's own.
    """

    def __init__(self, model, theta=None):
        self.model, self.network = model, LaneNetwork(model.network)
        self.kernels = gaussian if model.gaussian else rbm
        self.theta = upload(model.theta) if theta is None else theta

    @property
    def w(self):
        """The RBM's weights W (H, V), a Matrix in theta."""
        return theta_parts(self.model, self.theta)[0]

    def forward(self, x, state, starts):
        """LaneNetwork.forward with these parameters."""
        return self.network.forward(self.theta, x, state, starts)

    def run(self, rolls):
        """Songs, a list of uint8 (T, V), each from the frames before it, side by side in groups: yields their numbers,
        their frames v (h, B, V) and u (h, B, R + Y), of which a shorter lane's last rows are no frames of it."""
        for songs in _side_by_side([len(roll) for roll in rolls]):
            heard = np.zeros(
                (len(rolls[songs[0]]) + 1, len(songs), self.model.config.visible), self.theta.dtype
            )
            for lane, song in enumerate(songs):
                heard[1 : len(rolls[song]) + 1, lane] = self.model.frames(rolls[song])
            state = upload(np.zeros((len(songs), self.model.config.recurrent), self.theta.dtype))
            yield (
                songs,
                upload(heard[1:]),
                self.forward(upload(heard[:-1]), state, np.zeros(heard[1:].shape[:2], np.uint8)).u,
            )

    def pseudo_log_likelihood(self, rolls):
        """That of RnnRbm of every frame of the songs, a list of float64 (T,)."""
        found = [None] * len(rolls)
        for songs, v, u in self.run(rolls):
            out = empty(v.size // self.model.config.visible, np.float64)
            self.kernels.pseudo_log_likelihood(v, self.w, *self.biases(u), out)
            frames = out.copy_to_host().reshape(-1, len(songs))
            for lane, song in enumerate(songs):
                found[song] = frames[: len(rolls[song]), lane]
        return found

    def biases(self, u):
        """a (h B, V) and b (h B, H), Matrix in u (h, B, R + Y), and z (h B, V) of a Gaussian model."""
        a, b, *s = self.bias_gradients(u)
        if not s:
            return a, b
        z = scratch_matrix("z", s[0].rows, s[0].columns, s[0].real)
        gaussian.log_variance(s[0], *self.model.log_variances, z)
        return a, b, z

    def bias_gradients(self, du):
        """Matrix in du (h, B, R + Y), to be filled with dE/da, dE/db (and dE/dz); `finish_gradients` follows."""
        config, outputs, array = self.model.config, tuple(du.shape)[-1], flat(du)
        rows, at = array.size // outputs, config.recurrent
        parts = [
            matrix(array, at, rows, config.visible, outputs),
            matrix(array, at + config.visible, rows, config.rbm_hidden, outputs),
        ]
        if self.model.gaussian:
            parts.append(
                matrix(
                    array, at + config.visible + config.rbm_hidden, rows, config.visible, outputs
                )
            )
        return parts

    def finish_gradients(self, du):
        """Turn dE/dz in du into dE/ds, in place."""
        for s in self.bias_gradients(du)[2:]:
            low, high = self.model.log_variances
            copy(s, s, scale=Matrix(upload([high - low], s.real), 0, s.rows, s.columns, 0, 0))

    def play(self, heard, keys, frames, beta, gibbs_steps, progress=None):
        """Songs side by side, uint8 (B, frames, V) on the host, a song for each of the keys uint64 (B,).

        heard: what the network hears at first, (V + R,), the frame before as the model sees it and r.
        """
        model, network = self.model, self.network.network
        x, keys = upload(np.tile(heard, (len(keys), 1))), upload(keys, np.uint64)
        songs, bounds, levels = (
            np.empty((len(keys), frames, model.config.visible), np.uint8),
            None,
            None,
        )
        if model.gaussian:
            bounds = model.log_variances
            levels = (
                *(model.levels[name] for name in ("threshold", "gain", "offset")),
                loudest(model),
            )
        for first in range(0, frames, STRETCH):
            made = empty((len(keys), min(STRETCH, frames - first), model.config.visible), np.uint8)
            play(
                network.sizes,
                self.network.codes,
                self.theta,
                network.recurrent,
                self.w,
                bounds,
                levels,
                gibbs_steps,
                beta,
                keys,
                first,
                x,
                made,
            )
            songs[:, first : first + STRETCH] = made.copy_to_host()
            if progress:
                progress(made.shape[0] * made.shape[1])
        return songs


def _side_by_side(lengths):
    """Songs by falling length, in groups of at most MOST_ROWS frames with those that fill up the shorter ones."""
    order, start = np.argsort(lengths)[::-1], 0
    while start < len(order):
        stop = start + max(1, MOST_ROWS // lengths[order[start]])
        yield order[start:stop]
        start = stop


def loudest(model):
    """What velocities are divided by before a model sees them."""
    return LOUDEST if model.grid.values == "velocity" else 1


class Songs:
    """Frames that stay on the device and are read and written at places, see midigen.kernels.cuda.rolls.

    kept: their device array, notes as bits or, of a Gaussian model, numbers (F, V), which are divided by `over` where
    they are read.
    """

    def __init__(self, model, kept, over=1):
        self._model, self.kept, self._over = model, upload(kept), over

    @classmethod
    def of(cls, model, songs):
        """Rolls, a list of uint8 (T, V), one behind the other."""
        if model.gaussian:
            return cls(model, np.concatenate(songs), loudest(model))
        return cls(model, np.concatenate([np.packbits(roll > 0, axis=1) for roll in songs]))

    @staticmethod
    def places(start, stop, shift=0):
        """Places of frames start..stop-1, int64, transposed up by `shift` semitones, 0 <= shift < pitches."""
        return np.arange(start, stop) << rolls.SHIFT_BITS | shift

    def read(self, place, out):
        """out (h B, V) <- the frames at the places."""
        pitches = self._model.grid.pitches
        if self._model.gaussian:
            rolls.take(self.kept, self._over, place, pitches, out)
        else:
            rolls.unpack(self.kept, place, pitches, out)

    def write(self, v, place):
        """Put frames v (h B, V) at their places."""
        write = rolls.put if self._model.gaussian else rolls.pack
        write(v, place, self._model.grid.pitches, self.kept)
