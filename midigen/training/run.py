"""A whole run: a corpus, a folder, a budget -> model.safetensors, checkpoint.safetensors, log.jsonl."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from midigen import __version__
from midigen.config import ModelConfig
from midigen.device import choose, training_obstacle
from midigen.errors import MidigenError, UsageError
from midigen.model import exact
from midigen.model.rnn_rbm import FILE_NAME as MODEL_NAME
from midigen.model.rnn_rbm import RnnRbm, note_moments
from midigen.training.checkpoint import Log, alone_in, save_checkpoint
from midigen.training.events import Diverged, Progress, Validated
from midigen.training.trainer import trainer_kind

SAVE_SECONDS = 20  # between checkpoints while a run goes well
COOLING = 0.4  # share of a run over which the step size runs down to 0


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
        self._kept = None  # validation of the model in the folder
        self._validated_at = None  # steps

    @classmethod
    def new(cls, make_folder, corpus, corpus_path, sizes, settings, device="cpu", say=None):
        """A new run on a Corpus, in the folder that make_folder() makes once all is known to fit.

        sizes: keyword arguments of ModelConfig besides `visible`; visible_model may be "auto", which is gaussian on
        velocities and bernoulli on notes.  device, say: as midigen.device.choose takes them.
        """
        train = corpus.rolls("train")
        if not train:
            raise MidigenError(f"{corpus_path} holds no songs to train on: prepare more songs")
        config = _model_config(corpus.grid, sizes, settings)
        device = choose(device, training_obstacle(settings), say)
        figures = corpus.statistics()
        about = {
            "name": "",
            "midigen": __version__,
            "corpus_digest": corpus.digest,
            "seed": settings.seed,
            "settings": settings.to_json(),
            "metre": list(figures.pop("metre")),
            **figures,
        }
        means, variances = note_moments(train, corpus.grid)
        model = RnnRbm.initial(config, corpus.grid, means, settings.seed, about, variances)
        trainer = trainer_kind(device)(model, train, corpus.rolls("valid"), settings)
        folder = make_folder()  # not before all that takes much memory is there
        model.about["name"] = Path(folder).resolve().name
        return cls(folder, trainer, corpus_path, corpus.digest)

    @classmethod
    def resumed(cls, folder, checkpoint, corpus, corpus_path, device="cpu", say=None):
        """Go on with a run.  UsageError where the corpus is not the one that it was training on."""
        if corpus.digest != checkpoint.corpus_digest:
            raise UsageError(
                f"{corpus_path} is not the corpus that {folder} was training on, which was "
                f"{checkpoint.corpus}: name it as it was then, or train anew"
            )
        trainer = checkpoint.trainer(corpus.rolls("train"), corpus.rolls("valid"), device, say)
        run = cls(folder, trainer, corpus_path, corpus.digest)
        if run.model_path.exists():
            run._kept = RnnRbm.load(run.model_path).about.get("validation")
        return run

    @property
    def model_path(self):
        """Where the best model is."""
        return self.folder / MODEL_NAME

    def events(self, budget, interrupted):
        """Train within the budget until interrupted() is true; yields the trainer's events.

        The last part of a run, COOLING, lowers the step size.  The checkpoint stays that from before it: a run that is
        resumed with a larger budget goes on from there, and cools down again at its end.  MidigenError where another
        process trains in the folder; Diverged where there is no model to keep.
        """
        with alone_in(self.folder):
            yield from self._events(budget, interrupted)

    def _events(self, budget, interrupted):
        trainer = self.trainer
        log = Log(self.folder, trainer.optimizer.steps)

        def share():
            return budget.share_done(trainer.epochs_done)

        yield from self._follow(
            lambda: interrupted() or share() >= 1 - COOLING, budget, log, save=True
        )
        self.save()
        if not interrupted():
            trainer.cooling = True
            yield from self._follow(self._cooler(share, interrupted), budget, log, save=False)
        if interrupted():
            self.outcome = "stopped"
        else:
            all_done = trainer.epochs_done >= (budget.epochs or math.inf)
            self.outcome = trainer.state.finished or (
                "all epochs done" if all_done else "time is up"
            )
        if self._validated_at != trainer.optimizer.steps:
            event = trainer.look()
            log.write(event)
            self._keep(event)
            yield event
        if not self.model_path.exists():
            raise Diverged(
                "training diverged: no validation is finite; try a lower --learning-rate than "
                f"{trainer.settings.learning_rate:g}"
            )

    def _follow(self, stop, budget, log, save):
        """Train until stop(): logs and yields the events, keeps the best model, saves now and then if `save`."""
        saved = -math.inf  # the first step is saved at once: from then on any end can be resumed
        for event in self.trainer.run(math.inf, stop):
            budget.start()
            if not isinstance(event, Progress):
                log.write(event)
            if isinstance(event, Validated):
                self._keep(event)
            yield event
            if (
                save
                and time.monotonic() - saved >= SAVE_SECONDS
                and isinstance(event, Progress | Validated)
            ):
                self.save()
                saved = time.monotonic()

    def _cooler(self, share, interrupted):
        """A stop() that lowers the trainer's pace from 1 to 0: over what is left of the budget or, after an early stop,
        over as many frames as make COOLING of all."""
        trainer = self.trainer
        begun, frames = share(), trainer.state.frames

        def stop():
            left = (1 - share()) / max(1 - begun, 1e-9)
            if trainer.state.finished:
                left = min(
                    left,
                    1 - (trainer.state.frames - frames) / max(frames, 1) * (1 - COOLING) / COOLING,
                )
            trainer.pace = max(left, 0.0)
            return interrupted() or left <= 0

        return stop

    def _keep(self, event):
        """Write the model if no earlier one of this run, resumed or not, predicts the held-out songs better."""
        self._validated_at = event.steps
        if math.isfinite(event.validation) and (
            self._kept is None or event.validation < self._kept
        ):
            self._kept = event.validation
            model = self.trainer.averaged()
            model.about["validation"] = event.validation
            model.save(self.model_path)

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
        raise UsageError(
            "the corpus holds velocities, which need --visible-model gaussian: name that, or prepare the "
            "songs without --values velocity"
        )
    if gaussian and settings.negative != "off":
        raise UsageError(
            "--negative pushes away random songs of notes that are on or off: leave it out with "
            "--visible-model gaussian"
        )
    if settings.sampler == "exact":
        try:
            exact.check_size(config.visible, config.rbm_hidden, gaussian)
        except ValueError as e:
            raise UsageError(f"--exact: {e}; lower --rbm-hidden") from None
    return config
