"""Where a command computes: --device auto, cpu or cuda."""

from contextlib import contextmanager

from midigen.errors import MidigenError, UsageError

DEVICES = ("auto", "cpu", "cuda")


def choose(name, obstacle="", say=None):
    """ "cpu" or "cuda", for a name of DEVICES.

    obstacle: what of the work at hand the GPU cannot do, or "".  say(line) is told why auto takes the CPU, or what the
    GPU will take.  An error, in one line, where cuda is asked for and cannot be.
    """
    if name == "cpu":
        return "cpu"
    if obstacle and name == "cuda":
        raise UsageError(f"--device cuda does not know {obstacle} yet: take --device cpu")
    if not obstacle:
        from midigen.kernels import devices  # asks the driver, which takes time

        obstacle = devices.missing()
        if not obstacle:
            if say:
                say("on the GPU, for which every run compiles its kernels anew: some 10 seconds")
            return "cuda"
        if name == "cuda":
            raise MidigenError(f"--device cuda: {obstacle}")
    if say:
        say(f"--device auto takes the CPU: {obstacle}")
    return "cpu"


@contextmanager
def gpu_work(remedy):
    """Work on the GPU, whose failures are said in one line with the remedy."""
    try:
        yield
    except Exception as e:
        from midigen.kernels.cuda.jit import is_gpu_error  # takes time

        if not is_gpu_error(e):
            raise
        raise MidigenError(f"the GPU failed ({' '.join(str(e).split())}): {remedy}") from None


def training_obstacle(settings):
    """What of a TrainConfig the GPU cannot do, or ""."""
    return next(
        (
            name
            for name, asked in {
                "--exact": settings.sampler == "exact",
                "--gradient textbook": settings.gradient == "textbook",
            }.items()
            if asked
        ),
        "",
    )
