"""The steps of midigen.evaluation.likelihood on the GPU, under its names: arrays come from the host and go back."""

import numpy as np

from midigen.evaluation import likelihood
from midigen.kernels.cuda import ais, rbm
from midigen.kernels.cuda.blas import as_matrix, flat, matrix
from midigen.kernels.cuda.memory import empty, upload
from midigen.kernels.cuda.optimizer import mix
from midigen.model.on_device import OnDevice
from midigen.randomness import derive_key


def teacher_forced(model, rolls):
    """v (N, V), a (N, V), b (N, H) and F (N,) float64 of all frames of the songs, which go side by side."""
    v, ends = (
        np.concatenate([model.frames(roll) for roll in rolls]),
        np.cumsum([len(roll) for roll in rolls]),
    )
    a, b, energy = (
        np.empty_like(v),
        np.empty((len(v), model.config.rbm_hidden), v.dtype),
        np.empty(len(v)),
    )
    there = OnDevice(model)
    for songs, frames, u in there.run(rolls):
        energies = empty(frames.size // model.config.visible, np.float64)
        rbm.free_energy(frames, there.w, *there.biases(u), energies)
        found = *model.biases(u.copy_to_host()), energies.copy_to_host().reshape(-1, len(songs))
        for lane, song in enumerate(songs):
            for out, lanes in zip((a, b, energy), found, strict=True):
                out[ends[song] - len(rolls[song]) : ends[song]] = lanes[: len(rolls[song]), lane]
    return v, a, b, energy


def near_base(w, a, b, means, seed, first_row):
    """Visible biases (N, V) of bases that lie near the RBMs of N frames."""
    key, done, start = derive_key(seed, "base"), 1, upload(likelihood.log_odds(means, a.dtype))
    v, p, p_v, total = (upload(np.zeros_like(x)) for x in (a, b, a, a))
    w, a, b = as_matrix(upload(w)), upload(a), upload(b)
    ais.draw_base(matrix(start, 0, *v.shape, 0), key, first_row, v)
    for sweeps in likelihood.base_sweeps():
        rbm.gibbs_chain(v, w, a, b, sweeps, 1.0, key, done, first_row, v)
        done += sweeps
        rbm.hidden_probability(v, w, b, p)
        rbm.hidden_probability(
            p, w.turned, a, p_v
        )  # the visible units' probabilities, as W^T p + a is their field
        mix(1, flat(total), 1, flat(p_v))
    return likelihood.smoothed(total.copy_to_host(), means, total.dtype)


def annealed(w, base, a, b, temperatures, chains, seed, first_row, stopped):
    """Log weights (chains, N) float64, each an estimate of log Z, of the RBMs of N frames; None once `stopped`."""
    log_weights = likelihood.log_z_of_base(base, b, chains)
    w, base, a, b, v = (upload(array) for array in (w, base, a, b, np.empty(a.shape, a.dtype)))
    for chain in range(chains):
        key, weights = derive_key(seed, "anneal", chain), upload(log_weights[chain])
        ais.draw_base(base, key, first_row, v)
        for first in range(0, temperatures, ais.MOST_MOVES):
            if stopped.is_set():
                return None
            ais.anneal(
                w,
                base,
                a,
                b,
                first,
                min(first + ais.MOST_MOVES, temperatures),
                temperatures,
                key,
                first_row,
                v,
                weights,
            )
        log_weights[chain] = weights.copy_to_host()
    return log_weights
