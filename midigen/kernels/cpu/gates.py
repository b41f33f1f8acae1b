"""Copy gates, which weigh what has been: visible biases that the network opens and closes.

    a'_n,i = a_n,i + sum_s g_n,k(s, i) phi_s,n,i + sum_l,d g_n,k(l, d) [i = m_l,n + d]      (27)
    dE/dg_n,k = sum_i dE/da'_n,i phi_k,n,i,      dE/da_n = dE/da'_n                         (28)

phi_s is the frame of source s, say the one a bar before.  A line is a range of columns whose latest
notes are remembered: the first sources are, for each line, the latest frame in which it had any.
m_l is the highest of them, and d an interval.

Axes and arguments that the functions share:
  N, V, K, X      frames, visible units, gates, the network's inputs
  S, P, L, D      sources, parts, lines, intervals
  g               (N, K), the gates; like a, da, out and x, columns of a wider array or an array
  rows            (S, N, V), what each source has at each frame; the first L are the lines' own
  part            int64 (V,), the part of every column
  gate            int64 (S, P), the gate that weighs a source in a part; -1 for none
  lines           int64 (L, 2), first column, and the one behind the last, of every line
  interval_gates  int64 (L,), the first of a line's D gates of intervals; -1 for none
  intervals       int64 (D,), in columns
  last            int64 (L, N), the column of every line's last pitch; -1 where there is none
"""

import numpy as np
from numba import njit

from midigen.kernels.jit import KERNEL


@njit(**KERNEL)
def _runs(part):
    """Find where runs of columns of one part begin, and the last ends: loops over one are fast."""
    begun = np.empty(part.size + 1, np.int64)
    count = 0
    for i in range(part.size):
        if i == 0 or part[i] != part[i - 1]:
            begun[count] = i
            count += 1
    begun[count] = part.size
    return begun[: count + 1]


@njit(**KERNEL)
def open_gates(g, rows, part, gate, lines, interval_gates, intervals, last, a) -> None:
    """Add what the gates let through to the visible biases, Eq. (27).

    g, rows, part, gate, lines, interval_gates, intervals, last: see the module.

    Parameters
    ----------
    a : (N, V)
        Added to.
    """
    runs = _runs(part)
    for n in range(a.shape[0]):
        for s in range(gate.shape[0]):
            for run in range(runs.size - 1):
                k = gate[s, part[runs[run]]]
                if k >= 0:
                    weight = g[n, k]
                    for i in range(runs[run], runs[run + 1]):
                        a[n, i] += weight * rows[s, n, i]
        for line in range(lines.shape[0]):
            if interval_gates[line] >= 0 and last[line, n] >= 0:
                for d in range(intervals.size):
                    i = last[line, n] + intervals[d]
                    if lines[line, 0] <= i < lines[line, 1]:
                        a[n, i] += g[n, interval_gates[line] + d]


@njit(**KERNEL)
def gate_gradient(da, rows, part, gate, lines, interval_gates, intervals, last, out) -> None:
    """Compute the gradient in the gates, Eq. (28).

    rows, part, gate, lines, interval_gates, intervals, last: see the module.

    Parameters
    ----------
    da : (N, V)
        dE/da'.
    out : (N, K)
        Overwritten with dE/dg.
    """
    zero, runs = out.dtype.type(0), _runs(part)
    for n in range(da.shape[0]):
        for k in range(out.shape[1]):
            out[n, k] = zero
        for s in range(gate.shape[0]):
            for run in range(runs.size - 1):
                k = gate[s, part[runs[run]]]
                if k >= 0:
                    total = zero
                    for i in range(runs[run], runs[run + 1]):
                        total += da[n, i] * rows[s, n, i]
                    out[n, k] += total
        for line in range(lines.shape[0]):
            if interval_gates[line] >= 0 and last[line, n] >= 0:
                for d in range(intervals.size):
                    i = last[line, n] + intervals[d]
                    if lines[line, 0] <= i < lines[line, 1]:
                        out[n, interval_gates[line] + d] += da[n, i]


@njit(**KERNEL)
def last_pitch(v, first, stop, out) -> None:
    """Find the highest note of a line in every frame.

    Parameters
    ----------
    v : (N, V)
        Notes; those over 0 sound.
    first, stop : int
        The line's first column, and the one behind its last.
    out : int64 (N,)
        Overwritten with the note's column; -1 where there is none.
    """
    for n in range(v.shape[0]):
        out[n] = -1
        for i in range(stop - 1, first - 1, -1):
            if v[n, i] > 0:
                out[n] = i
                break


@njit(**KERNEL)
def recall(rows, lines, first, x) -> None:
    """Tell the network the notes of every line that began last.

    rows, lines: see the module.

    Parameters
    ----------
    first : int
        The first column of x that is written.
    x : (N, X)
        Its columns from `first` on, as many as the lines have, are overwritten.
    """
    at = first
    for line in range(lines.shape[0]):
        low, width = lines[line, 0], lines[line, 1] - lines[line, 0]
        for n in range(x.shape[0]):
            for i in range(width):
                x[n, at + i] = rows[line, n, low + i]
        at += width
