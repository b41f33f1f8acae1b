"""A run on disk: its folder, its log, and a checkpoint from which it goes on as if it had not stopped."""

import json
import math
import os
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from midigen import files
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.device import choose, training_obstacle
from midigen.errors import MidigenError, UsageError
from midigen.model.layout import as_array
from midigen.model.rnn_rbm import FILE_NAME as MODEL_NAME
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.events import State
from midigen.training.gradient import Carry
from midigen.training.trainer import trainer_kind

KIND, VERSION = "checkpoint", 2
CHECKPOINT_NAME, LOG_NAME = "checkpoint.safetensors", "log.jsonl"


def new_run_folder(parent="output"):
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


def use_run_folder(folder):
    """Make `folder` for a new run.  UsageError where it already holds one, or a file that the run would write over."""
    folder = Path(folder)
    if (folder / CHECKPOINT_NAME).exists() or (folder / MODEL_NAME).exists():
        raise UsageError(
            f"{folder} already holds a run: go on with it by --resume {folder}, or name another folder"
        )
    if (folder / LOG_NAME).exists():
        raise UsageError(
            f"{folder} already holds a {LOG_NAME}, which the run would write over: name another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise MidigenError(f"cannot make {folder}: {e.strerror}") from None
    return folder


@contextmanager
def alone_in(folder):
    """While this lasts no other process may train in the folder: MidigenError where one does already."""
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


def save_checkpoint(folder, trainer, corpus_path, corpus_digest):
    """Write folder/checkpoint.safetensors, atomically: everything that the rest of the run depends on."""
    trainer.fetch()
    tensors = {"theta": trainer.model.theta, "average": trainer.average}
    for i, moment in enumerate(trainer.optimizer.moments):
        tensors[f"moment.{i}"] = moment
    if trainer.particles:
        tensors["particles"] = np.concatenate(trainer.particles)
    for slot, carry in trainer.carries.items():
        tensors |= {f"carry.{slot}.{name}": tensor for name, tensor in carry.tensors().items()}
    model = trainer.model
    files.save(
        Path(folder, CHECKPOINT_NAME),
        KIND,
        VERSION,
        tensors,
        {
            "config": model.config.to_json(),
            "grid": model.grid.to_json(),
            "about": model.about,
            "settings": trainer.settings.to_json(),
            "state": asdict(trainer.state),
            "steps": trainer.optimizer.steps,
            "slots": sorted(int(slot) for slot in trainer.carries),
            "corpus": os.path.abspath(corpus_path),
            "corpus_digest": corpus_digest,
        },
    )


class Checkpoint:
    """A checkpoint as read: `corpus` and `corpus_digest` say what it was training on; `trainer(...)` goes on."""

    def __init__(self, folder):
        self.path = Path(folder, CHECKPOINT_NAME)
        if not self.path.exists():
            raise MidigenError(
                f"{folder} holds no {CHECKPOINT_NAME}: name a run folder that `midigen train` made"
            )
        self.tensors, self.header = files.load(self.path, KIND, VERSION)
        self.corpus, self.corpus_digest = (
            self.header.get("corpus", ""),
            self.header.get("corpus_digest"),
        )

    def trainer(self, train, valid, device="cpu", say=None):
        """The Trainer as it was saved, over the same lists of rolls; device, say as device.choose takes them."""
        header, tensors = self.header, self.tensors

        def like(name, array, *shape):
            return as_array(name, tensors[name], shape or array.shape, array.dtype)

        try:
            state = State(**header["state"])
            files.whole(
                header["steps"],
                state.epoch,
                state.cursor,
                state.frames,
                state.rollbacks,
                state.stale,
            )
            model = RnnRbm(
                ModelConfig.from_json(header["config"]),
                Grid.from_json(header["grid"]),
                tensors["theta"],
                header["about"],
            )
            settings = TrainConfig.from_json(header["settings"])
            kind = trainer_kind(choose(device, training_obstacle(settings), say))
            trainer = kind(model, train, valid, settings, state=state)
            trainer.average = like("average", trainer.average)
            trainer.optimizer.steps = header["steps"]
            trainer.optimizer.moments = [
                like(f"moment.{i}", moment) for i, moment in enumerate(trainer.optimizer.moments)
            ]
            if trainer.particles:
                ends = np.cumsum([len(roll) for roll in train])
                trainer.particles = np.split(
                    like(
                        "particles",
                        trainer.particles[0],
                        int(ends[-1]),
                        *trainer.particles[0].shape[1:],
                    ),
                    ends[:-1],
                )
            for slot in header["slots"]:
                start = f"carry.{slot}."
                trainer.carries[slot] = Carry.from_tensors(
                    {
                        name.removeprefix(start): tensor
                        for name, tensor in tensors.items()
                        if name.startswith(start)
                    }
                )
                trainer.carries[slot].check(model)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise MidigenError(
                f"{self.path} is damaged ({type(e).__name__}: {e}): train again"
            ) from None
        return trainer


class Log:
    """log.jsonl: one JSON object a line, one line an event.  A resumed run drops lines from after its checkpoint."""

    def __init__(self, folder, steps):
        self.path = Path(folder, LOG_NAME)
        kept = []
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    if json.loads(line)["steps"] <= steps:
                        kept.append(line)
                except (ValueError, KeyError, TypeError):
                    continue  # a line cut short when the machine went down
        with files.replacing(self.path) as temporary:
            temporary.write_text("".join(line + "\n" for line in kept))

    def write(self, event):
        """Append one event (a dataclass), with its kind; what is not finite is null."""
        values = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(event).items()
        }
        with open(self.path, "a") as f:
            f.write(json.dumps({"event": type(event).__name__, **values}) + "\n")
