"""How kernels are compiled: their options, where compiled code is kept, and one BLAS thread.

Import this before numba.  Compiled code goes to a folder named by a hash of this package's sources,
because Numba's own cache does not notice an edit in a function that a kernel calls from another
file.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def _cache_folder() -> Path | None:
    """Make a folder for this version of the sources; None where no place can be written to."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    name = f"kernels-{digest.hexdigest()[:12]}" + (
        "-checked" if os.environ.get("NUMBA_BOUNDSCHECK") == "1" else ""
    )
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    for root in (user_cache, tempfile.gettempdir()):
        folder = Path(root, "midigen", name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


# kernels are shared out to threads already: a second BLAS thread on a busy machine made a small
# product 200 times slower
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# with colorama, Numba would write a reset of colours to the terminal at exit
os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
if "NUMBA_CACHE_DIR" not in os.environ and "numba" not in sys.modules:
    _folder = _cache_folder()
    if _folder is not None:
        os.environ["NUMBA_CACHE_DIR"] = str(_folder)
_CACHE = "NUMBA_CACHE_DIR" in os.environ


def usable_cores() -> int:
    """Count the cores that this process may run on, for as many threads."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_compiled() -> bool:
    """Tell whether compiled kernels are in the cache, so that the first run need not compile."""
    return _CACHE and any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi"))


# "contract" alone: fused multiply-adds as on a GPU, while NaN checks keep their meaning, which
# fastmath=True would delete
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "cache": _CACHE}
SCALAR: dict[str, Any] = {"forceinline": True, **_OPTIONS}  # of functions of numbers
KERNEL: dict[str, Any] = {"nogil": True, **_OPTIONS}  # of functions of arrays
UNFUSED: dict[str, Any] = {**KERNEL, "fastmath": False}  # of those that round as NumPy does
