"""One kind of file for all that midigen stores: safetensors, with a JSON header and a SHA-256.

The checksum is over header and tensors. No code in such a file can run. docs/file-formats.md
describes it.
"""

import contextlib
import errno
import functools
import hashlib
import json
import operator
import os
import platform
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from midigen.errors import MidigenError

KEY = "midigen"  # the one metadata entry: with two, safetensors would write them in a random order
WINDOWS = os.name == "nt"
REPLACE_TRIES, REPLACE_SECONDS = 20, 0.1  # there
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV)
DEAD_SECONDS = 24 * 3600  # no file takes so long to write: its process, wherever it ran, has ended
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]  # a folder may be shared
_OURS = f"midigen-{_HOST}"
LEFT_OVER = re.compile(r"\.midigen-(?P<host>[0-9a-f]{6})-(?P<process>\d+)-[0-9a-f]{8}\.tmp$")
REMEDY = {
    "corpus": "make one with `midigen prepare`",
    "model": "make one with `midigen train`",
    "checkpoint": "make one with `midigen train`",
}

# bytes: models and checkpoints have the outlines of 300 songs, corpora know every input
MOST_HEADER = {"model": 16_000_000, "checkpoint": 16_000_000, "corpus": 100_000_000}

StrPath = str | os.PathLike[str]
Check = Callable[[dict[str, Any], dict[str, tuple[int, ...]]], object]


@contextlib.contextmanager
def replacing(path: StrPath) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path, which takes the place of `path`.

    It does so where the block ends without an exception, and is removed otherwise. Missing folders
    are made. What a killed process has left over in the folder is removed.

    Parameters
    ----------
    path : path
        The file to write or replace.

    Raises
    ------
    MidigenError
        Where the folder or the file cannot be written.
    """
    path = Path(path)
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _prepared(path) as temporary:
        yield temporary
        _sync(temporary)
        _replace(temporary, path)
        _sync_folder(path.parent)


def create(path: StrPath, data: bytes) -> None:
    """Write a new file, whole or not at all.

    Parameters
    ----------
    path : path
        Where nothing is yet.
    data : bytes
        The content.

    Raises
    ------
    FileExistsError
        Where something is there already, be it a link that leads nowhere.
    MidigenError
        Where it cannot be written.
    """
    path = Path(path)
    is_taken = os.path.lexists(path)
    if not is_taken:
        with _prepared(path) as temporary:
            temporary.write_bytes(data)
            _sync(temporary)
            is_taken = not _link(temporary, path)
            _sync_folder(path.parent)
    if is_taken:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def append(path: StrPath, text: str) -> None:
    """Write text behind what a file holds; MidigenError where that cannot be done.

    No link is followed.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with _naming(path), open(os.open(path, flags, 0o666), "a", encoding="utf-8") as f:
        f.write(text)


@contextlib.contextmanager
def _prepared(path: Path) -> Iterator[Path]:
    """Make an empty temporary file beside `path` for the block; MidigenError for an OSError in it.

    Nobody can foresee its name, so that no link can lie there.
    """
    temporary = path.with_name(
        f".{path.name[:60]}.{_OURS}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    )
    try:
        with _naming(path):
            _remove_left_over(path.parent)
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def _naming(path: StrPath) -> Iterator[None]:
    """Raise a MidigenError that names the file for an OSError in the block."""
    try:
        yield
    except OSError as e:
        raise MidigenError(f"cannot write {path}: {e.strerror or e}") from None


@functools.cache  # once a folder: what others leave over later, the next start removes
def _remove_left_over(folder: Path) -> None:
    """Remove the temporary files of processes that have been killed."""
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            if _is_left_over(entry):
                os.unlink(entry.path)


def _is_left_over(entry: os.DirEntry[str]) -> bool:
    """Tell whether a file is a temporary one whose process has surely ended."""
    match = LEFT_OVER.search(entry.name)
    if match is None:
        return False
    status = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return False
    is_old = time.time() - status.st_mtime > DEAD_SECONDS
    return is_old or (match["host"] == _HOST and not _is_alive(int(match["process"])))


def _is_alive(process: int) -> bool:
    """Tell whether a process of this machine may be running."""
    if WINDOWS:  # where os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _sync(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with open(path, "rb+") as f:
        os.fsync(f.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that."""
    if WINDOWS:
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(opened)


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name; return whether that was free."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as e:
        if e.errno not in NO_LINKS:
            raise
        return _take_and_replace(source, target)
    return True


def _take_and_replace(source: Path, target: Path) -> bool:
    """Do what `_link` does, where the file system has no links."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        return False
    try:
        _replace(source, target)
    except BaseException:
        target.unlink()
        raise
    return True


def _replace(source: Path, target: Path) -> None:
    """Move a file; on Windows wait a while for a program that has the target open."""
    for _ in range(REPLACE_TRIES - 1):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if not WINDOWS:
                raise
            time.sleep(REPLACE_SECONDS)
    os.replace(source, target)


def save(
    path: StrPath,
    kind: str,
    version: int,
    tensors: Mapping[str, np.ndarray],
    header: Mapping[str, Any],
) -> None:
    """Write one file, atomically; the same arguments give the same bytes.

    Parameters
    ----------
    path : path
        The file to write or replace.
    kind : str
        "corpus", "model" or "checkpoint".
    version : int
        The version of that format.
    tensors : mapping of str to np.ndarray
        The arrays.
    header : mapping
        What JSON can hold, without the keys "format", "version" and "sha256".

    Raises
    ------
    MidigenError
        Where the file cannot be written; what was there before is left.
    """
    import safetensors.numpy

    tensors = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    document = {"format": f"midigen-{kind}", "version": version, **header}
    document["sha256"] = _checksum(tensors, document)
    text = json.dumps(document, sort_keys=True)
    # not by save_file, which makes a temporary file of its own that a kill would leave over
    data = safetensors.numpy.save(tensors, metadata={KEY: text})
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def check_regular(path: StrPath) -> None:
    """Raise MidigenError where a pipe or a device is: it may never end, and no signal is heard.

    What is missing is let pass: whoever opens it says so.
    """
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise MidigenError(f"{path} is a pipe or a device, not a file")


def whole(*numbers: object) -> None:
    """Raise TypeError unless all are whole numbers: a check for headers, which hold any JSON."""
    for number in numbers:
        operator.index(number)  # type: ignore[arg-type]  # the check itself


def load(
    path: StrPath, kind: str, version: int, check: Check = lambda header, shapes: None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save` wrote.

    Parameters
    ----------
    path : path
        The file.
    kind, version : str, int
        What it must be.
    check : callable
        Called with the header and the shape of every tensor, before any is read: what it raises
        ends it, so that a header that lies costs neither time nor memory.

    Returns
    -------
    tensors : dict of str to np.ndarray
        The arrays.
    header : dict
        The header, without "format", "version" and "sha256".

    Raises
    ------
    MidigenError
        Where the file is missing, of another kind or version, cut short or changed.
    """
    document, shapes = _read_document(path, kind, version)
    checksum = document.pop("sha256", None)
    check(_without_format(document), shapes)
    tensors = _read_tensors(path, kind)
    if checksum != _checksum(tensors, document):
        raise _damaged(path, "its checksum is wrong")
    return tensors, _without_format(document)


def load_header(path: StrPath, kind: str, version: int) -> dict[str, Any]:
    """Read the header of what `save` wrote alone, which is quick; its checksum is not looked at.

    Parameters, result and errors are those of `load`.
    """
    document, _ = _read_document(path, kind, version)
    document.pop("sha256", None)
    return _without_format(document)


def _without_format(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in ("format", "version")}


def _read_document(
    path: StrPath, kind: str, version: int
) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Read the whole header and the shapes of the tensors; the checksum is not looked at."""
    if not os.path.exists(path):
        raise MidigenError(f"there is no file {path}: {_remedy(kind)}")
    if os.path.isdir(path):
        raise MidigenError(f"{path} is a folder, not a midigen {kind}")
    check_regular(path)
    with _opened(path, kind) as f:
        _check_header_size(path, kind)
        document = _read_header(f.metadata())
        _check_format(document, path, kind, version)
        return document, {name: tuple(f.get_slice(name).get_shape()) for name in f.keys()}


def _read_tensors(path: StrPath, kind: str) -> dict[str, np.ndarray]:
    with _opened(path, kind) as f:
        return {name: f.get_tensor(name) for name in f.keys()}


@contextlib.contextmanager
def _opened(path: StrPath, kind: str) -> Iterator[Any]:
    """Open a file; MidigenError for what goes wrong with it in the block."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as f:
            yield f
    except safetensors.SafetensorError as e:
        if _claims_to_be_ours(path):
            raise _damaged(path, str(e)) from None
        raise _is_not(path, kind) from None
    except OSError as e:
        raise MidigenError(f"cannot read {path}: {e.strerror or e}") from None
    except (ValueError, RecursionError, TypeError, AttributeError):
        # a header that is no JSON; types that NumPy lacks
        raise _damaged(path, "its header cannot be read") from None


def _check_header_size(path: StrPath, kind: str) -> None:
    """Raise MidigenError where a header is larger than one of that kind can be."""
    with open(path, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
    if size > MOST_HEADER[kind]:
        raise _damaged(path, f"its header is larger than {MOST_HEADER[kind]:,} bytes")


def format_of(path: StrPath) -> str | None:
    """Return what a file says it is, e.g. "midigen-corpus"; None where it is not midigen's."""
    import safetensors

    if not os.path.isfile(path):
        return None
    try:
        with safetensors.safe_open(path, framework="numpy") as f:
            return _read_header(f.metadata()).get("format")
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError):
        return None


def _check_format(document: dict[str, Any], path: StrPath, kind: str, version: int) -> None:
    """Raise MidigenError unless a header is of this kind and version."""
    found = document.get("format"), document.get("version")
    if found[0] != f"midigen-{kind}":
        raise _is_not(path, kind, found[0])
    if found[1] != version:
        raise MidigenError(
            f"{path} was made by another version of midigen (format {found[1]}, "
            f"this one reads {version}): {_remedy(kind)}"
        )


def _remedy(kind: str) -> str:
    return REMEDY.get(kind, "make it again")


def _damaged(path: StrPath, why: str) -> MidigenError:
    return MidigenError(f"{path} is damaged ({why}): make it again")


def _is_not(path: StrPath, kind: str, other: object = None) -> MidigenError:
    it_is = f", but a {other.replace('-', ' ')}" if isinstance(other, str) else ""
    return MidigenError(f"{path} is not a midigen {kind}{it_is}; {_remedy(kind)}")


def _read_header(metadata: dict[str, str] | None) -> dict[str, Any]:
    """Return the JSON object in a file's metadata; {} where it holds none of midigen's."""
    document = json.loads((metadata or {}).get(KEY, "{}"))
    return document if isinstance(document, dict) else {}


def _claims_to_be_ours(path: StrPath) -> bool:
    """Tell whether an unreadable file starts as midigen's do: it is damaged, not something else."""
    try:
        with open(path, "rb") as f:
            start = f.read(200)
    except OSError:
        return False
    return start[8:9] == b"{" and b'"midigen' in start


def _checksum(tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> str:
    """Compute the SHA-256, in hex, over the header and every tensor's name, type, shape, bytes."""
    sha = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        sha.update(np.asarray(tensor, order="C").data.cast("B") if tensor.size else b"")
    return sha.hexdigest()
