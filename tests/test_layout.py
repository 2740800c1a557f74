"""The house and the directions of its imports, read from the source without running it.

CONTRIBUTING.md shows them as a picture, and the picture must show the same.
"""

import ast
import collections
import graphlib
import re
from pathlib import Path

import pytest

PACKAGE = "mvhg_tf"
ROOT = Path(__file__).parent.parent
# What each part of the package may import of the others, from the top floor down.
# `mathematics` is the files beside the folders.
MAY_IMPORT = {
    "programs": {
        "studies",
        "disentanglement",
        "clustering",
        "distributions",
        "mathematics",
        "runs",
    },
    "studies": {
        "disentanglement",
        "clustering",
        "distributions",
        "mathematics",
        "runs",
    },
    "disentanglement": {"distributions", "mathematics", "runs"},
    "clustering": {"distributions", "mathematics", "runs"},
    "distributions": {"mathematics", "runs"},
    "mathematics": {"runs"},
    "runs": set(),
}
MATHEMATICS = {"schedules", "sorting"}
# The package itself: its version and its public names, which it imports when they are
# asked for. `keras_names` belongs to it, and imports any class that Keras asks for.
FACADE = {PACKAGE: {"distributions", "mathematics"}}
FACADE_MODULES = {PACKAGE, f"{PACKAGE}.keras_names"}
# The floors of `disentanglement`, from the top down, each of which imports only lower
# ones: what trains and scores stands on models, models on networks. `compat` and
# `library_studies`, which know the library, lie below all.
FLOORS = [
    {"reasoning"},
    {"steps"},
    {"metrics"},
    {"models"},
    {"networks"},
    {"sources"},
    {"data"},
    {"compat", "installation", "library_studies"},
]
MOST_MODULES = 20


def _sources(folder: str) -> dict[str, Path]:
    """The path of each module."""
    result = {}
    for path in (ROOT / folder).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        result[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return result


SOURCES = _sources(PACKAGE)
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
    if module in FACADE_MODULES:
        return PACKAGE
    part = module.split(".")[1]
    return "mathematics" if part in MATHEMATICS else part


def test_every_module_belongs_to_a_part():
    assert {_part_of(module) for module in SOURCES} - {PACKAGE} == MAY_IMPORT.keys()


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


def test_disentanglement_has_floors():
    part = f"{PACKAGE}.disentanglement"
    floor_of = {name: floor for floor, names in enumerate(FLOORS) for name in names}
    for module, tree in TREES.items():
        if not module.startswith(f"{part}."):
            continue
        for name in _imports_of(tree, at_import=True):
            imported = _module_of(name)
            if imported.startswith(f"{part}."):
                own, other = (name.split(".")[2] for name in (module, imported))
                assert floor_of[own] <= floor_of[other], f"{module} imports {imported}"


def test_no_folder_has_too_many_modules():
    modules = [path for path in SOURCES.values() if path.name != "__init__.py"]
    folders = collections.Counter(
        path.parent.relative_to(ROOT).as_posix() for path in modules
    )
    for folder, number in folders.items():
        assert number <= MOST_MODULES, folder


def test_no_two_modules_have_one_name():
    names = collections.defaultdict(list)
    for module, path in SOURCES.items():
        if path.name != "__init__.py":
            names[path.name].append(module)
    assert [modules for modules in names.values() if len(modules) > 1] == []


def test_every_folder_is_a_package_that_says_what_is_in_it():
    for path in SOURCES.values():
        init = path.parent / "__init__.py"
        assert ast.get_docstring(ast.parse(init.read_text("utf-8"))), init


def test_no_import_cycle():
    graph = {}
    for module, tree in TREES.items():
        modules = map(_module_of, _imports_of(tree, at_import=True))
        graph[module] = {name for name in modules if name} - {module}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_a_cycle_would_be_found():
    tree = ast.parse("from mvhg_tf.runs import errors\ndef f(): import mvhg_tf.sorting")
    errors = "mvhg_tf.runs.errors"
    assert _imports_of(tree, at_import=True) == {errors}
    assert _imports_of(tree, at_import=False) == {errors, "mvhg_tf.sorting"}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_the_library_is_imported_under_disentanglement_only():
    for module, tree in TREES.items():
        library = {
            name
            for name in _imports_of(tree, at_import=False)
            if name.split(".")[0] == "disentanglement_lib"
        }
        assert not library or _part_of(module) == "disentanglement", module


def test_nothing_imports_the_benchmarks():
    for module, tree in TREES.items():
        roots = {name.split(".")[0] for name in _imports_of(tree, at_import=False)}
        assert "benchmarks" not in roots, module


def test_what_runs_in_another_python_imports_nothing_of_ours():
    """With the authors' PyTorch, and with the library's own TensorFlow."""
    benchmarks = _sources("benchmarks")
    for name in ("authors_worker", "library_worker"):
        tree = ast.parse(benchmarks[f"benchmarks.{name}"].read_text("utf-8"))
        roots = {name.split(".")[0] for name in _imports_of(tree, at_import=False)}
        assert not roots & {PACKAGE, "benchmarks"}


def test_the_picture_shows_these_directions():
    """Its arrows are marked with what imports what; chains need no arrow of theirs."""
    picture = (ROOT / "docs" / "figures" / "layout.svg").read_text("utf-8")
    shown: dict[str, set[str]] = {part: set() for part in MAY_IMPORT}
    for importer, imported in re.findall(r'id="(\w+)-imports-(\w+)"', picture):
        shown[importer].add(imported)
    for part in graphlib.TopologicalSorter(shown).static_order():
        shown[part] |= set().union(*(shown[imported] for imported in shown[part]))
    assert shown == MAY_IMPORT
    for part in MAY_IMPORT.keys() - {"mathematics"}:
        assert f">{part}/<" in picture
    for name in MATHEMATICS:
        assert f"{name}.py" in picture
