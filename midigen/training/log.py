"""log.jsonl, the diary of a run: one JSON object a line, one line an event."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from midigen import files
from midigen.training.events import RolledBack, Validated

LOG_NAME = "log.jsonl"

Line = dict[str, Any]


def read_log(path: str | Path) -> list[Line]:
    """Read a log, of this version of midigen or an earlier one.

    Parameters
    ----------
    path : path
        A log.jsonl, or the folder of its run.

    Returns
    -------
    list of dict
        The events in the order in which they were written, each with its `steps`; none where there
        is no log.  A line cut short when the machine went down is left out.
    """
    path = Path(path)
    path = path / LOG_NAME if path.is_dir() else path
    lines = []
    files.check_regular(path)
    if path.exists():
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
                int(line["steps"])
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue
            lines.append(line)
    return lines


def on_the_way(lines: Sequence[Line]) -> list[Line]:
    """Return the lines that the run has gone on from: those that are not set aside."""
    return [line for line in lines if not line.get("aside")]


class Log:
    """Writes the log of a run, new or resumed.

    A resumed run drops the lines from after its checkpoint, which had made so many `steps`, and in
    all so many `epochs`: it makes them again.  That of the model in its folder, whose validation is
    `kept`, stays, but is set aside: `aside` is true.
    """

    def __init__(
        self,
        folder: str | Path,
        steps: int,
        kept: float | None = None,
        epochs: float = math.inf,
    ) -> None:
        self.path = Path(folder, LOG_NAME)
        lines = read_log(self.path)
        before = [
            line
            for line in on_the_way(lines)
            if line["steps"] <= steps and (line.get("epoch") or 0) <= epochs
        ]
        self._seconds = float(before[-1].get("seconds") or 0) if before else 0.0
        models = [line for line in lines if line.get("best") and line.get("validation") == kept]
        if models and models[-1] not in before:
            before.append({**models[-1], "aside": True})
        with files.replacing(self.path) as temporary:
            text = "".join(json.dumps(line) + "\n" for line in before)
            temporary.write_text(text, encoding="utf-8")

    def write(self, event: Validated | RolledBack, seconds: float) -> None:
        """Append one event, with its kind and the time; what is not finite is null.

        Parameters
        ----------
        event : Validated or RolledBack
            What has happened.
        seconds : float
            For which this process has trained so far.
        """
        values = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(event).items()
        }
        line = {
            "event": type(event).__name__,
            **values,
            "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "seconds": round(self._seconds + seconds, 1),
        }
        files.append(self.path, json.dumps(line) + "\n")
