"""Real-time recurrent learning as the textbooks have it: the reference that blocks are held to.  Eq. (9)-(10).

Axes and memory as in network.py and jacobian.py.  J = du/dw is whole, (n_L, P): slow, large, and short.
"""

import numpy as np
from numba import njit

from midigen.kernels.cpu.blas import gemm, gemv
from midigen.kernels.cpu.jacobian import input_jacobian, local_gradients, weight_jacobian
from midigen.kernels.jit import KERNEL


@njit(**KERNEL)
def textbook_block(sizes, codes, params, recurrent, inputs, u, starts, du, influence, gradient):
    """Frame by frame, J <- df/dw + df/dr Gamma_r J, Eq. (9), and gradient (P,) += du_t^T J, Eq. (10).

    inputs and u (h, n_L) are forward_block's; du (h, n_L) is dE/du_t; influence (n_L, P) is J, moved on in place.
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
