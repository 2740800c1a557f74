"""The site builds, and every block of code in README and docs does what it says.

A block belongs to one class, by its fence (`python`, `shell`, `gin`, `text`).

- `python`: the blocks of a page are one program, which runs. Numbers in the comment
  beside or under a `print` are compared with what it prints. A block that
  `<!-- test: slow -->` stands before runs in the slow tests alone, with those after it.
- `shell`: bash runs it with programs that only note how they were called. Each call is
  then given to the real program, which stops when it has read its flags, gin files and
  bindings. Some blocks also run as they are, made short, in the slow tests.
- `gin`: gin reads it, and knows all names.
- `text`: output; nothing to run.
"""

import ast
import contextlib
import importlib
import io
import os
import re
import runpy
import stat
import subprocess
import sys
import types
from pathlib import Path
from typing import NamedTuple

import gin
import h5py
import numpy as np
import pytest
from markdown_it import MarkdownIt

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest needs there

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]
KINDS = ("python", "shell", "gin", "text")
SLOW = "<!-- test: slow -->"


class Block(NamedTuple):
    page: str
    line: int  # of the page, from 1, that is the first of the code
    kind: str
    code: str
    slow: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    name = page.relative_to(ROOT).as_posix()
    found, slow, before = [], False, ""
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type not in ("fence", "code_block"):
            before = token.content.strip() if token.content else before
            continue
        slow = before == SLOW or (slow and token.info == "python")
        found.append(Block(name, token.map[0] + 2, token.info, token.content, slow))
        before = ""
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of_kind(kind: str) -> list[Block]:
    return [block for block in BLOCKS if block.kind == kind]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_has_a_class(block):
    assert block.kind in KINDS
    assert block.kind == "python" or not block.slow or block.kind in ("shell", "text")
    programs = ("dlib_", "mvhg_", "bin/", "pip ", ">>> ", "import ", "from ")
    if block.kind == "text":
        assert not any(row.startswith(programs) for row in block.code.splitlines())


def test_every_page_is_read():
    assert {block.kind for block in BLOCKS} == set(KINDS)
    fences = sum(page.read_text("utf-8").count("\n```") for page in PAGES)
    assert fences == 2 * len(BLOCKS)


def test_the_site_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={tmp_path}"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix("")
        folder = name.parent if name.name == "index" else name
        html = (tmp_path / folder / "index.html").read_text("utf-8")
        assert not re.search(r"\$\$|\\[(\[]", html), f"{page}: LaTeX that is no MathML"
        assert not re.search(r'<(?:script|link)[^>]*(?:src|href)="(?:https?:)?//', html)
    assert "<math " in (tmp_path / "explanation/mathematics/index.html").read_text()
    reference = (tmp_path / "reference/distributions/index.html").read_text("utf-8")
    urn = 'id="mvhg_tf.MultivariateFisherNoncentralHypergeometric.'
    for name in ("sample_one_hot", "fit_mean", "marginal_log_prob", "support_size"):
        assert urn + name in reference
    assert 'id="mvhg_tf.distributions' not in reference
    assert "<strong>24" not in reference  # a power, 2**24, and not bold


@pytest.mark.parametrize(
    "package", ["mvhg_tf", "mvhg_tf.clustering", "mvhg_tf.disentanglement"]
)
def test_the_reference_has_all_public_names(package):
    pages = (ROOT / "docs/reference").glob("*.md")
    shown = re.findall(
        "^::: (.*)$", "\n".join(p.read_text("utf-8") for p in pages), re.M
    )
    names = set(importlib.import_module(package).__all__) - {"__version__"}
    assert names
    assert {f"{package}.{name}" for name in names} <= set(shown)


def test_the_picture_of_the_home_page_is_drawn():
    script = runpy.run_path(ROOT / "docs/figures/draw_urn.py")
    probabilities = script["draw"]().axes[2].containers
    for bars, size in zip(probabilities, script["SIZES"], strict=True):
        heights = [bar.get_height() for bar in bars]
        assert len(heights) == size + 1
        assert sum(heights) == pytest.approx(1.0)


# Python blocks


def run_python(page: str, folder: Path, slow: bool) -> int:
    """Runs the page's program, its slow part too or not; returns how many blocks."""
    blocks = [b for b in of_kind("python") if b.page == page and (slow or not b.slow)]
    # In a file, because tf.function reads the source of what it compiles; its lines
    # are at their places in the page.
    lines: list[str] = []
    for block in blocks:
        lines += [""] * (block.line - 1 - len(lines)) + block.code.splitlines()
    path = folder / "program.py"
    path.write_text("\n".join(lines), encoding="utf-8")
    names = {"__name__": "__documentation__"}
    for statement in ast.parse("\n".join(lines)).body:
        printed = io.StringIO()
        code = compile(ast.Module([statement], []), str(path), "exec")
        # A page may be run twice, and give gin its names again.
        with contextlib.redirect_stdout(printed), gin.config.interactive_mode():
            exec(code, names)
        expected = _comment_of(lines, statement)
        if printed.getvalue() and expected:
            compare_numbers(printed.getvalue(), expected, f"{page}:{statement.lineno}")
    return len(blocks)


def _comment_of(lines: list[str], statement: ast.stmt) -> str:
    """The comment at the end of the statement, and on the lines under it."""
    end = statement.end_lineno
    comments = [lines[end - 1][statement.end_col_offset :].strip()]
    while end < len(lines) and lines[end].startswith("#"):
        comments.append(lines[end])
        end += 1
    return " ".join(comment.lstrip("# ") for comment in comments)


def compare_numbers(printed: str, expected: str, place: str) -> None:
    """Each expected number is the printed one, rounded to the digits shown."""
    pattern = r"-?(?:inf|nan|\d+(?:\.\d*)?(?:e[-+]?\d+)?)"
    numbers = [re.findall(pattern, text) for text in (printed, expected)]
    assert len(numbers[0]) == len(numbers[1]) > 0, f"{place}: {printed} is {expected}"
    for got, shown in zip(*numbers, strict=True):
        digits = len(shown.partition(".")[2])
        assert float(got) == float(shown) or (
            abs(float(got) - float(shown)) <= 0.501 * 10.0**-digits
        ), f"{place}: it prints {printed.strip()}, but the page says {expected}"


def test_a_number_that_is_not_printed_is_found():
    compare_numbers("[0.1234 -inf]", "[0.12 -inf]", "")
    for wrong in ("[0.13 -inf]", "[0.12]", "[0.12 inf]", "about"):
        with pytest.raises(AssertionError):
            compare_numbers("[0.1234 -inf]", wrong, "")


SLOW_PAGES = sorted({block.page for block in of_kind("python") if block.slow})
QUICK_PAGES = sorted({block.page for block in of_kind("python") if not block.slow})


@pytest.mark.usefixtures("forget_names")
@pytest.mark.parametrize("page", QUICK_PAGES)
def test_the_program_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_python(page, tmp_path, slow=False)


def write_jiang_weights(path: Path) -> None:
    """Zeros in the published file's layout: the user has it, the project does not."""
    sizes = [784, 500, 500, 2000, 10, 2000, 500, 500, 784]
    with h5py.File(path, "w") as file:
        names = [f"dense_{index + 1}" for index in range(len(sizes) - 1)]
        file.attrs["layer_names"] = [name.encode() for name in names]
        for name, inputs, units in zip(names, sizes[:-1], sizes[1:], strict=True):
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}_W".encode(), f"{name}_b".encode()]
            group[f"{name}_W"] = np.zeros([inputs, units], np.float32)
            group[f"{name}_b"] = np.zeros(units, np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW_PAGES)
def test_the_whole_program_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jiang_weights(tmp_path / "ae_mnist_weights.h5")
    assert run_python(page, tmp_path, slow=True)


# Gin blocks


@pytest.mark.parametrize("block", of_kind("gin"), ids=str)
def test_gin_knows_all_names(block):
    import mvhg_tf.clustering.train
    import mvhg_tf.disentanglement.steps.training  # noqa: F401

    try:
        gin.parse_config(block.code)
        assert gin.config_str()
    finally:
        gin.clear_config()


# Shell blocks

PROGRAMS = [
    *("dlib_train", "dlib_postprocess", "dlib_evaluate", "dlib_aggregate_results"),
    *("dlib_visualize_model", "dlib_visualize_dataset", "dlib_download_data"),
    *("dlib_udr", "dlib_train_weakly_supervised", "dlib_train_semi_supervised"),
    *("dlib_reason", "dlib_reproduce", "dlib_reproduce_weakly_supervised"),
    *(
        "mvhg_cluster",
        "mvhg_reproduce",
        "mvhg_setup_programs",
        "pip",
        "python",
        "tensorboard",
        "sbatch",
    ),
    *("bin/quickstart", "bin/test", "bin/docs", "bin/benchmark", "bin/mvhg_cluster"),
    *("bin/mvhg_ks_test", "bin/mvhg_minimal_example", "bin/mvhg_reproduce"),
]
NOTING = """#!/usr/bin/env bash
{ printf '%s\\0' "${0#"$SHIMS/"}" "$@"; printf '\\n\\0'; } >>"$NOTES"
"""


def calls_of(block: Block, folder: Path) -> list[list[str]]:
    """The programs that bash calls for the block, with their arguments."""
    shims, notes = folder / "shims", folder / "notes"
    for name in PROGRAMS:
        _write_program(shims / name, NOTING)
    _write_program(shims / ".venv" / "bin" / "activate", "")
    notes.touch()
    done = subprocess.run(
        ["bash", "-euc", block.code],
        cwd=shims,
        env={"PATH": f"{shims}:/usr/bin:/bin", "NOTES": str(notes)}
        | {"SHIMS": str(shims), "HOME": str(folder), "SLURM_ARRAY_TASK_ID": "3"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    calls = notes.read_text("utf-8").split("\n\0")[:-1]
    return [call.split("\0")[:-1] for call in calls]


def _write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def check_call(monkeypatch, tmp_path, run_program):
    """Gives a call to its program, which stops before its work."""
    from mvhg_tf.disentanglement.reasoning import reason  # noqa: F401  (gin names)
    from mvhg_tf.disentanglement.steps import (  # noqa: F401  (for their gin names)
        evaluate,
        postprocess,
        training,
        visualize,
    )
    from mvhg_tf.programs.flags import command_line, job_flags
    from mvhg_tf.runs import gin_config

    def count(jobs, *arguments):
        assert jobs
        return 0

    def read_gin(files, bindings):
        with gin_config.configured(files, bindings):
            assert files or bindings

    run = command_line.Program.run

    def parse_only(self, argv=None):
        if self.name.startswith(("dlib_reproduce", "mvhg_cluster", "mvhg_reproduce")):
            return run(self, argv)
        flags = self.parse(argv)
        if getattr(flags, "gin_config", []) or getattr(flags, "gin_bindings", []):
            read_gin(flags.gin_config, flags.gin_bindings)
        return 0

    run_python("docs/how_to/new_aggregation.md", tmp_path, slow=False)
    own_module = types.ModuleType("mean_selection")  # the page's, just run
    monkeypatch.setitem(sys.modules, "mean_selection", own_module)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(command_line.Program, "run", parse_only)
    monkeypatch.setattr(job_flags, "do_pipelines", count)

    def check(name: str, *arguments: str) -> None:
        if name.startswith("dlib_") or name == "mvhg_setup_programs":
            assert run_program(name, *arguments)[0] == 0
            return
        checks = {
            "mvhg_cluster": _check_cluster,
            "mvhg_reproduce": _check_reproduce,
            "pip": _check_pip,
            "python": _check_python,
            "tensorboard": _check_tensorboard,
            "sbatch": _check_sbatch,
        }
        name = name.removeprefix("bin/mvhg_") if name.startswith("bin/mvhg_k") else name
        checks.get(name.removeprefix("bin/"), _check_script)(
            name, arguments, monkeypatch, tmp_path
        )

    return check


def _check_cluster(name, arguments, monkeypatch, tmp_path):
    from mvhg_tf.clustering import train
    from mvhg_tf.programs import mvhg_cluster
    from mvhg_tf.runs import gin_config

    def read_gin(directory, overwrite, files, bindings, start):
        with gin_config.configured(files, bindings):
            return "read"

    monkeypatch.setattr(train, "train_with_gin", read_gin)
    # It reads the results, which are not there.
    monkeypatch.setattr(mvhg_cluster, "_with_another_prior", lambda *_: "mvhg_cluster")
    _exits_well(mvhg_cluster.main, arguments)


def _check_reproduce(name, arguments, monkeypatch, tmp_path):
    from mvhg_tf.programs import mvhg_reproduce
    from mvhg_tf.studies.jobs import runner

    def stop(preset, jobs, directory):
        assert jobs
        return "page"

    for key, chosen in list(mvhg_reproduce.STUDIES.items()):
        stopping = chosen._replace(write_report=stop)
        monkeypatch.setitem(mvhg_reproduce.STUDIES, key, stopping)
    monkeypatch.setattr(runner, "run", lambda jobs, *options, **more: [])
    _exits_well(mvhg_reproduce.main, arguments)


def _check_pip(name, arguments, monkeypatch, tmp_path):
    from packaging.requirements import Requirement

    verb, *wanted = arguments
    assert verb == "install"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for argument in wanted:
        local = re.fullmatch(r"\.(?:\[(\w+)\])?", argument)
        if local and local[1]:
            assert local[1] in project["optional-dependencies"]
        elif not local and not argument.startswith("-"):
            Requirement(argument)


def _check_python(name, arguments, monkeypatch, tmp_path):
    option, what, *rest = arguments
    if option == "-c":
        exec(compile(what, "the command", "exec"), {})
        return
    assert option == "-m"
    done = subprocess.run(
        [sys.executable, "-m", what, *rest, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for flag in (argument for argument in rest if argument.startswith("--")):
        assert flag.partition("=")[0] in done.stdout


def _check_tensorboard(name, arguments, monkeypatch, tmp_path):
    from tensorboard import default, program

    server = program.TensorBoard(default.get_plugins())
    server.configure(["tensorboard", *arguments])
    assert server.flags.logdir


def _check_sbatch(name, arguments, monkeypatch, tmp_path):
    """The command that it wraps; the batch system's own flags are not ours."""
    wrapped = arguments[arguments.index("--wrap") + 1]
    block = Block("sbatch", 1, "shell", wrapped, False)
    [[program, *rest]] = calls_of(block, tmp_path / "wrapped")
    assert program == "mvhg_reproduce"
    _check_reproduce(program, rest, monkeypatch, tmp_path)


def _check_script(name, arguments, monkeypatch, tmp_path):
    """Scripts read their options in turn, and --help ends them."""
    known = [a for a in arguments if not (name == "bin/test" and a[:2] != "--")]
    done = subprocess.run(
        [
            ROOT / name if "/" in name else ROOT / "bin" / f"mvhg_{name}",
            *known,
            "--help",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout


def _exits_well(main, arguments) -> None:
    try:
        code = main(list(arguments))
    except SystemExit as error:
        code = error.code
    assert not code, arguments


@pytest.mark.parametrize("block", of_kind("shell"), ids=str)
def test_programs_take_the_commands(
    block, tmp_path, check_call, monkeypatch, forget_names
):
    """In a folder that has the modules which the page tells to save."""
    monkeypatch.syspath_prepend(tmp_path)
    text = (ROOT / block.page).read_text("utf-8")
    saved = r"Save this as `(\w+)\.py`:\n\n```python\n(.*?)```"
    for name, code in re.findall(saved, text, re.DOTALL):
        (tmp_path / f"{name}.py").write_text(code)
        forget_names.append(name)
    calls = calls_of(block, tmp_path)
    assert calls or "export" in block.code
    for call in calls:
        check_call(*call)
