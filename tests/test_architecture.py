"""The shape of the package: imports point one way, each outside library has one home, functions stay small."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "midigen").rglob("*.py"))
}

# outer -> inner: a module imports from its own layer and from the layers below it
LAYERS = [
    ["midigen.cli", "midigen.__main__"],
    [
        "midigen.preparation",
        "midigen.training",
        "midigen.generation",
        "midigen.evaluation",
        "midigen.checks",
        "midigen.gpu_checks",
        "midigen.corpus",
        "midigen.output",
    ],
    ["midigen.midi", "midigen.model"],
    [
        "midigen.kernels",
        "midigen.files",
        "midigen.config",
        "midigen.randomness",
        "midigen.device",
        "midigen.interrupts",
        "midigen.starter",
    ],
    ["midigen.errors", "midigen"],
]
# library -> the only packages that import it
HOMES = {
    "click": ["midigen.cli"],
    "rich": ["midigen.output"],
    "mido": ["midigen.midi"],
    "pretty_midi": ["midigen.midi"],
    "numba": ["midigen.kernels"],
    "llvmlite": ["midigen.kernels"],
    "safetensors": ["midigen.files"],
}


def imports(path):
    """Every module that a file imports, anywhere in it, by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (
                name for alias in node.names if (name := f"{node.module}.{alias.name}") in MODULES
            )


def within(module, package):
    return module == package or module.startswith(package + ".")


def layer(module):
    found = [
        depth
        for depth, packages in enumerate(LAYERS)
        for package in packages
        if (module == package if package == "midigen" else within(module, package))
    ]
    assert found, f"{module} is in no layer: give it one in LAYERS"
    return found[0]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_inwards(module):
    inner = {name for name in imports(MODULES[module]) if within(name, "midigen")}
    assert [name for name in sorted(inner) if layer(name) < layer(module)] == []


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, "midigen.kernels")])
def test_kernels_know_nothing_of_midigen(module):
    ours = [name for name in imports(MODULES[module]) if within(name, "midigen")]
    assert [name for name in ours if not within(name, "midigen.kernels")] == []


@pytest.mark.parametrize("library", HOMES)
def test_every_library_has_one_home(library):
    users = [
        module
        for module, path in MODULES.items()
        if any(within(name, library) for name in imports(path))
    ]
    assert [m for m in users if not any(within(m, home) for home in HOMES[library])] == []


def test_only_declared_libraries_are_imported():
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    allowed = (
        {re.match(r"\w+", name)[0] for name in declared}
        | {"midigen", "llvmlite"}
        | sys.stdlib_module_names
    )
    outside = {name.split(".")[0] for path in MODULES.values() for name in imports(path)}
    assert outside - allowed == set()


def project_files():
    """The text that belongs to the project: what a reader of the repository sees, without what is built or made."""
    for name in ("midigen", "tests", "docs", "benchmarks", ".ci", "changes"):
        yield from (
            p for p in (ROOT / name).rglob("*") if p.is_file() and "__pycache__" not in p.parts
        )
    yield from (p for p in ROOT.iterdir() if p.suffix in (".md", ".toml"))


def test_no_file_names_somebody_s_machine():
    machine = re.compile(
        "|".join([r"/(?:home|Users|root)/\w", r"[A-Z]:\\Users", re.escape(str(ROOT)) + r"\b"])
    )
    named = []
    for path in project_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        named += [f"{path.relative_to(ROOT)}: {found[0]}" for found in machine.finditer(text)]
    assert named == []
