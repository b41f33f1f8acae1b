"""Real-time recurrent learning as the textbooks have it, of one series.  Eq. (9)-(10).

    J_t = df/dw |_t + (df/dr |_t) Gamma_r J_{t-1}                                            (9)
    dE/dw = sum_t (de_t/du_t)^T J_t                                                         (10)

Axes and memory as in its twin midigen.kernels.cpu.textbook.  sizes and starts are NumPy arrays, all
else lies on the device.
"""

import numpy as np
from numpy.typing import NDArray

from midigen.kernels.cuda.blas import copy, fill, gemm, matrix, scratch_matrix
from midigen.kernels.cuda.jacobian import input_jacobian, local_gradients, weight_jacobian
from midigen.kernels.cuda.jit import TILE, Tile
from midigen.kernels.cuda.memory import DeviceArray, scratch


def textbook_block(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    recurrent: int,
    inputs: DeviceArray,
    u: DeviceArray,
    starts: NDArray[np.uint8],
    du: DeviceArray,
    influence: DeviceArray,
    gradient: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Compute the gradient of a block frame by frame, Eq. (9)-(10).

    Parameters as in midigen.kernels.cpu.textbook.textbook_block.
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
