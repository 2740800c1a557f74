"""Sizes that no machine's memory holds: one sentence, and nothing is left."""

import commands
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (
            lambda folder, samples: commands.training(
                folder, f"encoder.num_latent = {2 * 10**9}"
            ),
            "[12288, 2000000000]",
        ),
        (
            lambda folder, samples: commands.clustering(
                samples, folder, f"vade.latent_dim = {10**12}"
            ),
            "[16, 1000000000000]",
        ),
    ],
    ids=["dlib_train", "mvhg_cluster"],
)
def test_memory_that_does_not_suffice_is_told(start, samples, tmp_path, make, shape):
    run = start(make(tmp_path / "run", samples))
    assert run.wait() == 1, run.said()
    [sentence] = run.said().splitlines()
    assert sentence.endswith(
        f"The memory does not suffice for an array of shape {shape}: give a smaller "
        "size, such as that of the batch, or take a machine with more."
    )
    assert not (tmp_path / "run").exists()
