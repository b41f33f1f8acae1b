"""Where a command computes: --device auto, cpu or cuda."""

from midigen.errors import MidigenError, UsageError

DEVICES = ("auto", "cpu", "cuda")


def choose(name, obstacle="", say=None):
    """ "cpu" or "cuda", for a name of DEVICES.

    obstacle: what of the work at hand the GPU cannot do, or "".  say(line) is told why auto takes the CPU.  An error,
    in one line, where cuda is asked for and cannot be.
    """
    if name == "cpu":
        return "cpu"
    if obstacle and name == "cuda":
        raise UsageError(f"--device cuda does not know {obstacle} yet: take --device cpu")
    if not obstacle:
        from midigen.kernels import devices  # asks the driver, which takes time

        obstacle = devices.missing()
        if not obstacle:
            return "cuda"
        if name == "cuda":
            raise MidigenError(f"--device cuda: {obstacle}")
    if say:
        say(f"--device auto takes the CPU: {obstacle}")
    return "cpu"


def training_obstacle(settings):
    """What of a TrainConfig the GPU cannot do, or ""."""
    return next((name for name, asked in {
        "--exact": settings.sampler == "exact",
        "--gradient textbook": settings.gradient == "textbook"}.items() if asked), "")
