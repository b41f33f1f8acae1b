"""One kind of file for all that midigen stores: safetensors, with a JSON header and a SHA-256 over both.

No code in such a file can run.  docs/file-formats.md describes it.
"""

import contextlib
import hashlib
import json
import operator
import os
from pathlib import Path

import numpy as np

from midigen.errors import MidigenError

KEY = "midigen"  # the one metadata entry: with two, safetensors would write them in a random order
REMEDY = {
    "corpus": "make one with `midigen prepare`",
    "model": "make one with `midigen train`",
    "checkpoint": "make one with `midigen train`",
}


@contextlib.contextmanager
def replacing(path):
    """Yield a temporary path beside `path`; it takes the place of `path` if the block ends well, and goes if not.

    Missing folders are made.  Raises MidigenError where the folder or the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as f:
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as e:
        raise MidigenError(f"cannot write {path}: {e.strerror or e}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def save(path, kind, version, tensors, header):
    """Write one file, atomically: an interrupted save leaves what was there before.

    kind "corpus", "model" or "checkpoint"; version an int; tensors {name: array}; header a dict that JSON can hold,
    without the keys format, version and sha256.  The same arguments give the same bytes.
    """
    import safetensors
    import safetensors.numpy

    tensors = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    document = {"format": f"midigen-{kind}", "version": version, **header}
    document["sha256"] = _checksum(tensors, document)
    text = json.dumps(document, sort_keys=True)
    with replacing(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        try:
            safetensors.numpy.save_file(tensors, temporary, metadata={KEY: text})
            temporary.chmod(
                mode
            )  # as any file of this user: safetensors would let nobody else read it
        except safetensors.SafetensorError as e:
            raise MidigenError(f"cannot write {path}: {e}") from None


def whole(*numbers):
    """TypeError unless all are whole numbers: for headers, which hold any JSON."""
    for number in numbers:
        operator.index(number)


def load(path, kind, version):
    """Read what `save` wrote: (tensors, header), the header without format, version and sha256.

    Raises MidigenError, in one line, where the file is missing, of another kind or version, cut short or changed.
    """
    import safetensors

    remedy = REMEDY.get(kind, "make it again")
    if not os.path.exists(path):
        raise MidigenError(f"there is no file {path}: {remedy}")
    if os.path.isdir(path):
        raise MidigenError(f"{path} is a folder, not a midigen {kind}")
    try:
        with safetensors.safe_open(path, framework="numpy") as f:
            document = _read_header(f.metadata())
            if document.get("format") != f"midigen-{kind}":
                raise MidigenError(_not_a(path, kind, document.get("format")))
            if document.get("version") != version:
                raise MidigenError(
                    f"{path} was made by another version of midigen (format {document.get('version')}, "
                    f"this one reads {version}): {remedy}"
                )
            names = f.keys()
            tensors = {name: f.get_tensor(name) for name in names}
    except safetensors.SafetensorError as e:
        if _claims_to_be_ours(path):
            raise _damaged(path, e) from None
        raise MidigenError(_not_a(path, kind)) from None
    except OSError as e:
        raise MidigenError(f"cannot read {path}: {e.strerror or e}") from None
    except (
        ValueError,
        RecursionError,
        TypeError,
        AttributeError,
    ):  # a header that is no JSON; types that NumPy lacks
        raise _damaged(path, "its header cannot be read") from None
    if document.pop("sha256", None) != _checksum(tensors, document):
        raise _damaged(path, "its checksum is wrong")
    return tensors, {
        key: value for key, value in document.items() if key not in ("format", "version")
    }


def format_of(path):
    """What a file says it is, e.g. "midigen-corpus"; None where it is missing, damaged or of another program."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as f:
            return _read_header(f.metadata()).get("format")
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError):
        return None


def _damaged(path, why):
    return MidigenError(f"{path} is damaged ({why}): make it again")


def _not_a(path, kind, other=None):
    it_is = f", but a {other.replace('-', ' ')}" if isinstance(other, str) else ""
    return f"{path} is not a midigen {kind}{it_is}; {REMEDY.get(kind, 'make it again')}"


def _read_header(metadata):
    """The JSON object in a file's metadata; {} where it holds none of ours."""
    document = json.loads((metadata or {}).get(KEY, "{}"))
    return document if isinstance(document, dict) else {}


def _claims_to_be_ours(path):
    """Whether the start of an unreadable file looks like a midigen file: it is damaged, not something else."""
    try:
        with open(path, "rb") as f:
            start = f.read(200)
    except OSError:
        return False
    return start[8:9] == b"{" and b'"midigen' in start


def _checksum(tensors, document):
    """SHA-256, in hex, over the header and every tensor's name, type, shape and bytes."""
    sha = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        sha.update(memoryview(np.asarray(tensor, order="C")).cast("B") if tensor.size else b"")
    return sha.hexdigest()
