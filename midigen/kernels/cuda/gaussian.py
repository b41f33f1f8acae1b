"""Gaussian-Bernoulli RBM for N frames at once, every frame with biases and variances of its own.  Eq. (15), (19)-(22).

As midigen.kernels.cpu.gaussian has it; matrices, key and first_row are those of midigen.kernels.cuda.rbm.
"""

from midigen.kernels.cuda import gibbs
from midigen.kernels.cuda.jit import TILE
from midigen.kernels.cuda.rbm import lanes_of


def gibbs_chain(v, w, a, b, z, sweeps, beta, key, first_sweep, first_row, out, tile=TILE):
    """`sweeps` steps of block Gibbs sampling from v at inverse temperature beta, Eq. (22); out (N, V) is overwritten.

    beta divides the variance too.  Sweep s draws the hidden units with counter 2 (first_sweep + s), the visible ones
    with the next.  out may be v.
    """
    gibbs.chain(v, w, a, b, z, sweeps, beta, *lanes_of(key, first_row)[:2], first_sweep, out, tile)
