"""What a training run tells about itself."""

from dataclasses import dataclass

from midigen.errors import MidigenError


@dataclass
class Progress:
    """After a step.

    position is the share of the epoch that is done, frames how many were trained on so far.
    """

    epoch: int
    position: float
    frames: int
    steps: int


@dataclass
class Validated:
    """After a validation.

    loss and validation are in nats a frame (pseudo-likelihood, lower is better); best is whether
    none was lower, and so, in a run, whether the model is kept; notes_per_frame is that of a short
    sample.
    """

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
    """Values of `what` were not finite: the step was taken back, the step size is now `rate`."""

    what: str
    rate: float
    steps: int


class Diverged(MidigenError):  # noqa: N818  (an event of training, too: what has happened)
    """Values were not finite after three halvings of the step."""
