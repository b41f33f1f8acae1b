"""A whole run: a corpus, a folder, a budget -> model, checkpoint and log in a folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from midigen import __version__
from midigen.backends.choose import backend_of, choose
from midigen.columns import coins, columns_of
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.corpus import Corpus, Song
from midigen.errors import MidigenError, UsageError
from midigen.figures.measure import spreads_of
from midigen.figures.piece import Piece
from midigen.model import exact
from midigen.model.card import ModelCard
from midigen.model.forms import MOST_OUTLINES
from midigen.model.rnn_rbm import FILE_NAME as MODEL_NAME
from midigen.model.rnn_rbm import RnnRbm, note_moments
from midigen.randomness import generator
from midigen.training.checkpoint import (
    COOLING_NAME,
    Checkpoint,
    alone_in,
    host_only,
    save_checkpoint,
)
from midigen.training.defaults import fitting_for, settings_for, sizes_for
from midigen.training.events import Diverged, Progress, RolledBack, Validated
from midigen.training.log import Log
from midigen.training.schedule import (
    COOLING,
    FULL_PACE,
    Budget,
    CoolDown,
    NextPace,
    Pace,
    Schedule,
)
from midigen.training.trainer import Event, Trainer

SAVE_SECONDS = 20  # between checkpoints while a run goes well
LOST_SECONDS = 30  # that a killed run may lose at most: one is saved ahead of a long validation
Say = Callable[[str], None]


class Run:
    """Trains a model, and keeps its folder up to date.

    Parameters
    ----------
    folder : path
    trainer : Trainer
    corpus_path : str
        Where a resumed run finds the songs.
    corpus_digest : str

    Attributes
    ----------
    outcome : str or None
        Why it ended, once it has.
    saved : bool
        Whether this process has written a checkpoint: from then on any end can be resumed.
    """

    def __init__(
        self, folder: str | Path, trainer: Trainer, corpus_path: str, corpus_digest: str
    ) -> None:
        self.folder, self.trainer = Path(folder), trainer
        self._corpus = corpus_path, corpus_digest
        self.outcome: str | None = None
        self.saved = False
        self._kept: float | None = None  # validation of the model in the folder
        self._validated_at: int | None = None  # steps
        self._schedule: Schedule | None = None  # of the checkpoint that it goes on from

    @classmethod
    def new(
        cls,
        make_folder: Callable[[], str | Path],
        corpus: Corpus,
        corpus_path: str,
        sizes: Mapping[str, Any],
        learning: Mapping[str, Any],
        device: str = "cpu",
        say: Say | None = None,
    ) -> Run:
        """Make a new run on a Corpus.

        Parameters
        ----------
        make_folder : callable
            Called, and the run's folder made, once all is known to fit.
        corpus : Corpus
        corpus_path : str
        sizes, learning : mapping
            Keyword arguments of ModelConfig besides `visible`, and of TrainConfig: what is "auto",
            or left out, is chosen by `midigen.training.defaults`.
        device, say
            As `midigen.backends.choose.choose` takes them.
        """
        train = corpus.of_split("train")
        if not train:
            raise MidigenError(f"{corpus_path} holds no songs to train on: prepare more songs")
        try:
            config = ModelConfig(visible=corpus.grid.channels, **sizes_for(corpus, sizes))
            settings = settings_for(corpus, config, learning)
        except ValueError as e:
            raise UsageError(str(e)) from None
        _check(config, corpus.grid, settings)
        backend = backend_of(choose(device, host_only(settings), say))
        known = some_songs(train, settings.seed)
        pieces = [Piece.of_song(song, corpus.grid) for song in known]
        card = ModelCard(
            midigen=__version__,
            corpus_digest=corpus.digest,
            seed=settings.seed,
            settings=settings.to_json(),
            outlines=[song.outline for song in known],
            figures={name: (mean, by) for name, (mean, by) in spreads_of(pieces).items()},
            dynamics=corpus.dynamics,
            temperature=fitting_for(corpus).temperature,
            **corpus.statistics(),
        )
        means, variances = note_moments([song.roll for song in train], corpus.grid)
        model = RnnRbm.initial(config, corpus.grid, means, settings.seed, card, variances)
        trainer = Trainer(model, train, corpus.of_split("valid"), settings, backend)
        folder = make_folder()  # not before all that takes much memory is there
        trainer.model.card.name = Path(folder).resolve().name
        return cls(folder, trainer, corpus_path, corpus.digest)

    @classmethod
    def resumed(
        cls,
        folder: str | Path,
        checkpoint: Checkpoint,
        corpus: Corpus,
        corpus_path: str,
        device: str = "cpu",
        say: Say | None = None,
    ) -> Run:
        """Go on with a run.  UsageError where the corpus is not the one it was training on."""
        if corpus.digest != checkpoint.corpus_digest:
            raise UsageError(
                f"{corpus_path} is not the corpus that {folder} was training on, which was "
                f"{checkpoint.corpus}: name it as it was then, or train anew"
            )
        splits = corpus.of_split("train"), corpus.of_split("valid")
        trainer = checkpoint.trainer(*splits, device, say)
        run = cls(folder, trainer, corpus_path, corpus.digest)
        run._schedule = checkpoint.schedule
        if run.model_path.exists():
            run._kept = RnnRbm.load(run.model_path).card.validation
        return run

    @property
    def model_path(self) -> Path:
        """Where the best model is."""
        return self.folder / MODEL_NAME

    @property
    def validation(self) -> float | None:
        """That of the model in the folder, nats a frame; None where there is none yet."""
        return self._kept

    @property
    def useless(self) -> str | None:
        """Say so where the model in the folder predicts held-out songs worse than coins would.

        None where it does not; where its units are Gaussian, whose densities have no coins; and
        where there is no model.
        """
        worst = coins(self.trainer.model.grid)
        if self._kept is None or self.trainer.model.gaussian or self._kept <= worst:
            return None
        return (
            f"predicts notes worse than coins would ({self._kept:.0f} nats a frame, coins "
            f"{worst:.0f}): it has learned nothing; try a lower --learning-rate than "
            f"{self.trainer.settings.learning_rate:g}"
        )

    def events(self, budget: Budget, interrupted: Callable[[], bool]) -> Iterator[Event]:
        """Train within the budget until interrupted() is true; yields the trainer's events.

        The last part of a run, COOLING, lowers the step size.  It has checkpoints of its own, and
        the one from before it stays until the run goes on with a larger budget: it does so from
        there, and cools down again at its end.  MidigenError where another process trains in the
        folder; Diverged where there is no model to keep.
        """
        with alone_in(self.folder):
            yield from self._events(budget, interrupted)

    def _events(self, budget: Budget, interrupted: Callable[[], bool]) -> Iterator[Event]:
        trainer = self.trainer
        log = Log(self.folder, trainer.state.steps, self._kept, trainer.counters.epoch)

        def share() -> float:
            return budget.share_done(trainer.epochs_done)

        def full_pace() -> Pace | None:
            return None if interrupted() or share() >= 1 - COOLING else FULL_PACE

        cool_down = self._begun(budget)
        if cool_down is None:
            yield from self._follow(full_pace, budget, log)
            counters = trainer.counters
            is_early = counters.finished is not None
            if not interrupted() or is_early or share() >= 1 - COOLING:
                cool_down = CoolDown(share(), counters.frames, is_early)
                # ahead of the one that says that it comes next: where that stands alone, the run
                # has ended
                self._save(budget, cool_down)
            self._save(budget, ended=cool_down is not None)
        if cool_down is not None:
            yield from self._cool_down(cool_down, budget, interrupted, log)
        self.outcome = self._why(budget, interrupted())
        if self._validated_at != trainer.state.steps:
            yield self._judge(trainer.validate(), budget, log)
        if not self.model_path.exists():
            raise Diverged(
                "training diverged: no validation is finite; try a lower --learning-rate than "
                f"{trainer.settings.learning_rate:g}"
            )
        if not interrupted():
            (self.folder / COOLING_NAME).unlink(missing_ok=True)

    def _begun(self, budget: Budget) -> CoolDown | None:
        """Return the cool-down in which the run was left, for the rest of it within the budget."""
        schedule = self._schedule
        if schedule is None or schedule.cooling is None:
            return None
        if budget == schedule.budget:
            return schedule.cooling
        share = budget.share_done(self.trainer.epochs_done)
        return replace(schedule.cooling, begun=share, start=schedule.factor)

    def _cool_down(
        self, cool_down: CoolDown, budget: Budget, interrupted: Callable[[], bool], log: Log
    ) -> Iterator[Event]:
        """Train while the step size runs down."""
        trainer = self.trainer

        def pace() -> Pace | None:
            if interrupted():
                return None
            share = budget.share_done(trainer.epochs_done)
            return cool_down.pace(share, trainer.counters.frames)

        yield from self._follow(pace, budget, log, cool_down)
        self._save(budget, cool_down)

    def _why(self, budget: Budget, interrupted: bool) -> str:
        """Say why the run has ended."""
        if interrupted:
            return "stopped"
        if self.trainer.counters.finished:
            return self.trainer.counters.finished
        all_done = self.trainer.epochs_done >= (budget.epochs or math.inf)
        return "all epochs done" if all_done else "time is up"

    def _follow(
        self, next_pace: NextPace, budget: Budget, log: Log, cool_down: CoolDown | None = None
    ) -> Iterator[Event]:
        """Train: logs and yields the events, keeps the best model, saves now and then."""
        # the first step is saved at once: from then on any end can be resumed
        saved = time.monotonic() if cool_down else -math.inf
        last, longest = math.inf, 0.0  # the last event, and the longest time between two
        for event in self.trainer.run(next_pace):
            budget.start()
            if isinstance(event, Validated):
                event = self._judge(event, budget, log)
            elif isinstance(event, RolledBack):
                log.write(event, budget.seconds())
            yield event
            now = time.monotonic()
            longest = max(longest, now - last)
            due = saved + min(SAVE_SECONDS, LOST_SECONDS - longest)
            if now >= due and isinstance(event, Progress | Validated):
                self._save(budget, cool_down)
                saved = time.monotonic()
            last = time.monotonic()

    def _judge(self, event: Validated, budget: Budget, log: Log) -> Validated:
        """Log a validation, and write the model if none of this run predicts held-out songs better.

        A resumed run may have a better model than its checkpoint, from which it goes on, knows of:
        what is best is judged here.
        """
        self._validated_at = event.steps
        is_better = self._kept is None or event.validation <= self._kept  # =: seen before a kill
        event = replace(event, best=math.isfinite(event.validation) and is_better)
        log.write(event, budget.seconds())
        if event.best:
            self._kept = event.validation
            model = self.trainer.averaged()
            model.card.validation = event.validation
            model.save(self.model_path)
        return event

    def _save(self, budget: Budget, cool_down: CoolDown | None = None, ended: bool = False) -> None:
        """Write a checkpoint, of a cool-down beside the one from before it."""
        used, factor = budget.used + budget.seconds(), self.trainer.pace.factor
        schedule = Schedule(budget.epochs, budget.minutes, used, cool_down, factor, ended)
        save_checkpoint(self.folder, self.trainer, *self._corpus, schedule)
        self.saved = True


def some_songs(songs: Sequence[Song], seed: int) -> Sequence[Song]:
    """Return the songs of which a model keeps the outlines and figures, of many a random choice."""
    if len(songs) <= MOST_OUTLINES:
        return songs
    chosen = generator(seed, "outlines").permutation(len(songs))[:MOST_OUTLINES]
    return [songs[i] for i in sorted(chosen.tolist())]


def _check(config: ModelConfig, grid: Grid, settings: TrainConfig) -> None:
    """UsageError, in the words of the command line, for what does not go together."""
    gaussian = config.visible_model == "gaussian"
    if grid.values == "velocity" and not gaussian:
        raise UsageError(
            "the corpus holds velocities, which need --visible-model gaussian: name that, or "
            "prepare the songs without --values velocity"
        )
    if gaussian and grid.parts:
        raise UsageError(
            "--visible-model gaussian has no parts: prepare the songs with --parts none, or with "
            "--values velocity"
        )
    if gaussian and settings.negative != "off":
        raise UsageError(
            "--negative pushes away random songs of notes that are on or off: leave it out with "
            "--visible-model gaussian"
        )
    if settings.sampler == "exact":
        groups = columns_of(grid).groups
        try:
            exact.check_size(config.visible, config.rbm_hidden, gaussian, groups)
        except ValueError as e:
            raise UsageError(f"--exact: {e}; lower --rbm-hidden") from None
