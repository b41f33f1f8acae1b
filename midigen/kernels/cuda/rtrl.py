"""Real-time recurrent learning in blocks: the influence matrix J of B lanes.  Eq. (11)-(13).

As midigen.kernels.cpu.rtrl has it, with the lanes first: s (B, M, n), J and `out` (B, M, P_r), adjoint (B, R), and
`known` uint8 (B,), `origin` int64 (B,), one for each lane.  plan is a NumPy array, all else lies on the device.

Rows of the propagator do not know of each other: a block of threads takes a few rows of one lane, keeps them in shared
memory and walks back over all frames of a chunk alone.  What they meet is then one product for each layer.
"""

from functools import cache

from numba import cuda

from midigen.kernels.codes import BELOW, CODES, COLUMNS, INPUTS, PARAMS, UNITS
from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import flat, gemm, matrix
from midigen.kernels.cuda.jit import NUMBA_TYPE, SHARED, TILE, along, jit, over
from midigen.kernels.cuda.memory import scratch, upload
from midigen.kernels.cuda.network import sloped

GATHERED = 1 << 26  # numbers of Q, about, that are gathered for one product
LONGEST = 128  # frames of a chunk


def influence_stage(plan, cut, outside, codes, params, inputs, u, before_params, before_inputs, before_u, known, origin,
                    start, stop, accumulate, s, out, tile=TILE):
    """Carry the rows of S back over frames start..stop-1, and sum what they meet on the way.  Eq. (11)-(12), (12a).

    A lane's series begins at `origin`: where nothing before it is `known`, S is 0 from there on.  s (B, M, n), n being
    n_cut, or R if that is more: replaced by the propagator at `start`.  out (B, M, P_r) is added to if accumulate,
    else overwritten.
    """
    real, lanes = u.dtype.type, known.size
    width = tuple(s.shape)[-1]
    rows, h, columns = s.size // (lanes * width), tuple(u.shape)[0], plan[:, UNITS].tolist()
    chunk = min(stop - start, LONGEST, max(1, GATHERED // (lanes * rows * sum(columns))))
    q = scratch("q", chunk * lanes * rows * sum(columns), real)
    widest = int(max(width, plan[:, UNITS].max(), plan[1:, BELOW].max(initial=0)))
    walked = tile.walked
    while walked > 1 and 2 * walked * widest * real().itemsize > SHARED:
        walked //= 2
    step, beta = _walked(real, walked), 1 if accumulate else 0
    before = (flat(before_params), flat(before_inputs), flat(before_u))
    frames = (flat(params), flat(inputs), flat(u))
    table = upload(plan)
    while stop > start:
        first = max(start, stop - chunk)
        step[(-(-rows // walked), lanes), tile.threads, 0, 2 * walked * widest * real().itemsize](
            table, cut, outside, tuple(u.shape)[-1], h, lanes, rows, width, widest, chunk, first, stop, codes, *frames,
            *before, known, origin, flat(s), q)
        for k in range(len(plan)):
            begins = chunk * lanes * rows * sum(columns[:k])
            if k < cut:
                _sum(plan, k, outside, frames[1], h, first, stop - first, q, begins, lanes, rows, beta, out, tile)
                continue
            again = beta
            if first == 0:
                _sum(plan, k, outside, before[1], tuple(before_u.shape)[0], 0, 1, q, begins, lanes, rows, beta, out,
                     tile)
                begins, again = begins + lanes * rows * columns[k], 1
            shifted = max(first, 1)
            _sum(plan, k, outside, frames[1], h, shifted - 1, stop - shifted, q, begins, lanes, rows, again, out, tile)
        stop, beta = first, 1


def _sum(plan, k, outside, inputs, h, first, count, q, begins, lanes, rows, beta, out, tile):
    """Layer k's columns of out <- beta times themselves + the sum over `count` frames from `first` on of Q x."""
    units, below, given, columns = (int(plan[k, c]) for c in (UNITS, BELOW, INPUTS, COLUMNS))
    width = tuple(out.shape)[-1]
    gathered = matrix(q, begins, count, rows * units, lanes * rows * units, batch=(rows * units, 0))

    def product(low, high, start, step, stride):
        x = matrix(inputs, h * lanes * given + first * lanes * (below + 1) + low, count, high - low,
                   lanes * (below + 1), batch=(below + 1, 0))
        target = matrix(out, columns + start, rows * units, high - low, step, stride=stride, group=units, leap=width,
                        batch=(rows * width, 0))
        gemm(True, False, 1, gathered, x, beta, target, batches=(lanes, 1), tile=tile)

    if k:
        product(0, below + 1, 0, below + 1, 1)
    else:
        product(0, outside, 0, 1, units)
        product(outside, below + 1, outside * units, below + 1 - outside, 1)


@cache
def _walked(real, rows_each):
    """`memory` holds rows_each rows of S in front of a layer and, behind it, number by number side by side."""
    slope, zero, kind = scalar.slope(real), real(0), NUMBA_TYPE[real]

    @jit()
    def walked(plan, cut, outside, outputs, h, lanes, rows, width, widest, chunk, first, stop, codes, params, inputs, u,
               before_params, before_inputs, before_u, known, origin, s, q):
        memory = cuda.shared.array(0, kind)
        total = cuda.local.array(rows_each, kind)
        thread, threads, lane = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.y
        row, layers, old, new = cuda.blockIdx.x * rows_each, plan.shape[0], 0, rows_each * widest
        for e in range(thread, rows_each * width, threads):
            r, i = e // width, e % width
            memory[i * rows_each + r] = s[(lane * rows + row + r) * width + i] if row + r < rows else zero
        for t in range(stop - 1, first - 1, -1):
            for crossed in range(layers):
                # from the cut down at frame t, then from the top down to the cut at the frame before
                k = cut - 1 - crossed if crossed < cut else layers - 1 - (crossed - cut)
                here = crossed < cut
                inside = here or t > 0
                w, x, y = (params, inputs, u) if inside else (before_params, before_inputs, before_u)
                frames, place = (h, (t if here else t - 1) * lanes + lane) if inside else (1, lane)
                units, below, gathered = plan[k, UNITS], plan[k, BELOW], 0
                for lower in range(k):
                    gathered += plan[lower, UNITS]
                gathered = chunk * lanes * rows * gathered + ((t - first) * lanes + lane) * rows * units
                cuda.syncthreads()
                for i in range(thread, units, threads):
                    if k == layers - 1:
                        value = y[place * outputs + i]
                    else:
                        value = x[frames * lanes * plan[k + 1, INPUTS] + place * (units + 1) + i]
                    value = slope(codes[plan[k, CODES] + i], value)
                    for r in range(rows_each):
                        m = memory[old + i * rows_each + r] * value
                        memory[old + i * rows_each + r] = m
                        if row + r < rows:
                            q[gathered + (row + r) * units + i] = m
                cuda.syncthreads()
                low = outside if k == 0 else 0
                ends = k == 0 and t == origin[lane] and known[lane] == 0
                for j in range(thread, below - low, threads):
                    for r in range(rows_each):
                        total[r] = zero
                    for i in range(0 if not ends else units, units):
                        weight = w[plan[k, PARAMS] + i * (below + 1) + low + j]
                        for r in range(rows_each):
                            total[r] += memory[old + i * rows_each + r] * weight
                    for r in range(rows_each):
                        memory[new + j * rows_each + r] = total[r]
                old, new = new, old
        cuda.syncthreads()
        for e in range(thread, rows_each * width, threads):
            r, i = e // width, e % width
            if row + r < rows:
                s[(lane * rows + row + r) * width + i] = memory[old + i * rows_each + r]

    return walked


def influence_expand(left, inner, first, stop, out, tile=TILE):
    """Columns first..stop-1 of out (B, N, P_r) += those of left (B, N, n) inner (B, M, P_r).  Eq. (12), (12a).

    n may be more than M, as it is in influence_stage's s: its columns from M on do not count.
    """
    lanes, rows, step = tuple(left.shape)
    middle, width = tuple(inner.shape)[1:]
    gemm(False, False, 1, matrix(left, 0, rows, middle, step, batch=(rows * step, 0)),
         matrix(inner, first, middle, stop - first, width, batch=(middle * width, 0)), 1,
         matrix(out, first, rows, stop - first, width, batch=(rows * width, 0)), batches=(lanes, 1), tile=tile)


def influence_gradient(plan, cut, outside, codes, before_params, before_inputs, before_u, adjoint, influence, gradient,
                       tile=TILE):
    """gradient (P,) += (dE/dr)^T dr/dw, the second term of Eq. (13), summed over the lanes.

    influence (B, n_cut, P_r).  Layers over the cut are crossed by backpropagation over the frame before.
    """
    real, lanes, layers = adjoint.dtype.type, tuple(influence.shape)[0], len(plan)
    outputs, inputs, u = tuple(before_u.shape)[-1], flat(before_inputs), flat(before_u)
    m = matrix(adjoint, 0, lanes, int(plan[-1, UNITS]))
    for k in range(layers - 1, cut - 1, -1):
        units, below, params, code, given, _ = plan[k].tolist()
        y, step = (u, outputs) if k == layers - 1 else (inputs, units + 1)
        start = 0 if k == layers - 1 else lanes * int(plan[k + 1, INPUTS])
        delta = matrix(scratch(f"delta {k}", lanes * units, real), 0, lanes, units)
        over(sloped(real), lanes, units, codes, code, y, start, step, m.array, 0, units, delta.array, 0, units,
             tile=tile)
        gemm(True, False, 1, delta, matrix(inputs, lanes * given, lanes, below + 1), 1,
             matrix(gradient, params, units, below + 1), tile=tile)
        m = matrix(scratch(f"m {k}", lanes * below, real), 0, lanes, below)
        gemm(False, False, 1, delta, matrix(before_params, params, units, below, below + 1), 0, m, tile=tile)
    width = tuple(influence.shape)[-1]
    total = scratch("total", width, real)
    gemm(False, False, 1, matrix(m.array, 0, 1, lanes * m.columns), matrix(influence, 0, lanes * m.columns, width), 0,
         matrix(total, 0, 1, width), tile=tile)
    units, below = int(plan[0, UNITS]), int(plan[0, BELOW])
    along(_added(), width, outside, units, below, total, gradient, tile=tile)


@cache
def _added():
    """gradient += total, a row laid out as J's."""
    @jit()
    def added(width, outside, units, below, total, gradient):
        e = cuda.grid(1)
        if e < width:
            at, rest = e, below + 1 - outside
            if e < outside * units:
                at = e % units * (below + 1) + e // units
            elif e < units * (below + 1):
                at = (e - outside * units) // rest * (below + 1) + outside + (e - outside * units) % rest
            gradient[at] += total[e]

    return added
