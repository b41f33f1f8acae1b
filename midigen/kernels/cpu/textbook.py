"""Real-time recurrent learning as the textbooks have it: the reference that blocks are held to.

Eq. (9)-(10):

    J_t = df/dw |_t + (df/dr |_t) Gamma_r J_{t-1}                                            (9)
    dE/dw = sum_t (de_t/du_t)^T J_t                                                         (10)

Axes and memory as in midigen.kernels.cpu.network and jacobian.  J = du/dw is whole, (n_L, P): slow
and large.
"""

import numpy as np
from numba import njit

from midigen.kernels.cpu.blas import gemm, gemv
from midigen.kernels.cpu.jacobian import input_jacobian, local_gradients, weight_jacobian
from midigen.kernels.jit import KERNEL


@njit(**KERNEL)
def textbook_block(
    sizes, codes, params, recurrent, inputs, u, starts, du, influence, gradient
) -> None:
    """Compute the gradient of a block frame by frame, Eq. (9)-(10).

    sizes, codes, params, recurrent, starts: see midigen.kernels.cpu.network.

    Parameters
    ----------
    inputs, u
        What forward_block left.
    du : (h, n_L)
        dE/du_t.
    influence : (n_L, P)
        J before the block, replaced by J at its end.
    gradient : (P,)
        Added to.
    """
    outside = sizes[0] - recurrent
    d = np.empty(u.shape[1] * sizes[1:].sum(), u.dtype)
    by_input = np.empty((u.shape[1], sizes[0]), u.dtype)
    for t in range(u.shape[0]):
        if starts[t]:
            influence[:] = 0
        of_r = influence[:recurrent].copy()
        local_gradients(sizes, codes, params, inputs, u, t, d)
        weight_jacobian(sizes, inputs, d, u.shape[0], t, influence)
        input_jacobian(sizes, params, d, by_input)
        gemm(False, False, 1.0, by_input[:, outside:], of_r, 1.0, influence)
        gemv(True, 1.0, influence, du[t], 1.0, gradient)
