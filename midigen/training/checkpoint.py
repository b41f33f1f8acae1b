"""A run on disk: its folder, and a checkpoint to go on from as if it had not stopped."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from midigen import files
from midigen.backends.choose import backend_of, choose
from midigen.config import RUNS, Grid, ModelConfig, TrainConfig
from midigen.errors import MidigenError, UsageError
from midigen.model.card import ModelCard
from midigen.model.influence import Influence
from midigen.model.layout import as_array
from midigen.model.rnn_rbm import FILE_NAME as MODEL_NAME
from midigen.model.rnn_rbm import RnnRbm, shapes_of
from midigen.model.songs import AnySong
from midigen.training.log import LOG_NAME
from midigen.training.schedule import Pace, Schedule
from midigen.training.series import CarriedState
from midigen.training.state import Counters, Snapshot, Weights
from midigen.training.trainer import Trainer

KIND, VERSION = "checkpoint", 3
CHECKPOINT_NAME = "checkpoint.safetensors"
COOLING_NAME = "cooling.safetensors"  # a checkpoint, too: the last, while the step size runs down


def new_run_folder(parent: str | Path = RUNS) -> Path:
    """Make and return the first free parent/run-001, run-002, ..."""
    for number in range(1, 1_000_000):
        folder = Path(parent, f"run-{number:03d}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            if not Path(parent).is_dir():
                break
        except OSError as e:
            raise MidigenError(f"cannot make {folder}: {e.strerror}") from None
    raise MidigenError(f"{parent} is not a folder: name another place with -o")


def use_run_folder(folder: str | Path) -> Path:
    """Make `folder` for a new run.

    UsageError where it already holds one, or a file that the run would write over.  One that a run
    was killed in before its first checkpoint can be used again.
    """
    folder = Path(folder)
    if (folder / CHECKPOINT_NAME).exists() or (folder / MODEL_NAME).exists():
        raise UsageError(
            f"{folder} already holds a run: go on with it by --resume {folder}, or name another "
            "folder"
        )
    log = folder / LOG_NAME
    # an empty one is of a run that was killed before its first checkpoint
    if log.is_symlink() or (log.exists() and log.stat().st_size):
        raise UsageError(
            f"{folder} already holds a {LOG_NAME}, which the run would write over: name another "
            "folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise MidigenError(f"cannot make {folder}: {e.strerror}") from None
    return folder


@contextmanager
def alone_in(folder: str | Path) -> Iterator[None]:
    """Keep other processes from training in the folder; MidigenError where one does already."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise MidigenError(
            f"another midigen is training in {folder}: wait for it, or name another folder"
        ) from None
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(held)


def host_only(settings: TrainConfig) -> list[str]:
    """Name the settings of a run, as a user would, that are known on the CPU alone."""
    asked = {
        "--exact": settings.sampler == "exact",
        "--gradient textbook": settings.gradient == "textbook",
    }
    return [name for name, is_asked in asked.items() if is_asked]


def save_checkpoint(
    folder: str | Path,
    trainer: Trainer,
    corpus_path: str,
    corpus_digest: str,
    schedule: Schedule | None = None,
) -> None:
    """Write a checkpoint into the folder of a run, atomically: all that the rest depends on.

    One from the last part of the run does not replace the one from before it.
    """
    backend, snapshot = trainer.backend, trainer.state.snapshot(trainer.backend)
    weights, host = snapshot.weights, backend.to_host
    assert weights is not None
    tensors = {"theta": host(weights.theta), "average": host(weights.average)}
    for i, moment in enumerate(weights.moments):
        tensors[f"moment.{i}"] = host(moment)
    for _, _, rows in snapshot.particles:
        tensors["particles"] = host(rows)
    for slot, carried in snapshot.carries.items():
        named = carried.tensors(backend).items()
        tensors |= {f"carry.{slot}.{name}": tensor for name, tensor in named}
    model = trainer.model
    header: dict[str, Any] = {
        "config": model.config.to_json(),
        "grid": model.grid.to_json(),
        "about": model.card.to_json(),
        "settings": trainer.settings.to_json(),
        "state": asdict(snapshot.counters),
        "steps": weights.steps,
        "slots": sorted(int(slot) for slot in snapshot.carries),
        "corpus": os.path.abspath(corpus_path),
        "corpus_digest": corpus_digest,
    }
    if schedule:
        header["schedule"] = schedule.to_json()
    name = COOLING_NAME if schedule and schedule.cooling else CHECKPOINT_NAME
    files.save(Path(folder, name), KIND, VERSION, tensors, header)


class Checkpoint:
    """A checkpoint as read.

    Parameters
    ----------
    folder : path
        That of the run.
    name : str
        Which of its files: the one from before the step size runs down, or COOLING_NAME.

    Attributes
    ----------
    corpus, corpus_digest : str
        What it was training on.
    counters : Counters
        How far it had come.
    schedule : Schedule or None
        How far it was in its budget; earlier versions of midigen have not kept that.

    Raises
    ------
    MidigenError
        In one line, where there is none or it is damaged.
    """

    def __init__(self, folder: str | Path, name: str = CHECKPOINT_NAME) -> None:
        self.path = Path(folder, name)
        if not self.path.exists():
            raise MidigenError(
                f"{folder} holds no {CHECKPOINT_NAME}: name a run folder that `midigen train` made"
            )
        try:
            self.tensors, self.header = files.load(self.path, KIND, VERSION, _check_shapes)
            self.corpus = self.header.get("corpus", "")
            self.corpus_digest = self.header.get("corpus_digest")
            self.counters = counters = Counters(**self.header["state"])
            files.whole(
                self.header["steps"],
                counters.epoch,
                counters.cursor,
                counters.frames,
                counters.rollbacks,
                counters.stale,
            )
            if not (0 < counters.rate_scale <= 1 and math.isfinite(counters.best or 0)):
                raise ValueError("a step size or a validation that is none")
            found = self.header.get("schedule")
            self.schedule = None if found is None else Schedule.from_json(found)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise self._damaged(e) from None

    def _damaged(self, error: Exception) -> MidigenError:
        return MidigenError(
            f"{self.path} is damaged ({type(error).__name__}: {error}): train again"
        )

    def trainer(
        self,
        train: Sequence[AnySong],
        valid: Sequence[AnySong],
        device: str = "cpu",
        say: Callable[[str], None] | None = None,
    ) -> Trainer:
        """Make the Trainer as it was saved, over the same songs.

        device and say are as `midigen.backends.choose.choose` takes them.
        """
        header = self.header
        try:
            model = RnnRbm(
                ModelConfig.from_json(header["config"]),
                Grid.from_json(header["grid"]),
                self.tensors["theta"],
                ModelCard.from_json(header["about"]),
            )
            settings = TrainConfig.from_json(header["settings"])
            backend = backend_of(choose(device, host_only(settings), say))
            trainer = Trainer(model, train, valid, settings, backend)
            trainer.state.restore(backend, self._snapshot(trainer))
            if self.schedule and self.schedule.cooling:
                trainer.pace = Pace(self.schedule.factor, cooling=True)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise self._damaged(e) from None
        return trainer

    def _snapshot(self, trainer: Trainer) -> Snapshot:
        """Read what `save_checkpoint` has written, for a trainer of the same model."""
        backend, state, tensors = trainer.backend, trainer.state, self.tensors

        def like(name: str, array: Any) -> Any:
            return backend.to_device(as_array(name, tensors[name], array.shape, array.dtype))

        moments = tuple(like(f"moment.{i}", moment) for i, moment in enumerate(state.moments))
        theta, average = like("theta", state.theta), like("average", state.average)
        weights = Weights(theta, average, moments, self.header["steps"])
        particles = []
        if state.particles is not None:
            kept = state.particles.kept
            particles.append((0, kept.shape[0], like("particles", kept)))
        carries = {}
        for slot in self.header["slots"]:
            start = f"carry.{slot}."
            own = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
            carries[slot] = CarriedState.from_tensors(backend, trainer.model, own)
            in_parts = isinstance(carries[slot].influence, Influence | None)
            if in_parts == (trainer.settings.gradient == "textbook") and "influence" in own:
                raise ValueError("J is not laid out as --gradient has it")
        return Snapshot(self.counters, carries, tuple(particles), weights)


def _check_shapes(header: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    """ValueError where the tensors of a file cannot be those of its header."""
    config = ModelConfig.from_json(header["config"])
    parts = shapes_of(config, Grid.from_json(header["grid"])).values()
    parameters = sum(math.prod(shape) for shape in parts)
    for name, shape in shapes.items():
        if name == "particles":
            fits = len(shape) == 2 and shape[1] <= config.visible
        elif name.startswith("carry."):
            fits = header["settings"]["concatenate"] is True
        else:
            known = name in ("theta", "average", "moment.0", "moment.1")
            fits = known and shape == (parameters,)
        if not fits:
            raise ValueError(f"{name} of shape {shape}, with {parameters:,} parameters")
