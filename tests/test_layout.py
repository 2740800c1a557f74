"""The directions of the imports, read from the source without running it.

CONTRIBUTING.md shows them as a picture, and the picture must show the same.
"""

import ast
import graphlib
import re
from pathlib import Path

import pytest

PACKAGE = "mvhg_tf"
ROOT = Path(__file__).parent.parent
# What each part of the package may import of the others. `base` is the files beside the
# folders: what all parts may use, one service a file, none of which knows of models.
MAY_IMPORT = {
    "base": set(),
    "distributions": {"base"},
    "disentanglement": {"distributions", "base"},
    "clustering": {"distributions", "base"},
    "experiments": {"disentanglement", "clustering", "distributions", "base"},
}
# The package itself: its version and its public names, which it imports when they are
# asked for.
FACADE = {PACKAGE: {"distributions", "base"}}


def _sources() -> dict[str, Path]:
    """The path of each module."""
    result = {}
    for path in (ROOT / PACKAGE).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        result[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return result


SOURCES = _sources()
TREES = {module: ast.parse(path.read_text("utf-8")) for module, path in SOURCES.items()}


def _names(node: ast.AST) -> list[str]:
    """The modules that a statement imports, or that it names in full as a string."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value] if node.value.startswith(f"{PACKAGE}.") else []
    return []


def _module_of(name: str) -> str:
    """The module of ours that a dotted name is or belongs to, or ""."""
    while name and name not in SOURCES:
        name = name.rpartition(".")[0]
    return name


def _imports_of(tree: ast.Module, at_import: bool) -> set[str]:
    """The names imported; `at_import`: only those that importing the module imports."""
    found, waiting = set(), [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            later = isinstance(node, ast.FunctionDef | ast.Lambda | ast.Constant)
            checked = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(
                node.test
            )
            if at_import and (later or checked):
                continue
            found.update(_names(node))
            waiting.append(node)
    return found


def _part_of(module: str) -> str:
    if module == PACKAGE:
        return PACKAGE
    part = module.split(".")[1]
    return part if part in MAY_IMPORT else "base"


def test_every_module_belongs_to_a_part():
    folders = {path.parent.name for path in (ROOT / PACKAGE).glob("*/__init__.py")}
    assert folders | {"base"} == MAY_IMPORT.keys()


@pytest.mark.parametrize("part", [*MAY_IMPORT, PACKAGE])
def test_no_part_imports_what_it_may_not(part):
    """Neither at the top of a file nor in a function, nor by name."""
    allowed = (MAY_IMPORT | FACADE)[part] | {part, PACKAGE}
    for module, tree in TREES.items():
        if _part_of(module) != part:
            continue
        for name in _imports_of(tree, at_import=False):
            imported = _module_of(name)
            if imported:
                assert _part_of(imported) in allowed, f"{module} imports {imported}"


def test_no_import_cycle():
    graph = {}
    for module, tree in TREES.items():
        modules = map(_module_of, _imports_of(tree, at_import=True))
        graph[module] = {name for name in modules if name} - {module}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_a_cycle_would_be_found():
    tree = ast.parse("from mvhg_tf import errors\ndef f(): import mvhg_tf.sorting")
    assert _imports_of(tree, at_import=True) == {"mvhg_tf.errors"}
    assert _imports_of(tree, at_import=False) == {"mvhg_tf.errors", "mvhg_tf.sorting"}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_the_library_is_imported_under_disentanglement_only():
    # One benchmark runs this file with the library's own TensorFlow, without ours.
    alone = f"{PACKAGE}.experiments.benchmarks.library_worker"
    assert not any(map(_module_of, _imports_of(TREES[alone], at_import=False)))
    for module, tree in TREES.items():
        if module == alone:
            continue
        library = {
            name
            for name in _imports_of(tree, at_import=False)
            if name.split(".")[0] == "disentanglement_lib"
        }
        assert not library or _part_of(module) == "disentanglement", module


def test_the_picture_shows_these_directions():
    """Its arrows are marked with what imports what; chains need no arrow of theirs."""
    picture = (ROOT / "docs" / "figures" / "layout.svg").read_text("utf-8")
    shown: dict[str, set[str]] = {part: set() for part in MAY_IMPORT}
    for importer, imported in re.findall(r'id="(\w+)-imports-(\w+)"', picture):
        shown[importer].add(imported)
    for part in graphlib.TopologicalSorter(shown).static_order():
        shown[part] |= set().union(*(shown[imported] for imported in shown[part]))
    assert shown == MAY_IMPORT
    for part in MAY_IMPORT.keys() - {"base"}:
        assert f">{part}/<" in picture
