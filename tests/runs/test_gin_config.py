import sys

import gin
import pytest

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.evaluation.metrics import (  # isort: skip
    downstream_task,  # noqa: F401
    mig,  # noqa: F401
    reduced_downstream_task,  # noqa: F401
    strong_downstream_task,  # noqa: F401
)


@gin.configurable("session_test", module="mvhg_tf.tests")
def configurable(
    count: int = gin.REQUIRED,
    rate: float = 1.0,
    maybe: int | None = None,
    name: str = "",
    function: object = None,
    positional=None,
):
    return count, rate, maybe, name, function, positional


@gin.configurable("session_test_positional", module="mvhg_tf.tests")
def needs_a_value(value):
    return value


def test_files_then_bindings(tmp_path):
    file = tmp_path / "a.gin"
    file.write_text("session_test.count = 1\nsession_test.rate = 2\n")
    with gin_config.configured([str(file)], ["session_test.count = 3"]):
        assert configurable()[:2] == (3, 2)
    assert gin.config_str().strip() == ""


def test_the_configuration_is_cleared_after_an_error():
    with (
        pytest.raises(ZeroDivisionError),
        gin_config.configured([], ["session_test.count = 3"]),
    ):
        raise ZeroDivisionError
    assert gin.config_str().strip() == ""


@pytest.mark.parametrize(
    ("binding", "sentence"),
    [
        ("session_test.count = ", "Unable to parse value"),
        ("session_test.count 3", "expected ':' or '='"),
        (
            "session_test.name = arm",
            "gives arm, which is not a value .strings need quotes",
        ),
        ("sesion_test.count = 3", "No configurable matching 'sesion_test'"),
        ("session_test.cuont = 3", "doesn't have a parameter named 'cuont'"),
        ("session_test.function = @nothing", "reference '@nothing'"),
        ("import no_such_module", "imports no_such_module, which can.t be found"),
        ("include 'no.gin'", "there is no file no.gin"),
        ("session_test.count = 'x'", "session_test.count is 'x', but must be an int"),
        ("session_test.count = 1.5", "must be an integer"),
        ("session_test.count = True", "must be an integer"),
        ("session_test.rate = 'x'", "must be a number"),
        ("session_test.maybe = 'x'", "must be an integer or None"),
        ("session_test.name = 3", "must be a string"),
        ("mig.num_train = 'x'", "mig.num_train is 'x', but must be an integer"),
        ("mig.num_train = [10]", "mig.num_train is .10., but must be an integer"),
        ("downstream_task.num_train = 'x'", "must be a list: change"),
    ],
)
def test_mistakes_are_told_in_one_sentence(binding, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        with gin_config.configured([], [binding]):
            pass
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "binding",
    [
        "session_test.rate = 3",
        "session_test.maybe = None",
        "session_test.maybe = 3",
        "session_test.positional = 'x'",
        "session_test.function = 'x'",
        # As the library's own studies bind them.
        "downstream_task.num_train = [10, 100]",
        "reduced_downstream_task.num_train = [10]",
        "strong_downstream_task.num_train = [10]",
    ],
)
def test_values_that_fit_pass(binding):
    with gin_config.configured([], [binding, "session_test.count = 1"]):
        configurable()


def test_a_file_that_is_missing_or_no_text(tmp_path):
    binary = tmp_path / "b.gin"
    binary.write_bytes(b"\xff\xfe\xfa")
    for path, sentence in [
        (tmp_path / "no.gin", "there is no file"),
        (tmp_path, "there is no file"),
        (binary, "is not a text file"),
    ]:
        with pytest.raises(UserError, match=sentence):
            with gin_config.configured([str(path)]):
                pass


@pytest.mark.parametrize("by", ["folder of the file", "working directory"])
def test_modules_of_the_users_own_are_found(by, tmp_path, monkeypatch):
    module = f"own_{by.split()[0]}"
    text = (
        f"import gin\n\n\n@gin.configurable\ndef {module}(count):\n    return count\n"
    )
    (tmp_path / f"{module}.py").write_text(text)
    config = (
        f"import {module}\n{module}.count = 3\nsession_test.function = @{module}()\n"
    )
    path = list(sys.path)
    if by == "working directory":
        monkeypatch.chdir(tmp_path)
        files, bindings = [], config.splitlines()
    else:
        (tmp_path / "own.gin").write_text(config)
        files, bindings = [str(tmp_path / "own.gin")], []
    with gin_config.configured(files, [*bindings, "session_test.count = 1"]):
        assert configurable()[4] == 3
    assert sys.path == path


def test_a_missing_value_is_named():
    with pytest.raises(UserError, match="No value is bound to session_test.count"):
        with gin_config.configured():
            configurable()
    with pytest.raises(UserError, match="bound to session_test_positional.value"):
        with gin_config.configured():
            needs_a_value()


def test_errors_of_the_code_are_not_the_users():
    with pytest.raises(TypeError):
        with gin_config.configured([], ["session_test_positional.value = 1"]):
            needs_a_value() + "x"


@pytest.mark.parametrize("by_name", [False, True])
def test_a_run_with_its_configuration(by_name):
    """As disentanglement_lib's functions of this name take it."""
    bindings = ["session_run.value = 4"]
    run = gin_config.with_gin(configurable_run)
    if by_name:
        made = run(folder="a", gin_bindings=bindings, other=5)
    else:
        made = run("a", True, None, bindings)
    assert made == ("a", not by_name, 4, 5 if by_name else 0)
    assert gin.config_str().strip() == ""
    assert run("a") == ("a", False, 3, 0)
    with pytest.raises(TypeError):
        run("a", True, None, bindings, 5)


@gin.configurable("session_run", module="mvhg_tf.tests", denylist=["folder"])
def configurable_run(folder, overwrite=False, value=3, other=0):
    return folder, overwrite, value, other


@pytest.mark.parametrize("path", ["json/missing.gin", "numpy/linalg/none.gin"])
def test_a_missing_file_in_a_folder_named_as_a_package_is_told(path):
    with (
        pytest.raises(UserError, match=f"as there is no file {path}: check the path"),
        gin_config.configured([path]),
    ):
        pass
