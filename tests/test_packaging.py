"""What an installation brings: tested on the build hooks that pip itself calls."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile

import pytest
import yaml

import mvhg_tf

STARTUP_FILE = "mvhg_tf_programs.pth"
# As disentanglement_lib 1.5 installs it.
LIBRARY_SCRIPT = """#!{python}
# coding=utf-8
raise SystemExit("the library's script ran")
from disentanglement_lib.methods.unsupervised import train
"""


def run(*command, **arguments):
    return subprocess.run(command, capture_output=True, text=True, **arguments)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Builds a wheel by the named hook, and opens it."""
    repository = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "mvhg_tf_programs.py", STARTUP_FILE):
        shutil.copy(os.path.join(repository, name), source)
    shutil.copytree(os.path.join(repository, "mvhg_tf"), source / "mvhg_tf")

    def build_wheel(hook):
        folder = tmp_path_factory.mktemp("wheels")
        code = f"from setuptools import build_meta as b; b.{hook}({str(folder)!r})"
        done = run(sys.executable, "-c", code, cwd=source)
        assert done.returncode == 0, done.stderr
        return zipfile.ZipFile(next(folder.glob("*.whl")))

    return build_wheel


@pytest.fixture
def environment(tmp_path, repository):
    """A new environment that sees our source and the packages of this one."""
    root = tmp_path / "environment"
    venv.create(root, with_pip=False)
    [site_packages] = root.glob("lib/python*/site-packages")
    (site_packages / "__paths.pth").write_text(
        f"{repository}\n{sysconfig.get_path('purelib')}\n"
    )
    shutil.copy(repository / STARTUP_FILE, site_packages)
    return root


def write_script(environment, name, text):
    script = environment / "bin" / name
    script.write_text(text.format(python=environment / "bin" / "python"))
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_a_wheel_brings_the_startup_line(build, repository, hook):
    with build(hook) as wheel:
        line = wheel.read(STARTUP_FILE).decode()
        assert line == (repository / STARTUP_FILE).read_text()
        [record] = [n for n in wheel.namelist() if n.endswith(".dist-info/RECORD")]
        # So an uninstallation removes it.
        assert STARTUP_FILE in wheel.read(record).decode()


def test_a_wheel_brings_the_package_and_the_programs(build, repository):
    with build("build_wheel") as wheel:
        names = set(wheel.namelist())
        sources = [*(repository / "mvhg_tf").rglob("*.py")]
        for path in [*sources, repository / "mvhg_tf" / "py.typed"]:
            assert path.relative_to(repository).as_posix() in names
        [scripts] = [n for n in names if n.endswith("entry_points.txt")]
        found = re.findall(r"^(dlib_\w+) = ", wheel.read(scripts).decode(), re.M)
    assert sorted(found) == [
        "dlib_aggregate_results",
        "dlib_download_data",
        "dlib_evaluate",
        "dlib_postprocess",
        "dlib_reason",
        "dlib_reproduce",
        "dlib_reproduce_weakly_supervised",
        "dlib_train",
        "dlib_train_semi_supervised",
        "dlib_train_weakly_supervised",
        "dlib_udr",
        "dlib_visualize_dataset",
        "dlib_visualize_model",
    ]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory, repository):
    """An sdist of the repository, opened, and the wheels of the two."""
    ignored = (".*", "build", "dist", "docs", "tests", "*.egg-info", "__pycache__")
    source = tmp_path_factory.mktemp("checkout") / "mvhg_tf"
    shutil.copytree(repository, source, ignore=shutil.ignore_patterns(*ignored))

    def build_in(folder, hook):
        code = f"from setuptools import build_meta as b; b.{hook}('built')"
        (folder / "built").mkdir(exist_ok=True)
        done = run(sys.executable, "-c", code, cwd=folder)
        assert done.returncode == 0, done.stderr
        return max((folder / "built").iterdir(), key=lambda path: path.stat().st_mtime)

    sdist = build_in(source, "build_sdist")
    opened = tmp_path_factory.mktemp("sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(opened, filter="data")
    [opened] = opened.iterdir()
    return opened, build_in(opened, "build_wheel"), build_in(source, "build_wheel")


@pytest.mark.slow
def test_an_sdist_makes_the_wheel_of_the_checkout(distributions):
    opened, of_sdist, of_checkout = distributions
    with zipfile.ZipFile(of_sdist) as left, zipfile.ZipFile(of_checkout) as right:
        assert sorted(left.namelist()) == sorted(right.namelist())
        for name in left.namelist():
            assert left.read(name) == right.read(name), name
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff"):
        assert (opened / name).stat().st_size > 500


@pytest.mark.slow
def test_a_wheel_works_in_a_new_environment(distributions, tmp_path):
    """Installed by pip, without an index: the packages it needs are this one's."""
    _, wheel, _ = distributions
    root = tmp_path / "environment"
    venv.create(root, with_pip=True)
    pip = [root / "bin/python", "-m", "pip", "install", "--no-index", "--no-deps"]
    assert run(*pip, wheel).returncode == 0
    [site_packages] = root.glob("lib/python*/site-packages")
    (site_packages / "__paths.pth").write_text(sysconfig.get_path("purelib"))
    code = (
        "import mvhg_tf; print(mvhg_tf.__file__);"
        "urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(3, [2, 2, 2],"
        " weights=[1.0, 0.0, 1e30]); print(urn.sample(seed=[0, 1]).numpy())"
    )
    done = run(root / "bin/python", "-c", code, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        str(site_packages / "mvhg_tf" / "__init__.py"),
        "[1. 0. 2.]",
    ], done.stderr
    for name in ("dlib_train", "mvhg_cluster", "mvhg_reproduce"):
        done = run(root / "bin" / name, "--help", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"usage: {name}" in done.stdout
    assert run(*pip[:3], "uninstall", "--yes", "mvhg_tf").returncode == 0
    assert not [path for path in site_packages.iterdir() if "mvhg_tf" in path.name]


@pytest.fixture
def citation(repository):
    return yaml.safe_load((repository / "CITATION.cff").read_text("utf-8"))


def test_the_citation_is_of_the_paper(citation):
    """The keys that the Citation File Format 1.2.0 requires, and the paper."""
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors"} <= paper.keys()
    families = [author["family-names"] for author in paper["authors"]]
    assert families == ["Sutter", "Manduchi", "Ryser", "Vogt"]
    for family in families:
        assert family in mvhg_tf.__doc__
    assert " ".join(mvhg_tf.__doc__.split()).count(f'"{paper["title"]}"') == 1
    assert str(paper["year"]) in mvhg_tf.__doc__


def test_every_file_tells_the_same_version(citation, repository):
    assert citation["version"] == mvhg_tf.__version__
    changes = (repository / "CHANGELOG.md").read_text("utf-8")
    [newest] = re.findall(r"^## (.*)$", changes, re.M)[:1]
    assert mvhg_tf.__version__ in newest


@pytest.mark.parametrize("options", [[], ["-X", "faulthandler", "-u"]])
def test_our_program_runs_in_place_of_the_librarys(environment, options):
    script = write_script(environment, "dlib_train", LIBRARY_SCRIPT)
    command = (
        [script] if not options else [environment / "bin/python", *options, script]
    )
    done = run(*command, "--version")
    assert done.stdout.startswith("dlib_train (mvhg_tf ")
    assert (done.returncode, done.stderr) == (0, "")


def test_arguments_and_exit_codes_go_through(environment):
    script = write_script(environment, "dlib_train", LIBRARY_SCRIPT)
    done = run(script, "--model_dir=a b", "it's")
    assert done.returncode == 2
    assert """"it's" is not the value""" in done.stderr


def test_other_scripts_start_as_ever(environment):
    # Programs of the library that have no counterpart, and a name that is like ours.
    for name in ("dlib_tests", "my_dlib_train"):
        script = write_script(environment, name, LIBRARY_SCRIPT)
        assert "the library's script ran" in run(script).stderr
    own = write_script(environment, "dlib_evaluate", "#!{python}\nprint('mine')\n")
    assert run(own).stdout == "mine\n"


def test_a_start_of_python_imports_nothing(environment):
    code = "import sys; print([m for m in sys.modules if m.startswith('mvhg')])"
    done = run(environment / "bin/python", "-c", code, "dlib_train")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_startup_line_that_was_left_behind_is_harmless(environment):
    [paths] = environment.glob("lib/python*/site-packages/__paths.pth")
    paths.unlink()
    done = run(environment / "bin/python", "-c", "print('started')")
    assert (done.stdout, done.stderr) == ("started\n", "")
    script = write_script(environment, "dlib_mine", "#!{python}\nprint('mine')\n")
    assert run(script).stdout == "mine\n"


@pytest.mark.slow
@pytest.mark.parametrize("library_last", [True, False])
def test_the_order_of_installation_does_not_matter(tmp_path, repository, library_last):
    """With pip, from its index."""
    root = tmp_path / "environment"
    venv.create(root, with_pip=True)
    pip = [root / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps"]
    installations = [["disentanglement-lib==1.5"], ["--editable", repository]]
    if library_last:
        installations.reverse()
    for arguments in [*installations, ["absl-py", "gin-config", "tqdm"]]:
        done = run(*pip, *arguments)
        assert done.returncode == 0, done.stderr
    for name in ("dlib_train", "dlib_postprocess", "dlib_evaluate"):
        assert run(root / "bin" / name, "--version").stdout.startswith(
            f"{name} (mvhg_tf "
        )


def test_the_scripts_answer_without_an_environment(repository):
    for name in ("test", "quickstart"):
        done = run(repository / "bin" / name, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"usage: bin/{name}")
        assert run("bash", "-n", repository / "bin" / name).returncode == 0


def test_the_quickstart_keeps_what_it_did_not_make(repository, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for arguments in (["--overwrite"], []):
        done = run(
            repository / "bin/quickstart",
            "--output",
            tmp_path,
            *arguments,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 2
        assert "not of a quickstart" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_quickstart_asks_before_it_replaces(repository, tmp_path):
    for name in ("model/run.json", "figures/counts.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
    done = run(
        repository / "bin/quickstart",
        f"--output={tmp_path}",
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert "use --overwrite to replace them" in done.stderr
    assert (tmp_path / "figures" / "counts.png").exists()


@pytest.mark.parametrize("version", ["", "3.9", "3.14"])
def test_a_python_that_will_not_do_is_told(repository, tmp_path, version):
    old = tmp_path / "bin"
    old.mkdir()
    for name in ("python3", "python3.10", "python3.11", "python3.12", "python3.13"):
        (old / name).write_text(f"#!/bin/sh\necho {version}\n")
        (old / name).chmod(0o755)
    source = tmp_path / "source"
    shutil.copytree(repository / "bin", source / "bin")
    for name in ("setup.py", "pyproject.toml", STARTUP_FILE):
        shutil.copy(repository / name, source)
    done = run(
        source / "bin" / "test",
        "--setup-only",
        env={"PATH": f"{old}:{os.environ['PATH']}"},
    )
    assert done.returncode == 2
    assert "There is no Python 3.10 to 3.13" in done.stderr
    assert not (source / ".venv").exists()
