"""Kernels of both backends have the same names and take the same arguments in the same order."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest

import midigen.kernels

ROOT = Path(midigen.kernels.__file__).parent
FOLDERS = ("cpu", "cuda")
NAMES = {folder: {p.stem for p in (ROOT / folder).glob("[a-z]*.py")} for folder in FOLDERS}
MODULES = sorted(NAMES["cpu"] & NAMES["cuda"])

# what only one backend has, (folder, module, function), or a module (folder, module), and why
ALONE: dict[tuple[str, ...], str] = {
    ("cpu", "blas", "gemv"): "a vector is a StridedMatrix of one row for the GPU's gemm",
    ("cpu", "network", "matrix"): "views of flat arrays are those of cuda.blas.matrix",
    ("cpu", "network", "activate"): "cuda.scalar.activation, unit by unit",
    ("cpu", "network", "times_slope"): "cuda.scalar.slope, unit by unit",
    ("cuda", "network", "activated"): "makes the kernel that applies cuda.scalar.activation",
    ("cuda", "network", "sloped"): "makes the kernel that applies cuda.scalar.slope",
    ("cuda", "optimizer", "squared_norm"): "np.dot on the CPU",
    ("cuda", "rbm", "series_of"): "keys and first rows of series that run side by side",
    ("cuda", "rbm", "series_words"): "a device function: random words of one of those series",
    ("cuda", "rbm", "exponentials"): "shared by both kinds of RBM; made in place on the CPU",
    ("cuda", "gates", "through_intervals"): "a device function that cuda.play shares",
    **{
        ("cuda", "blas", name): "NumPy's slices, copies and assignments on the CPU"
        for name in ("as_matrix", "copy", "fill", "flat", "matrix", "scratch_matrix")
    },
    ("cuda", "devices"): "what GPUs there are",
    ("cuda", "gibbs"): "Gibbs chains and annealing in one launch each, called by their modules",
    ("cuda", "jit"): "how kernels are compiled and launched; the CPU's is kernels.jit",
    ("cuda", "layers"): "tables of layers that walks over time read",
    ("cuda", "memory"): "device memory",
    ("cuda", "product"): "the kernels of gemm, which is BLAS on the CPU",
    ("cuda", "rank"): "np.linalg.svd on the CPU",
    ("cuda", "scalar"): "device functions made of kernels.scalar, which serves the CPU as it is",
    ("cuda", "wide"): "walks over time by all multiprocessors",
}
# the same function with other arguments, and why
UNLIKE: dict[tuple[str, str], str] = {
    ("blas", "gemm"): "the GPU's also takes a source, factors and batches",
}


@pytest.fixture(scope="module", autouse=True)
def _both_backends():
    if not NAMES["cuda"]:
        pytest.skip("kernels.cuda is not installed")


def public(folder, module):
    """Name: parameters but `tile`, of the functions that a kernel module defines for others."""
    found, whole = {}, import_module(f"midigen.kernels.{folder}.{module}")
    for name, thing in vars(whole).items():
        function = getattr(thing, "py_func", None) or getattr(thing, "_defn", None) or thing
        if name.startswith("_") or isinstance(thing, type) or not callable(thing):
            continue
        if getattr(function, "__module__", None) != whole.__name__:
            continue
        parameters = [
            p for p in inspect.signature(function).parameters if p not in ("tile", "typing")
        ]
        found[name] = parameters
    return found


@pytest.mark.parametrize("folder, other", [("cpu", "cuda"), ("cuda", "cpu")])
def test_every_module_has_a_twin(folder, other):
    alone = {module for where, module, *rest in ALONE if where == folder and not rest}
    assert NAMES[folder] - NAMES[other] == alone


@pytest.mark.parametrize("module", MODULES)
def test_every_kernel_has_a_twin(module):
    names = {folder: set(public(folder, module)) for folder in NAMES}
    for folder, other in (("cpu", "cuda"), ("cuda", "cpu")):
        alone = {rest[0] for where, of, *rest in ALONE if rest and (where, of) == (folder, module)}
        assert names[folder] - names[other] == alone


@pytest.mark.parametrize("module", MODULES)
def test_twins_take_the_same_arguments(module):
    ours, theirs = public("cpu", module), public("cuda", module)
    unlike = {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]}
    assert unlike == {name for of, name in UNLIKE if of == module}


def test_twins_are_seen_through_numba():
    """The test itself: signatures come from under the compiler's wrappers."""
    assert public("cpu", "rbm")["corrupt"] == ["key", "noise", "dropout", "x", "first_row"]
    assert public("cuda", "rbm")["corrupt"] == ["key", "noise", "dropout", "x", "first_row"]
    assert "gemm" in public("cpu", "blas")
