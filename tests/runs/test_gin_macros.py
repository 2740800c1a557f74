import gin
import pytest

from mvhg_tf.runs import gin_config, gin_macros
from mvhg_tf.runs.errors import UserError


@gin.configurable("macro_test", module="mvhg_tf.tests")
def configurable(value=None, other=None):
    return value, other


gin.constant("mvhg_tf.tests.NUMBER", 7)
gin.constant("mvhg_tf.tests.OBJECT", object())


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("%A", 3),
        ("%C", 3),
        ("[%A, (%A, 4)]", [3, (3, 4)]),
        ("{%A: %C}", {3: 3}),
        ("%LIST", [3]),
        ("%mvhg_tf.tests.NUMBER", 7),
        ("'%A'", "%A"),
    ],
)
def test_asking_and_calling_give_the_same_value(value, literal):
    macros = ["A = 3", "C = %B", "B = %A", "LIST = [%C]"]
    bindings = [*macros, f"macro_test.value = {value}"]
    with gin_config.configured([], bindings):
        assert gin_config.query("macro_test.value") == literal
        assert configurable() == (literal, None)
        assert f"macro_test.value = {literal!r}" in gin.operative_config_str()


def test_a_later_macro_wins(tmp_path):
    (tmp_path / "a.gin").write_text("A = 1\nmacro_test.value = %A\n")
    with gin_config.configured([str(tmp_path / "a.gin")], ["A = 2"]):
        assert gin_config.query("macro_test.value") == 2


def test_what_no_file_can_hold_stays_a_reference():
    bindings = ["macro_test.value = %mvhg_tf.tests.OBJECT", "F = @macro_test"]
    with gin_config.configured([], [*bindings, "macro_test.other = %F"]):
        assert gin_config.query("macro_test.value").selector == "gin.constant"
        assert gin_config.query("macro_test.other").selector.endswith("macro_test")
        assert type(configurable()[0]) is object


def test_a_circle_and_a_macro_without_a_value_are_told():
    with pytest.raises(UserError, match="The macro b = %a = %b never gets a value"):
        with gin_config.configured([], ["a = %b", "b = %a", "macro_test.value = %a"]):
            pass
    with pytest.raises(UserError, match="no_such"):
        with gin_config.configured([], ["macro_test.value = %no_such"]):
            pass


def test_a_file_is_read_without_what_it_names(tmp_path):
    path = tmp_path / "saved.gin"
    path.write_text(
        "import nothing\n"
        "a.name = %B\n"
        "B = %C\n"
        "scope/unknown.long = \\\n    ['x',\n     %C]\n"
        "C = 'y'\n"
        "m.model = @f()\n"
        "block:\n  x = 1\n"
    )
    bindings = gin_macros.read_bindings(str(path))
    del bindings["m.model"]  # a reference to what gin does not know
    assert bindings == {
        "a.name": "y",
        "scope/unknown.long": ["x", "y"],
        "block.x": 1,
    }


@pytest.mark.parametrize("start", ["folder of the file", "elsewhere"])
def test_an_include_is_found_beside_its_file(start, tmp_path, monkeypatch):
    (tmp_path / "sub" / "far").mkdir(parents=True)
    (tmp_path / "a.gin").write_text("include 'sub/b.gin'\nmacro_test.value = 1\n")
    (tmp_path / "sub" / "b.gin").write_text("include 'c.gin'\ninclude 'far/d.gin'\n")
    (tmp_path / "sub" / "c.gin").write_text("macro_test.other = 2\n")
    (tmp_path / "sub" / "far" / "d.gin").write_text("include '../e.gin'\n")
    (tmp_path / "sub" / "e.gin").write_text("macro_test.other = 3\n")
    # A file of the same name in the working directory is another one.
    (tmp_path / "c.gin").write_text("no.such = 1\n")
    path = tmp_path / "a.gin"
    if start == "folder of the file":
        monkeypatch.chdir(tmp_path)
        path = "a.gin"
    with gin_config.configured([str(path)]):
        assert configurable() == (1, 3)


def test_an_include_in_the_working_directory_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.gin").write_text("include 'sub/b.gin'\n")
    (tmp_path / "sub" / "b.gin").write_text("include 'c.gin'\n")
    (tmp_path / "sub" / "c.gin").write_text("macro_test.value = 4\n")
    with gin_config.configured([], ["include 'sub/a.gin'"]):
        assert configurable() == (4, None)
