"""A whole run: a corpus, a folder, a budget -> model.safetensors, checkpoint.safetensors, log.jsonl."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from midigen import __version__
from midigen.config import ModelConfig
from midigen.errors import MidigenError, UsageError
from midigen.model import exact
from midigen.model.rnn_rbm import FILE_NAME as MODEL_NAME
from midigen.model.rnn_rbm import LOUDEST, RnnRbm
from midigen.training.checkpoint import Log, save_checkpoint
from midigen.training.events import Progress, Validated
from midigen.training.trainer import Trainer

SAVE_SECONDS = 20  # between checkpoints while a run goes well


@dataclass
class Budget:
    """When to stop: after `epochs` in all, or `minutes` from the first step on, which compiles; None for no limit."""

    epochs: int | None
    minutes: float | None
    started: float | None = None

    def start(self):
        """Start the clock, once."""
        if self.started is None:
            self.started = time.monotonic()

    def seconds(self):
        """Seconds since the clock was started."""
        return 0.0 if self.started is None else time.monotonic() - self.started

    def is_over(self):
        """Whether the time is up."""
        return self.minutes is not None and self.seconds() >= 60 * self.minutes

    def share_done(self, epochs_done):
        """The share of the budget that is used, 0..1, by its tighter limit; epochs_done may be a fraction."""
        shares = [0.0]
        if self.minutes is not None:
            shares.append(self.seconds() / (60 * self.minutes))
        if self.epochs is not None:
            shares.append(epochs_done / self.epochs)
        return min(1.0, max(shares))


class Run:
    """Trains and keeps the folder true.  `events` yields what happens; afterwards `outcome` says why it ended."""

    def __init__(self, folder, trainer, corpus_path, corpus_digest):
        self.folder, self.trainer = Path(folder), trainer
        self._corpus = corpus_path, corpus_digest
        self.outcome = None

    @classmethod
    def new(cls, make_folder, corpus, corpus_path, sizes, settings):
        """A new run on a Corpus, in the folder that make_folder() makes once all is known to fit.

        sizes: keyword arguments of ModelConfig besides `visible`; visible_model may be "auto", which is gaussian on
        velocities and bernoulli on notes.
        """
        train = corpus.rolls("train")
        if not train:
            raise MidigenError(f"{corpus_path} holds no songs to train on: prepare more songs")
        config = _model_config(corpus.grid, sizes, settings)
        folder = make_folder()
        figures = corpus.statistics()
        about = {"name": Path(folder).resolve().name, "midigen": __version__, "corpus_digest": corpus.digest,
                 "seed": settings.seed, "settings": settings.to_json(), "metre": list(figures.pop("metre")), **figures}
        frames = np.concatenate(train) / (LOUDEST if corpus.grid.values == "velocity" else 1)
        model = RnnRbm.initial(config, corpus.grid, frames.mean(axis=0), settings.seed, about, frames.var(axis=0))
        return cls(folder, Trainer(model, train, corpus.rolls("valid"), settings), corpus_path, corpus.digest)

    @classmethod
    def resumed(cls, folder, checkpoint, corpus, corpus_path):
        """Go on with a run.  UsageError where the corpus is not the one that it was training on."""
        if corpus.digest != checkpoint.corpus_digest:
            raise UsageError(f"{corpus_path} is not the corpus that {folder} was training on "
                             f"({checkpoint.corpus}): name that one")
        trainer = checkpoint.trainer(corpus.rolls("train"), corpus.rolls("valid"))
        return cls(folder, trainer, corpus_path, corpus.digest)

    @property
    def model_path(self):
        """Where the best model is."""
        return self.folder / MODEL_NAME

    def events(self, budget, interrupted):
        """Train within the budget until interrupted() is true; yields the trainer's events."""
        trainer, state = self.trainer, self.trainer.state
        log = Log(self.folder, trainer.optimizer.steps)
        saved = -SAVE_SECONDS  # the first step is saved at once: from then on any end can be resumed
        latest = None
        epochs = float("inf") if budget.epochs is None else budget.epochs
        for event in trainer.run(epochs, lambda: interrupted() or budget.is_over()):
            budget.start()
            if not isinstance(event, Progress):
                log.write(event)
            if isinstance(event, Validated):
                latest = event
                if event.best:
                    trainer.averaged().save(self.model_path)
            yield event
            if time.monotonic() - saved >= SAVE_SECONDS and isinstance(event, Progress | Validated):
                self.save()
                saved = time.monotonic()
        self.save()
        if state.finished:
            self.outcome = state.finished
        else:
            self.outcome = "stopped" if interrupted() else "time is up" if budget.is_over() else "all epochs done"
        if not state.finished and (latest is None or latest.steps != trainer.optimizer.steps):
            event = trainer.look()
            if event.best:
                trainer.averaged().save(self.model_path)
            yield event

    def save(self):
        """Write the checkpoint."""
        save_checkpoint(self.folder, self.trainer, *self._corpus)


def _model_config(grid, sizes, settings):
    """The ModelConfig for rolls on a Grid.  UsageError, in the words of the command line, where it cannot be."""
    if sizes.get("visible_model") == "auto":
        sizes = {**sizes, "visible_model": "gaussian" if grid.values == "velocity" else "bernoulli"}
    try:
        config = ModelConfig(visible=grid.channels, **sizes)
    except ValueError as e:
        raise UsageError(str(e)) from None
    gaussian = config.visible_model == "gaussian"
    if grid.values == "velocity" and not gaussian:
        raise UsageError("the corpus holds velocities, which need --visible-model gaussian: name that, or prepare the "
                         "songs without --values velocity")
    if gaussian and settings.negative != "off":
        raise UsageError("--negative pushes away random songs of notes that are on or off: leave it out with "
                         "--visible-model gaussian")
    if settings.sampler == "exact":
        try:
            exact.check_size(config.visible, config.rbm_hidden, gaussian)
        except ValueError as e:
            raise UsageError(f"--exact: {e}; lower --rbm-hidden") from None
    return config
