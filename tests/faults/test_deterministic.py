"""`--deterministic`: the same weights, bit for bit, from two processes of a seed."""

import commands
import pytest

pytestmark = pytest.mark.slow

HGVAE = (
    "model.model = @group_vae_hypergeometric()",
    "dynamics.k = 2",
    "group_vae.beta = 1.0",
    "model.training_steps = 12",
    "encoder.encoder_fn = @conv_encoder",
    "decoder.decoder_fn = @deconv_decoder",
    "encoder.num_latent = 6",
)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_training(finished, tmp_path, threads):
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    for name in ("first", "second"):
        command = [*commands.training(tmp_path / name, *HGVAE), "--deterministic"]
        command[0] = "dlib_train_weakly_supervised"
        finished(command, environment=dict.fromkeys(names, threads))
    commands.assert_same_results(tmp_path / "second", tmp_path / "first")


def test_clustering(finished, samples, tmp_path):
    names = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
    for name in ("first", "second"):
        command = [*commands.clustering(samples, tmp_path / name), "--deterministic"]
        finished(command, environment=dict.fromkeys(names, "2"))
    commands.assert_same_results(tmp_path / "second", tmp_path / "first")
