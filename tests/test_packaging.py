"""What an installation brings, and how our programs replace the library's."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

import mvhg_tf
from mvhg_tf.programs import PROGRAMS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest needs there

# As disentanglement_lib 1.5 installs it.
LIBRARY_SCRIPT = """#!{python}
raise SystemExit("the library's script ran")
from disentanglement_lib.methods.unsupervised import train
"""
WITHOUT_LIBRARY = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        is_librarys = name.partition(".")[0] == "disentanglement_lib"
        return None if is_librarys else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""


def run(*command, **arguments):
    """Runs a command, which finds the packages of its own environment alone."""
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    arguments = {"env": environ, **arguments}
    return subprocess.run(command, capture_output=True, text=True, **arguments)


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def source(tmp_path_factory, repository):
    """A copy of the checkout, in which building leaves its traces."""
    folder = tmp_path_factory.mktemp("checkout") / "mvhg_tf"
    ignored = (".*", "build", "dist", "docs", "tests", "*.egg-info", "__pycache__")
    shutil.copytree(
        repository, folder, symlinks=True, ignore=shutil.ignore_patterns(*ignored)
    )
    return folder


def build(folder: Path, hook: str) -> Path:
    """The file that the named hook, which pip itself calls, builds."""
    code = f"from setuptools import build_meta as b; print(b.{hook}('built'))"
    (folder / "built").mkdir(exist_ok=True)
    done = run(sys.executable, "-c", code, cwd=folder, env=os.environ)
    assert done.returncode == 0, done.stderr
    return folder / "built" / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(source):
    return build(source, "build_wheel")


@pytest.fixture
def environment(tmp_path, wheel):
    """A new environment with our wheel."""
    return make_environment(tmp_path / "environment", wheel)


def make_environment(root: Path, wheel: Path) -> Path:
    """Unpacks the wheel, and notes its scripts as pip does."""
    venv.create(root, with_pip=False)
    [site_packages] = root.glob("lib/python*/site-packages")
    for name in ("absl", "gin", "tqdm"):  # what answers --version needs no more
        (site_packages / name).symlink_to(Path(sysconfig.get_path("purelib"), name))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages)
    [record] = site_packages.glob("mvhg_tf-*.dist-info/RECORD")
    with record.open("a") as file:
        file.writelines(f"../../../bin/{name},,\n" for name in PROGRAMS)
    return root


def add_library(root: Path, *names: str) -> None:
    """Installs the library's scripts, as if it were installed last."""
    [site_packages] = root.glob("lib/python*/site-packages")
    info = site_packages / "disentanglement_lib-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: disentanglement-lib\nVersion: 1.5\n"
    )
    (info / "RECORD").write_text("".join(f"../../../bin/{name},,\n" for name in names))
    for name in names:
        write_script(root, name, LIBRARY_SCRIPT)


def write_script(root: Path, name: str, text: str) -> Path:
    script = root / "bin" / name
    script.write_text(text.format(python=root / "bin" / "python"))
    script.chmod(0o755)
    return script


def set_up(root: Path):
    program = ["-m", "mvhg_tf.programs", "mvhg_setup_programs"]
    return run(root / "bin/python", *program, cwd=root)


def test_a_wheel_brings_the_package_and_the_gin_files(wheel, repository):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = [*(repository / "mvhg_tf").rglob("*.py"), repository / "mvhg_tf/py.typed"]
    expected = {path.relative_to(repository).as_posix() for path in files}
    gin_files = [*(repository / "gin_configs").rglob("*.gin")]
    assert len(gin_files) > 20
    expected |= {f"mvhg_tf/{p.relative_to(repository).as_posix()}" for p in gin_files}
    assert {name for name in names if ".dist-info/" not in name} == expected
    # Nothing that runs at the start of Python.
    assert not [name for name in names if name.endswith(".pth")]


def test_every_program_has_its_script(project):
    assert project["project"]["scripts"] == {
        name: f"mvhg_tf.programs.{module}:main" for name, module in PROGRAMS.items()
    }


def test_the_oldest_versions_are_those_of_the_project(project, repository):
    """What bin/_environment.sh, which has no parser of TOML, reads."""
    script = repository / "bin/_environment.sh"
    done = run("bash", "-c", f"source '{script}'; oldest_versions")
    lowest = [r.split(">=") for r in project["project"]["dependencies"] if ">=" in r]
    assert done.stdout.splitlines() == [f"{name}=={least}" for name, least in lowest]
    assert len(lowest) > 20


@pytest.mark.slow
def test_an_sdist_makes_the_wheel_of_the_checkout(source, wheel, tmp_path):
    with tarfile.open(build(source, "build_sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    [opened] = tmp_path.iterdir()
    of_sdist = build(opened, "build_wheel")
    with zipfile.ZipFile(of_sdist) as left, zipfile.ZipFile(wheel) as right:
        assert sorted(left.namelist()) == sorted(right.namelist())
        for name in left.namelist():
            assert left.read(name) == right.read(name), name
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff"):
        assert (opened / name).stat().st_size > 500


@pytest.mark.slow
def test_a_wheel_works_in_a_new_environment(wheel, tmp_path):
    """Installed by pip, without an index: the packages it needs are this one's."""
    root = tmp_path / "environment"
    venv.create(root, with_pip=True)
    pip = [root / "bin/python", "-m", "pip", "install", "--no-index", "--no-deps"]
    assert run(*pip, wheel).returncode == 0
    [site_packages] = root.glob("lib/python*/site-packages")
    (site_packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    folder = tmp_path / "empty"
    folder.mkdir()
    code = (
        "import mvhg_tf; print(mvhg_tf.__file__);"
        "urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(3, [2, 2, 2],"
        " weights=[1.0, 0.0, 1e30]); print(urn.sample(seed=[0, 1]).numpy())"
    )
    done = run(root / "bin/python", "-c", code, cwd=folder)
    assert done.stdout.splitlines() == [
        str(site_packages / "mvhg_tf" / "__init__.py"),
        "[1. 0. 2.]",
    ], done.stderr
    for name in ("dlib_train", "mvhg_cluster", "mvhg_reproduce"):
        done = run(root / "bin" / name, "--help", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert f"usage: {name}" in done.stdout
    study = ["clustering", "--preset=smoke", "--data=digits", "--shard=1/6"]
    done = run(root / "bin/mvhg_reproduce", *study, cwd=folder)
    assert (done.returncode, done.stdout.count("finished")) == (0, 1), done.stderr
    assert run(*pip[:3], "uninstall", "--yes", "mvhg_tf").returncode == 0
    assert not [path for path in site_packages.iterdir() if "mvhg_tf" in path.name]


def test_our_programs_take_the_librarys_places(environment):
    names = ("dlib_train", "dlib_evaluate")
    add_library(environment, *names, "dlib_tests")
    own = write_script(environment, "dlib_udr", "#!{python}\nprint('mine')\n")
    done = set_up(environment)
    for name in names:
        assert f"{environment}/bin/{name} is now mvhg_tf's." in done.stdout
        answer = run(environment / "bin" / name, "--version")
        assert answer.stdout.startswith(f"{name} (mvhg_tf ")
        assert (answer.returncode, answer.stderr) == (0, "")
    # Arguments and exit codes go through.
    done_badly = run(environment / "bin/dlib_train", "--model_dir=a b", "it's")
    assert (
        done_badly.returncode == 2 and '"it\'s" is not the value' in done_badly.stderr
    )
    # A script of the user's own, and what has no counterpart here, stay.
    assert done.returncode == 1
    assert f"{own} belongs to neither package" in done.stderr
    assert run(own).stdout == "mine\n"
    tests = run(environment / "bin/dlib_tests")
    assert "the library's script ran" in tests.stderr
    own.unlink()
    again = set_up(environment)
    assert (again.returncode, again.stderr) == (0, "")
    assert "12 programs" in again.stdout and "dlib_udr is now" in again.stdout


def test_another_environment_on_the_path_is_left_alone(environment, wheel, tmp_path):
    other = make_environment(tmp_path / "other", wheel)
    add_library(other, "dlib_train")
    [site_packages] = other.glob("lib/python*/site-packages")
    program = ["-m", "mvhg_tf.programs", "mvhg_setup_programs"]
    seen = {"PYTHONPATH": str(site_packages)}
    done = run(environment / "bin/python", *program, cwd=tmp_path, env=seen)
    assert (done.returncode, done.stderr) == (0, "")
    assert (environment / "bin/dlib_evaluate").exists()
    script = (other / "bin/dlib_train").read_text()
    assert script == LIBRARY_SCRIPT.format(python=other / "bin/python")
    assert not (other / "bin/dlib_evaluate").exists()


def test_scripts_work_where_the_path_is_long_or_has_spaces(wheel, tmp_path):
    root = make_environment(tmp_path / f"a b{'c' * 100}" / f"{'d' * 60}", wheel)
    assert set_up(root).returncode == 0
    done = run(root / "bin/dlib_train_weakly_supervised", "--version")
    assert done.stdout.startswith("dlib_train_weakly_supervised (mvhg_tf ")


def test_a_folder_that_cannot_be_written_to_is_one_sentence(environment):
    (environment / "bin" / ".dlib_aggregate_results.part").mkdir()
    done = set_up(environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "dlib_aggregate_results can't be written" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_library_may_be_installed_last(tmp_path, repository):
    """With pip, from its index."""
    root = tmp_path / "environment"
    venv.create(root, with_pip=True)
    pip = [root / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps"]
    for arguments in (
        ["--editable", repository],
        ["disentanglement-lib==1.5"],
        ["absl-py", "gin-config", "tqdm"],
    ):
        done = run(*pip, *arguments)
        assert done.returncode == 0, done.stderr
    assert run(root / "bin/mvhg_setup_programs").returncode == 0
    for name in ("dlib_train", "dlib_postprocess", "dlib_download_data"):
        assert run(root / "bin" / name, "--version").stdout.startswith(
            f"{name} (mvhg_tf "
        )


def test_what_works_without_the_library(repository):
    code = WITHOUT_LIBRARY + (
        "import tensorflow as tf, mvhg_tf, mvhg_tf.clustering\n"
        "urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(\n"
        "    3, [2, 2, 2], weights=[1.0, 0.0, 1e30])\n"
        "assert urn.sample(seed=[0, 1]).numpy().tolist() == [1, 0, 2]\n"
        "scores = tf.constant([1.0, 3.0, 2.0])\n"
        "matrix = mvhg_tf.neural_sort(scores, 1e-3)\n"
        "ordered = tf.linalg.matvec(matrix, scores).numpy()\n"
        "assert abs(ordered - [3, 2, 1]).max() < 1e-3\n"
        "assert mvhg_tf.clustering.VaDEClusterer(n_clusters=2).get_params()\n"
        "from mvhg_tf.programs import mvhg_reproduce\n"
        "assert mvhg_reproduce.main(['clustering', '--list', '--data=digits']) == 0\n"
    )
    done = run(sys.executable, "-c", code, cwd=repository)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            ["dlib_train", "--model_dir=m", "--gin_config=hgvae_arm3d.gin"],
            marks=pytest.mark.slow,
        ),
        pytest.param(["dlib_reproduce", "--list"], marks=pytest.mark.slow),
        ["mvhg_reproduce", "weak", "--preset=smoke", "--output_dir=w"],
    ],
    ids=lambda command: command[0],
)
def test_what_needs_the_library_says_how_to_get_it(command, repository, tmp_path):
    code = f"{WITHOUT_LIBRARY}\nsys.argv[1:] = {command}\n" + (
        "from mvhg_tf.programs import __main__ as programs\nsys.exit(programs.main())"
    )
    done = run(
        sys.executable,
        "-c",
        code,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith(f"{command[0]}: disentanglement_lib is not installed")
    assert "pip install --no-deps disentanglement-lib==1.5" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


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


def test_every_file_says_the_same(citation, project, repository):
    assert citation["version"] == mvhg_tf.__version__
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["project"]["authors"]
    ]
    assert citation["license"] == project["project"]["license"]
    changes = (repository / "CHANGELOG.md").read_text("utf-8").splitlines()
    newest = next(line for line in changes if line.startswith("## "))
    assert mvhg_tf.__version__ in newest


def test_the_scripts_answer_without_an_environment(repository):
    for name in ("test", "quickstart"):
        done = run(repository / "bin" / name, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"usage: bin/{name}")
        assert run("bash", "-n", repository / "bin" / name).returncode == 0


@pytest.mark.parametrize("flag", ["--output_dir", "--output"])
def test_the_quickstart_keeps_what_it_did_not_make(repository, tmp_path, flag):
    (tmp_path / "thesis.tex").write_text("years of work")
    for arguments in (["--overwrite"], []):
        done = run(
            repository / "bin/quickstart",
            flag,
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
        f"--output_dir={tmp_path}",
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert "use --overwrite to replace them" in done.stderr
    assert (tmp_path / "figures" / "counts.png").exists()


def test_where_there_is_no_python_the_scripts_say_so(repository):
    script = repository / "bin/_environment.sh"
    code = f"source '{script}'; PATH=/nowhere PYTHON=no_python find_python"
    done = run("bash", "-c", code)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no Python 3.10 to 3.13: install one" in done.stderr
