"""Real-time recurrent learning as the textbooks have it, on the GPU.  Eq. (9)-(10).

As midigen.kernels.cpu.textbook has it, of one series.  sizes and starts are NumPy arrays, all else lies on the device.
"""

from midigen.kernels.cuda.blas import copy, fill, gemm, matrix, scratch_matrix
from midigen.kernels.cuda.jacobian import input_jacobian, local_gradients, weight_jacobian
from midigen.kernels.cuda.jit import TILE
from midigen.kernels.cuda.memory import scratch


def textbook_block(
    sizes, codes, params, recurrent, inputs, u, starts, du, influence, gradient, tile=TILE
):
    """Frame by frame, J <- df/dw + df/dr Gamma_r J, Eq. (9), and gradient (P,) += du_t^T J, Eq. (10).

    inputs and u (h, n_L) are forward_block's; du (h, n_L) is dE/du_t; influence (n_L, P) is J, moved on in place.
    """
    real, (h, outputs), below = u.dtype.type, tuple(u.shape), int(sizes[0])
    d = scratch("textbook d", outputs * int(sizes[1:].sum()), real)
    by_input = scratch_matrix("textbook dx", outputs, below, real)
    by_r = matrix(by_input.array, below - recurrent, outputs, recurrent, below)
    of_r = scratch_matrix("textbook dr", recurrent, params.size, real)
    for t in range(h):
        if starts[t]:
            fill(influence, 0, tile)
        copy(matrix(influence, 0, recurrent, params.size), of_r, tile)
        local_gradients(sizes, codes, params, inputs, u, t, d, tile)
        weight_jacobian(sizes, inputs, d, h, t, influence, tile)
        input_jacobian(sizes, params, d, by_input, tile)
        gemm(False, False, 1, by_r, of_r, 1, influence, tile=tile)
        gemm(
            False, False, 1, matrix(du, t * outputs, 1, outputs), influence, 1, gradient, tile=tile
        )
