"""The folder of compiled kernels is the user's own: what others have put there never runs."""

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from midigen.kernels.cache import find_folder

UNIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders have no owners here")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The only place for a folder, `midigen` in it not made yet; none for temporary files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a file"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "midigen"


def test_the_folder_is_made_for_this_user_alone(cache):
    folder = find_folder()
    assert folder.parent == cache and find_folder() == folder
    assert find_folder(checked=True) == folder.with_name(f"{folder.name}-checked")
    if hasattr(os, "geteuid"):
        assert folder.stat().st_mode & 0o777 == cache.stat().st_mode & 0o777 == 0o700


@UNIX
@pytest.mark.parametrize("where", ["midigen", "kernels"])
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_that_others_can_write_to_is_not_used(cache, where, mode):
    folder = find_folder()
    (cache if where == "midigen" else folder).chmod(mode)
    assert find_folder() is None


@UNIX
def test_a_folder_of_somebody_else_is_not_used(cache, monkeypatch):
    assert find_folder()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert find_folder() is None


@UNIX
def test_a_link_is_not_followed(cache, tmp_path):
    folder = find_folder()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert find_folder() is None


@UNIX
def test_a_folder_that_others_can_move_is_not_used(cache):
    cache.parent.chmod(0o777)
    assert find_folder() is None
    cache.parent.chmod(0o1777)  # sticky, as /tmp is
    assert find_folder()


def test_the_next_place_is_taken_where_the_first_cannot_be_written(cache, tmp_path, monkeypatch):
    cache.touch()
    assert find_folder() is None
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "cache"))
    folder = find_folder()
    assert folder.parent.parent == tmp_path / "cache"
    if hasattr(os, "geteuid"):
        assert folder.parent.name == f"midigen-{os.geteuid()}"


class Planted:
    """What runs as it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("planted",)


@UNIX
def test_a_planted_index_does_not_run(cache, tmp_path):
    """What lies where every user may write, in a process that has nowhere else to look."""
    cache.touch()
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "tiny.py").write_text(
        "import os\n"
        "from midigen.kernels import jit\n"
        "import numba\n"
        "@numba.njit(**jit.KERNEL)\n"
        "def two():\n"
        "    return 2\n"
        "print(os.environ.get('NUMBA_CACHE_DIR'), two())\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    env = {**os.environ, "TMPDIR": str(shared), "PYTHONPATH": path}
    env.pop("NUMBA_CACHE_DIR", None)

    def run():
        """Return the folder and the result that a process prints, and whether the plant ran."""
        done = subprocess.run(
            [sys.executable, "-c", "import tiny"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
        )
        planted = tmp_path / "planted"
        ran = planted.exists()
        if ran:
            planted.rmdir()
        return done.stdout.split(), ran

    (folder, two), ran = run()
    assert Path(folder).is_relative_to(shared) and two == "2" and not ran
    for index in Path(folder).rglob("*.nbi"):
        index.write_bytes(pickle.dumps(Planted()))
    assert run()[1]  # so it is a plant that runs where it is read
    Path(folder).chmod(0o777)
    assert run() == (["None", "2"], False)
