import json
import math

import pandas as pd
import pytest

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.steps.aggregate_results import aggregate_results_to_json
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.utils import aggregate_results as library  # isort: skip

RUNS = {
    "a": {"score": 0.1 + 0.2, "config.name": "'x/y'", "steps": 3, "list": [1, [0.5]]},
    "b": {"score": 1e-300, "elapsed": math.nan, "list": [math.inf], "uuid": "é"},
    "c": {"steps": -(2**53), "flag": True, "none": None, "dict": {"x": 1}},
}


@pytest.fixture
def pattern(tmp_path):
    for name, values in RUNS.items():
        folder = tmp_path / name / "results" / "aggregate"
        folder.mkdir(parents=True)
        (folder / "evaluation.json").write_text(json.dumps(values))
    return str(tmp_path / "*" / "results" / "aggregate" / "evaluation.json")


def table_of(path):
    return json.loads(
        path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON")
    )


def test_every_value_is_in_its_row_and_column(pattern, tmp_path):
    output = tmp_path / "new" / "all.json"
    aggregate_results_to_json(pattern, str(output))
    table = table_of(output)
    assert list(table) == [
        *("score", "config.name", "steps", "list", "elapsed", "uuid"),
        *("flag", "none", "dict", "path"),
    ]
    for i, (name, values) in enumerate(RUNS.items()):
        row = {column: cells[str(i)] for column, cells in table.items()}
        assert row.pop("path") == pattern.replace("*", name)
        expected = dict.fromkeys(row) | values
        if name == "b":
            expected |= {"elapsed": None, "list": [None]}
        assert row == expected  # floats too: to the last bit
    assert {path.name for path in output.parent.iterdir()} == {"all.json"}


def test_the_library_makes_the_same_table_and_loads_ours(pattern, tmp_path):
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    aggregate_results_to_json(pattern, str(ours))
    library.aggregate_results_to_json(pattern, str(theirs))
    load = library.load_aggregated_json_results
    # The library's rows are in no order, and have ten decimals.
    pd.testing.assert_frame_equal(
        load(str(ours)).set_index("path"),
        load(str(theirs)).set_index("path"),
        check_like=True,
        atol=1e-10,
    )


def test_a_table_is_no_result(pattern, tmp_path):
    output = tmp_path / "a" / "all.json"
    for _ in range(2):
        aggregate_results_to_json(str(tmp_path / "**/*.json"), str(output))
        assert len(table_of(output)["path"]) == 3


def test_no_match_keeps_what_there_is(tmp_path):
    output = tmp_path / "all.txt"
    output.write_text("earlier")
    with pytest.raises(UserError, match=r"No file matches '.*\*\.json': check"):
        aggregate_results_to_json(str(tmp_path / "*.json"), str(output))
    assert output.read_text() == "earlier"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"score": 0.', "b/.*evaluation.json can't be read .*char"),
        (b"", "b/.*evaluation.json can't be read"),
        (b"\xff\xfe\x00", "b/.*evaluation.json can't be read"),
        (b"[1, 2]", "b/.*evaluation.json holds no results"),
        (b"[" * 100000, "b/.*evaluation.json can't be read"),
    ],
)
def test_a_damaged_file_is_named(pattern, tmp_path, content, sentence):
    (tmp_path / "b" / "results" / "aggregate" / "evaluation.json").write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        aggregate_results_to_json(pattern, str(tmp_path / "all.json"))
    assert not (tmp_path / "all.json").exists()


def test_a_folder_in_place_of_a_file_is_named(pattern, tmp_path):
    with pytest.raises(UserError, match="a can't be read .Is a directory"):
        aggregate_results_to_json(str(tmp_path / "?"), str(tmp_path / "all.json"))
    (tmp_path / "all").mkdir()
    with pytest.raises(UserError, match="can't be written to .*all .Is a directory"):
        aggregate_results_to_json(pattern, str(tmp_path / "all"))
    with pytest.raises(UserError, match="can't be written to"):
        aggregate_results_to_json(pattern, pattern.replace("*", "a") + "/all.json")
    assert not list(tmp_path.rglob("*.part"))
