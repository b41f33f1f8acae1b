"""midigen.files: what is saved comes back, and whatever is wrong with a file is one clear line."""

import json
import struct

import numpy as np
import pytest

from midigen import files
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
