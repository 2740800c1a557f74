from mvhg_tf.programs.flags.score_table import score_table


def test_a_line_for_each_score():
    results = {
        "mse": 1.23456,
        "num_test": 6,
        "undefined_one": float("nan"),
        "histogram": [1, 0, 5],
        "by_k": {"1": 0.5, "2": 2.0},
        "matrix": [[1, 2], [3, 4]],
        "long": list(range(1000)),
        "elapsed_time": 3.0,
    }
    lines = [line.split(maxsplit=1) for line in score_table(results).splitlines()]
    assert lines == [
        ["mse", "1.235"],
        ["num_test", "6"],
        ["undefined_one", "undefined"],
        ["histogram", "1 0 5"],
        ["by_k.1", "0.5"],
        ["by_k.2", "2"],
        ["matrix", "(2 rows)"],
        ["long", "(1000 values)"],
    ]


def test_no_scores_are_no_lines():
    assert score_table({}) == ""
