"""The shape of the package: imports point one way, each outside library has one home."""

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
    ["midigen.api", "midigen.output", "midigen.checks"],
    ["midigen.rendering"],
    ["midigen.composition", "midigen.selection"],
    ["midigen.evaluation"],
    ["midigen.training"],
    ["midigen.steering"],
    ["midigen.sampling"],
    ["midigen.generation", "midigen.preparation", "midigen.model", "midigen.figures"],
    ["midigen.corpus"],
    ["midigen.midi"],
    ["midigen.backends"],
    [
        "midigen.kernels",
        "midigen.files",
        "midigen.config",
        "midigen.columns",
        "midigen.outline",
        "midigen.duration",
        "midigen.randomness",
        "midigen.interrupts",
        "midigen.starter",
        "midigen.progress",
        "midigen.shell",
    ],
    ["midigen.errors", "midigen"],
]
# library -> the only packages that import it
HOMES = {
    "click": ["midigen.cli"],
    "rich": ["midigen.output"],
    "mido": ["midigen.midi"],
    "pretty_midi": ["midigen.midi", "midigen.api"],
    "numba": ["midigen.kernels"],
    "llvmlite": ["midigen.kernels"],
    "safetensors": ["midigen.files"],
    "midirenderer": ["midigen.rendering"],
    "soundfile": ["midigen.rendering"],
    "PIL": ["midigen.rendering"],
}


def is_for_types(node):
    """Whether a statement is `if TYPE_CHECKING:`, whose imports never happen."""
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def imports(path):
    """Every module that a file imports when it runs, anywhere in it, by its full name."""
    nodes = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        nodes += [child for child in ast.iter_child_nodes(node) if not is_for_types(child)]
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if name in MODULES)
            if not all(name in MODULES for name in names):
                yield node.module


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


def test_no_import_goes_in_circles():
    """Modules can be put in an order in which each comes behind all that it imports."""
    ours = {m: {n for n in imports(path) if n in MODULES} - {m} for m, path in MODULES.items()}
    for names in ours.values():
        names.discard("midigen")  # its one constant, and its functions that are imported when used
    ours["midigen"] = set()
    while ready := [module for module, names in ours.items() if not names & ours.keys()]:
        for module in ready:
            del ours[module]
    assert sorted(ours) == []


def test_cuda_is_named_below_one_line_alone():
    """In backends, the kernels of its own, and the command line's help."""
    homes = ["midigen.backends", "midigen.kernels.cuda", "midigen.cli"]
    named = [m for m, path in MODULES.items() if "cuda" in path.read_text(encoding="utf-8").lower()]
    assert [m for m in named if not any(within(m, home) for home in homes)] == []


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
        | {"midigen", "llvmlite", "PIL"}  # pillow is imported as PIL
        | sys.stdlib_module_names
    )
    outside = {name.split(".")[0] for path in MODULES.values() for name in imports(path)}
    assert outside - allowed == set()


def project_files():
    """The text that belongs to the project: what a reader of the repository sees, without what is
    built or made."""
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
