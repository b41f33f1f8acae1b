"""midigen.files: what is saved comes back, and whatever is wrong with a file is one clear line."""

import errno
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from midigen import files
from midigen.config import Grid
from midigen.errors import MidigenError

TENSORS = {
    "w": np.arange(12, dtype=np.float32).reshape(3, 4),
    "n": np.array(7, dtype=np.int64),
    "none": np.zeros((0, 5), np.uint8),
}
HEADER = {"seed": 3, "list": [1, 2.5, "é"], "dict": {"a": None}}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.model"
    files.save(path, "model", 1, TENSORS, HEADER)
    return path


def fails(path, kind="model", version=1):
    with pytest.raises(MidigenError) as caught:
        files.load(path, kind, version)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_round_trip(path):
    tensors, header = files.load(path, "model", 1)
    assert header == HEADER
    assert set(tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype and tensors[name].shape == tensor.shape
        np.testing.assert_array_equal(tensors[name], tensor)


def test_transposed_tensor_keeps_its_values(tmp_path):
    files.save(tmp_path / "t", "model", 1, {"w": TENSORS["w"].T}, {})
    np.testing.assert_array_equal(files.load(tmp_path / "t", "model", 1)[0]["w"], TENSORS["w"].T)


def test_same_content_same_bytes(path, tmp_path):
    files.save(
        tmp_path / "b", "model", 1, dict(reversed(TENSORS.items())), dict(reversed(HEADER.items()))
    )
    assert (tmp_path / "b").read_bytes() == path.read_bytes()


def test_missing(tmp_path):
    assert "midigen prepare" in fails(tmp_path / "gone", "corpus")


def test_another_kind(path):
    assert "is not a midigen corpus, but a midigen model" in fails(path, "corpus")


@pytest.mark.parametrize("content", [b"", b"MThd\0\0\0\6", b"x" * 1000, b"\xff" * 64])
def test_something_else(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert "is not a midigen model" in fails(tmp_path / "x")


def test_folder(tmp_path):
    assert "is a folder" in fails(tmp_path)


def test_safetensors_of_another_program(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": TENSORS["w"]}, tmp_path / "x")
    assert "is not a midigen model" in fails(tmp_path / "x")


def test_another_version(path):
    assert "another version of midigen (format 1, this one reads 2)" in fails(path, version=2)


def test_every_cut_is_noticed(path):
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        fails(path)
    path.write_bytes(data[:-1])
    assert "damaged" in fails(path)


def test_every_flipped_byte_of_the_data_is_noticed(path):
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    for i in range(start, len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        assert "checksum" in fails(path)


def test_changed_header_is_noticed(path):
    data = path.read_bytes()
    changed = data.replace(rb"\"seed\": 3", rb"\"seed\": 4")
    assert changed != data
    path.write_bytes(changed)
    assert "checksum" in fails(path)


def test_header_that_is_no_json(tmp_path):
    from safetensors.numpy import save_file

    save_file({}, tmp_path / "x", metadata={files.KEY: "{"})
    assert "damaged" in fails(tmp_path / "x")
    save_file({}, tmp_path / "x", metadata={files.KEY: json.dumps([1])})
    assert "not a midigen model" in fails(tmp_path / "x")


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3"])
def test_tensors_of_a_type_that_numpy_lacks(tmp_path, kind):
    header = json.dumps(
        {
            "__metadata__": {files.KEY: json.dumps({"format": "midigen-model", "version": 1})},
            "w": {"dtype": kind, "shape": [0], "data_offsets": [0, 0]},
        }
    ).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(header)) + header)
    assert "damaged" in fails(tmp_path / "x")


def test_failed_write_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MidigenError, match="cannot write"):
        files.save(tmp_path / "file" / "x", "model", 1, TENSORS, {})


def test_folders_are_made(tmp_path):
    files.save(tmp_path / "a" / "b" / "x", "model", 1, TENSORS, {})
    assert files.load(tmp_path / "a" / "b" / "x", "model", 1)[1] == {}


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    files.save(tmp_path / "a", "model", 1, {"x": np.zeros(3)}, {})
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def lying(path, header, shapes, size, dtype="F32"):
    """A sparse file of midigen's with that header, whose tensors are nothing but their shapes."""
    tensors, at = {}, 0
    for name, shape in shapes.items():
        count = int(np.prod(shape)) * (4 if dtype == "F32" else 1)
        tensors[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + count]}
        at += count
    text = json.dumps({"__metadata__": {files.KEY: json.dumps(header)}, **tensors}).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)
    assert at >= size


MEASURE = """
import resource, sys, time
from midigen.corpus import Corpus
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.checkpoint import Checkpoint
from midigen.errors import MidigenError
began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    {"model": RnnRbm.load, "corpus": Corpus.load, "checkpoint": Checkpoint}[sys.argv[1]](".")
except MidigenError as e:
    print(e)
print(time.process_time() - began)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sparse files, memory in KB")
@pytest.mark.parametrize("kind", ["model", "checkpoint", "corpus"])
@pytest.mark.parametrize("config", ["small", "large", "none"])
def test_a_header_that_lies_costs_little(tmp_path, kind, config):
    """2 GB of tensors that the header's sizes do not have: refused before they are read."""
    widths = {"recurrent": 65536, "hidden": [65536] * 4, "rbm_hidden": 65536}
    sizes = {"visible": 88, **(widths if config == "large" else {"hidden": [3]})}
    header = {
        "format": f"midigen-{kind}",
        "version": {"model": 1, "checkpoint": 3, "corpus": 2}[kind],
        "config": sizes if config != "none" else 7,
        "grid": Grid().to_json() if config != "none" else [],
        "about": {},
        "songs": [],
        "manifest": [],
        "settings": {"concatenate": False},
        "steps": 1,
        "state": {},
    }
    count = 2**29
    shapes = {
        "model": {"network.1": [count // 2, 1], "network.2": [1, count // 2], "rbm.weight": [0, 0]},
        "checkpoint": {"theta": [count]},
        "corpus": {"rolls": [count // 5, 20], "offsets": [1], "form": [0, 1], "form_offsets": [1]},
    }[kind]
    name = {"model": "model.safetensors", "checkpoint": "checkpoint.safetensors"}.get(kind, "c")
    lying(tmp_path / name, header, shapes, 2**31 - 100)
    place = name if kind == "corpus" else "."
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.replace('"."', repr(place)), kind],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    error, seconds, megabytes = done.stdout.splitlines()
    assert "is damaged" in error
    assert float(seconds) < 1 and float(megabytes) < 50


def test_a_header_of_any_size_is_not_read(path, monkeypatch):
    monkeypatch.setitem(files.MOST_HEADER, "model", 100)
    assert "header is larger than 100 bytes" in fails(path)


def test_tensors_are_looked_at_before_they_are_read(path, monkeypatch):
    seen = {}

    def check(header, shapes):
        seen.update(header=header, shapes=shapes)
        raise ValueError("no")

    monkeypatch.setattr(files, "_read_tensors", None)
    with pytest.raises(ValueError, match="no"):
        files.load(path, "model", 1, check)
    assert seen == {"header": HEADER, "shapes": {"w": (3, 4), "n": (), "none": (0, 5)}}


def left_over(folder, process, host=files._HOST, age=0):
    path = folder / f".a.model.midigen-{host}-{process}-0123abcd.tmp"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(os.name == "nt", reason="by their age alone there")
def test_left_over_temporary_files_are_removed_and_no_others(tmp_path):
    dead = ended_process()
    gone = [left_over(tmp_path, dead), left_over(tmp_path, os.getpid(), age=25 * 3600)]
    stay = [
        left_over(tmp_path, os.getppid()),
        left_over(tmp_path, dead, host="000000"),  # another machine's, in a shared folder
        tmp_path / f".a.model.midigen-{files._HOST}-{dead}-0123.tmp",
        tmp_path / "notes.tmp",
    ]
    for path in stay[2:]:
        path.write_bytes(b"mine")
    link = tmp_path / f".link.midigen-{files._HOST}-{dead}-0123abcd.tmp"
    link.symlink_to("notes.tmp")
    files.save(tmp_path / "a.model", "model", 1, TENSORS, HEADER)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stay) and link.is_symlink()


def test_no_link_is_followed_and_no_temporary_name_comes_twice(tmp_path):
    target = tmp_path / "precious"
    target.write_bytes(b"mine")
    names = set()
    for _ in range(2):
        with files.replacing(tmp_path / "x") as temporary:
            names.add(temporary.name)
            temporary.write_bytes(b"new")
    assert len(names) == 2
    for name in ("x", "log.jsonl", "song.mid"):
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).symlink_to(target)
    with files.replacing(tmp_path / "x") as temporary:
        temporary.write_bytes(b"new")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "song.mid", b"new")
    if hasattr(os, "O_NOFOLLOW"):
        with pytest.raises(MidigenError, match="cannot write .*log.jsonl"):
            files.append(tmp_path / "log.jsonl", "new")
    assert target.read_bytes() == b"mine"


def test_new_files_where_the_file_system_has_no_links(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", link)
    files.create(tmp_path / "a", b"1")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "a", b"2")
    monkeypatch.setattr(os.path, "lexists", lambda path: False)  # somebody is quicker
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "a", b"2")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"1")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
TENSOR = st.sampled_from([np.uint8, np.int64, np.float32, np.float64]).flatmap(
    lambda kind: arrays(kind, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(max_size=8).map("x".__add__), JSON, max_size=4), TENSOR)
def test_whatever_is_saved_comes_back(tmp_path_factory, header, tensor):
    path = tmp_path_factory.getbasetemp() / "any"
    files.save(path, "model", 1, {"a tensor": tensor}, header)
    tensors, found = files.load(path, "model", 1)
    assert found == header and tensors["a tensor"].dtype == tensor.dtype
    np.testing.assert_array_equal(tensors["a tensor"], tensor)
