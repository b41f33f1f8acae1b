"""The runs in a folder: what each was trained on, for how long, and how good its model is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from midigen import files
from midigen.config import RUNS
from midigen.errors import MidigenError
from midigen.model.rnn_rbm import FILE_NAME as MODEL_NAME
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.checkpoint import CHECKPOINT_NAME, KIND, VERSION
from midigen.training.log import LOG_NAME, read_log

MADE = (MODEL_NAME, CHECKPOINT_NAME, LOG_NAME)  # what a run folder holds


@dataclass(frozen=True)
class RunSummary:
    """A run that has a model.

    Parameters
    ----------
    name : str
        That of its folder.
    path : str
        Of its folder.
    time : datetime
        When it was trained last, UTC.
    corpus : str
        The path of its corpus, "" where that is not known.
    minutes : float or None
        For how long it was trained, where its log tells.
    validation : float or None
        That of its model: nats a frame of held-out songs, lower is better.
    parameters : int
        How many numbers its model has.
    """

    name: str
    path: str
    time: datetime
    corpus: str
    minutes: float | None
    validation: float | None
    parameters: int


@dataclass(frozen=True)
class BrokenRun:
    """A run whose model cannot be read, and why."""

    name: str
    path: str
    reason: str


def list_runs(folder: str | os.PathLike[str] = RUNS) -> tuple[list[RunSummary], list[BrokenRun]]:
    """List the runs in a folder, the newest last.

    Parameters
    ----------
    folder : path
        One that holds run folders, or a run folder.

    Returns
    -------
    list of RunSummary
        Those with a model, by the time of their last training.
    list of BrokenRun
        The others, by name.

    Raises
    ------
    MidigenError
        Where there is no such folder, or it cannot be listed.
    """
    folder = Path(folder)
    runs, broken = [], []
    for path in _run_folders(folder):
        name = path.resolve().name
        try:
            runs.append(_summarise(path, name))
        except MidigenError as e:
            broken.append(BrokenRun(name, str(path), str(e)))
    runs.sort(key=lambda run: (run.time, run.name))
    return runs, broken


def _run_folders(folder: Path) -> list[Path]:
    """Find the run folders among a folder and what it holds, in the order of their names."""
    if not folder.is_dir():
        raise MidigenError(f"there is no folder {folder}: `midigen train` makes runs")
    if any((folder / name).exists() for name in MADE):
        return [folder]
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_dir() and _is_run(path)]
    except OSError as e:
        raise MidigenError(f"cannot read {folder}: {e.strerror}") from None


def _is_run(path: Path) -> bool:
    """Tell whether a folder holds what a run makes, or was made for a run that never began."""
    try:
        names = os.listdir(path)
    except OSError:
        return False
    return bool(set(names) & set(MADE)) or (not names and path.name.startswith("run-"))


def _summarise(path: Path, name: str) -> RunSummary:
    """Read a run; MidigenError where it has no model."""
    model = RnnRbm.load(path)
    lines = read_log(path)
    seconds = lines[-1].get("seconds") if lines else None
    return RunSummary(
        name=name,
        path=str(path),
        time=_last_written(path),
        corpus=_corpus(path),
        minutes=round(seconds / 60, 2) if isinstance(seconds, int | float) else None,
        validation=model.card.validation,
        parameters=model.theta.size,
    )


def _last_written(path: Path) -> datetime:
    times = [(path / name).stat().st_mtime for name in MADE if (path / name).exists()]
    return datetime.fromtimestamp(max(times), UTC)


def _corpus(path: Path) -> str:
    """Return the path of the corpus that a run's checkpoint names; "" where that cannot be read."""
    try:
        return str(files.load_header(path / CHECKPOINT_NAME, KIND, VERSION).get("corpus", ""))
    except MidigenError:
        return ""
