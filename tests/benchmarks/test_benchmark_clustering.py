import pytest

from benchmarks import subjects


@pytest.mark.slow
def test_every_prior_is_compared_with_uniform_and_the_autoencoder(tmp_path, capsys):
    path = tmp_path / "benchmark.md"
    flags = ["clustering", "--rounds=1", "--samples=128", f"--output={path}"]
    assert subjects.main(flags) == 0
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in lines
        if "|" in line
    ]
    seconds = {name: float(value) for name, value, *_ in rows[2:]}
    assert list(seconds) == [
        "uniform",
        "categorical",
        "hypergeometric",
        "Keras autoencoder",
    ]
    for name, value, to_uniform, to_autoencoder in rows[2:]:
        assert float(value) > 0
        assert float(to_uniform) == pytest.approx(
            seconds[name] / seconds["uniform"], rel=0.2, abs=0.02
        )
        assert float(to_autoencoder) > 0
    assert subjects.main(flags) == 2
    assert "exists; give another file" in capsys.readouterr().err
