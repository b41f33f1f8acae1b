"""How kernels are compiled: one set of options, a safe place for the compiled code, and one BLAS thread.

Import this before numba.  Compiled code goes to a folder named by a hash of this package's sources, because Numba's
own cache does not notice an edit in a function that a kernel calls from another file.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path


def _cache_folder():
    """A writable folder for this version of the sources, or None where there is none."""
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


# kernels share the work out themselves: a second BLAS thread on a busy machine made a small product 200 times slower
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if "NUMBA_CACHE_DIR" not in os.environ and "numba" not in sys.modules:
    _folder = _cache_folder()
    if _folder is not None:
        os.environ["NUMBA_CACHE_DIR"] = str(_folder)
_CACHE = "NUMBA_CACHE_DIR" in os.environ


def usable_cores():
    """Cores that this process may run on: how many threads share out the work."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_compiled():
    """Whether compiled kernels are waiting in the cache, so that the first run need not compile."""
    return _CACHE and any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi"))


# "contract" alone: fused multiply-adds as on a GPU, and NaN checks keep their meaning (fastmath=True deletes them)
SCALAR = {"forceinline": True, "error_model": "numpy", "fastmath": {"contract"}, "cache": _CACHE}
KERNEL = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}, "cache": _CACHE}
UNFUSED = {**KERNEL, "fastmath": False}  # rounds like NumPy: every product before it is added
