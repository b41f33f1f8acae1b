"""What a training run tells about itself: its events, and its counters."""

from dataclasses import dataclass

from midigen.errors import MidigenError


@dataclass
class Progress:
    """After a step.  position: share of the epoch that is done; frames: trained on so far."""

    epoch: int
    position: float
    frames: int
    steps: int


@dataclass
class Validated:
    """After a validation: nats a frame (pseudo-likelihood, lower is better), and notes a frame of a short sample."""

    epoch: int
    steps: int
    frames: int
    loss: float
    validation: float
    best: bool
    notes_per_frame: float
    rate: float


@dataclass
class RolledBack:
    """Non-finite values appeared in `what`; the step before was taken back and the step size halved to `rate`."""

    what: str
    rate: float
    steps: int


@dataclass
class State:
    """The counters of a run; with theta, moments, average, particles and carries, all that a checkpoint holds."""

    epoch: int = 0
    cursor: int = 0
    frames: int = 0
    rate_scale: float = 1.0
    rollbacks: int = 0
    stale: int = 0
    best: float | None = None
    finished: str | None = None


class Diverged(MidigenError):
    """Values were not finite after three halvings of the step."""
