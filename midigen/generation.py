"""New songs from a model.  Section 8 of docs/mathematics.md."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from midigen.device import gpu_work
from midigen.kernels.jit import usable_cores
from midigen.randomness import derive_key

DEFAULT_GIBBS_STEPS = 25


def generate_songs(
    model,
    frames,
    count=1,
    primer=None,
    temperature=1.0,
    gibbs_steps=DEFAULT_GIBBS_STEPS,
    seed=0,
    progress=None,
    device="cpu",
):
    """Yield `count` songs of `frames` new frames, each uint8 (frames, V), in order, each as soon as it is done.

    primer: uint8 (T0, V), frames that come first and are not returned, or None for silence.  Every frame is the end of
    `gibbs_steps` sweeps in its own RBM, from the frame before it, at energies divided by temperature.  What is fed back
    is the frame as its roll has it: a Gaussian value that is no note is 0, as in the songs.  Song i depends on
    (model, primer, settings, seed, i) alone.  device: "cpu", or "cuda", where all songs go side by side.
    progress(more_frames) is called now and then, from worker threads.
    ValueError for settings that are out of range.
    """
    if frames < 1 or count < 1 or gibbs_steps < 1 or not temperature > 0:
        raise ValueError("frames, count and gibbs_steps must be at least 1 and temperature over 0")
    if device == "cuda":
        with gpu_work("make fewer songs at once, or take --device cpu"):
            songs = _generate_side_by_side(
                model,
                frames,
                primer,
                1 / temperature,
                gibbs_steps,
                [derive_key(seed, "generate", i) for i in range(count)],
                progress,
            )
        yield from songs
        return
    stopped = threading.Event()
    with ThreadPoolExecutor(min(count, usable_cores())) as pool:
        jobs = [
            pool.submit(
                _generate_song,
                model,
                frames,
                primer,
                1 / temperature,
                gibbs_steps,
                derive_key(seed, "generate", i),
                progress,
                stopped,
            )
            for i in range(count)
        ]
        try:
            for job in jobs:
                yield job.result()
        finally:  # also when the caller stops early: running songs end at their next frame
            stopped.set()
            pool.shutdown(cancel_futures=True)


def generate(model, frames, **settings):
    """All songs of generate_songs(model, frames, ...) at once: uint8 (count, frames, V)."""
    return np.stack(list(generate_songs(model, frames, **settings)))


def _generate_song(model, frames, primer, beta, gibbs_steps, key, progress, stopped):
    dtype = model.network.dtype
    song = np.zeros((frames, model.config.visible), np.uint8)
    state = np.zeros(model.config.recurrent, dtype)
    v = np.zeros((1, model.config.visible), dtype)
    if primer is not None and len(primer):
        heard = model.frames(primer)
        model.network.forward(model.params, np.concatenate([v, heard[:-1]]), state)
        v[0] = heard[-1]
    for t in range(frames):
        if stopped.is_set():
            break
        biases = model.biases(model.network.forward(model.params, v, state).u)
        sample = np.empty_like(v)
        model.kernels.gibbs_chain(v, model.w, *biases, gibbs_steps, beta, key, 0, t, sample)
        song[t] = model.roll(sample)[0]
        v = model.frames(song[t : t + 1])
        if progress and (t + 1) % 64 == 0:
            progress(64)
    if progress:
        progress(frames % 64)
    return song


def _generate_side_by_side(model, frames, primer, beta, gibbs_steps, keys, progress):
    """The songs of _generate_song on the GPU, a list."""
    from midigen.kernels.cuda.memory import upload  # Numba's CUDA takes time
    from midigen.model.on_device import OnDevice

    there, v = OnDevice(model), np.zeros((1, 1, model.config.visible), model.network.dtype)
    state = upload(np.zeros((1, model.config.recurrent), v.dtype))
    if primer is not None and len(primer):
        heard = model.frames(primer)[:, None]
        there.forward(
            upload(np.concatenate([v, heard[:-1]])), state, np.zeros((len(heard), 1), np.uint8)
        )
        v = heard[-1:]
    return list(
        there.play(
            np.concatenate([v.ravel(), state.copy_to_host()[0]]),
            keys,
            frames,
            beta,
            gibbs_steps,
            progress,
        )
    )


def choose_levels(model, rolls, seed):
    """How a Gaussian model's values become notes like those of the rolls, a list of uint8 (T, V); see RnnRbm.roll.

    The threshold gives as many notes a frame as the rolls have, gain and offset the mean and the standard deviation of
    their velocities.  Every frame's values are drawn as in generation, but after the frames of the song itself.
    """
    samples, frames = [], [model.frames(roll) for roll in rolls]
    for i, (roll, v) in enumerate(zip(rolls, frames, strict=True)):
        samples.append(np.empty_like(v))
        model.kernels.gibbs_chain(
            np.concatenate([np.zeros_like(v[:1]), v[:-1]]),
            model.w,
            *model.run(roll),
            DEFAULT_GIBBS_STEPS,
            1.0,
            derive_key(seed, "levels", i),
            0,
            0,
            samples[-1],
        )
    values, heard = np.concatenate(samples).astype(np.float64), np.concatenate(frames)
    threshold = np.quantile(values, 1 - np.mean(heard > 0))
    notes, real = values[values > threshold], heard[heard > 0]
    if not len(notes) or not len(real):
        return {"threshold": float(threshold)}
    gain = real.std() / max(notes.std(), 1e-6)
    return {
        "threshold": float(threshold),
        "gain": float(gain),
        "offset": float(real.mean() - gain * notes.mean()),
    }
