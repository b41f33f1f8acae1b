"""An RnnRbm on the GPU, for B series side by side, one a lane.  Eq. (14).

Arrays lie on the device, frames first and lanes next; see midigen.kernels.cuda.
"""

from midigen.kernels.cuda import gaussian, rbm
from midigen.kernels.cuda.blas import Matrix, copy, flat, matrix
from midigen.kernels.cuda.memory import scratch, upload
from midigen.model.lanes import LaneNetwork


def theta_parts(model, theta):
    """Of a device array like an RnnRbm's theta: W (H, V), the constants in a (1, V) and b (1, H), each a Matrix."""
    config, network = model.config, model.network
    units, width = network.shapes[-1]
    start = network.parameters - units * width + (config.recurrent + 1) * width - 1
    return (Matrix(theta, network.parameters, config.rbm_hidden, config.visible, config.visible),
            Matrix(theta, start, 1, config.visible, 0, width),
            Matrix(theta, start + config.visible * width, 1, config.rbm_hidden, 0, width))


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

    def biases(self, u):
        """a (h B, V) and b (h B, H), Matrix in u (h, B, R + Y), and z (h B, V) of a Gaussian model."""
        a, b, *s = self.bias_gradients(u)
        if not s:
            return a, b
        z = matrix(scratch("z", s[0].rows * s[0].columns, s[0].real), 0, s[0].rows, s[0].columns)
        gaussian.log_variance(s[0], *self.model.log_variances, z)
        return a, b, z

    def bias_gradients(self, du):
        """Matrix in du (h, B, R + Y), to be filled with dE/da, dE/db (and dE/dz); `finish_gradients` follows."""
        config, outputs, array = self.model.config, tuple(du.shape)[-1], flat(du)
        rows, at = array.size // outputs, config.recurrent
        parts = [matrix(array, at, rows, config.visible, outputs),
                 matrix(array, at + config.visible, rows, config.rbm_hidden, outputs)]
        if self.model.gaussian:
            parts.append(matrix(array, at + config.visible + config.rbm_hidden, rows, config.visible, outputs))
        return parts

    def finish_gradients(self, du):
        """Turn dE/dz in du into dE/ds, in place."""
        for s in self.bias_gradients(du)[2:]:
            low, high = self.model.log_variances
            copy(s, s, scale=Matrix(upload([high - low], s.real), 0, s.rows, s.columns, 0, 0))
