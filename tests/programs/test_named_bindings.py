"""A sentence names the binding that was written, though models share parameters."""

import pytest

TRAINING = {
    "dataset.name": "'dummy_data'",
    "model.batch_size": "4",
    "model.training_steps": "1",
    "model.eval_steps": "1",
    "encoder.num_latent": "2",
    "encoder.encoder_fn": "@test_encoder",
    "decoder.decoder_fn": "@test_decoder",
    "discriminator.discriminator_fn": "@fc_discriminator",
    "reconstruction_loss.loss_fn": "@bernoulli_loss",
    "vae_optimizer.optimizer_fn": "@AdamOptimizer",
    "discriminator_optimizer.optimizer_fn": "@AdamOptimizer",
}
LABELS = {
    "model.model_seed": "5",
    "model.unsupervised_data_seed": "5",
    "model.supervised_data_seed": "5",
    "model.num_labelled_samples": "20",
    "model.train_percentage": "0.9",
    "supervised_loss.loss_fn": "@embed",
    "embed.sigma": "1.0",
    "labeller.labeller_fn": "@perfect_labeller",
    "annealer.anneal_fn": "@anneal",
    "annealer.iteration_threshold": "1",
}
PAIRS = {"model.random_seed": "5", "dynamics.k": "1"}
# By the model: its other bindings, and the parameters with values that are wrong.
MODELS = {
    "@vae()": ({"vae.beta": "1.0"}, {"vae.beta": ["-1", "'a'", "None", "1e999"]}),
    "@beta_tc_vae()": ({"beta_tc_vae.beta": "1.0"}, {"beta_tc_vae.beta": ["-0.5"]}),
    "@factor_vae()": ({"factor_vae.gamma": "1.0"}, {"factor_vae.gamma": ["-0.5"]}),
    "@annealed_vae()": (
        {"annealed_vae.gamma": "1.0", "annealed_vae.c_max": "1.0"},
        {
            "annealed_vae.gamma": ["-1"],
            "annealed_vae.c_max": ["-1"],
            "annealed_vae.iteration_threshold": ["0", "-1"],
        },
    ),
    "@dip_vae()": (
        {"dip_vae.lambda_od": "1.0", "dip_vae.lambda_d_factor": "1.0"},
        {"dip_vae.dip_type": ["'iii'", "1"], "dip_vae.lambda_od": ["-1"]},
    ),
    "@s2_vae": (
        {"s2_vae.beta": "1.0", "s2_vae.gamma_sup": "1.0"},
        {
            "s2_vae.beta": ["-1"],
            "s2_vae.gamma_sup": ["-1"],
            "embed.sigma": ["0", "'lern'"],
            "annealer.iteration_threshold": ["0"],
            "model.num_labelled_samples": ["0"],
            "model.train_percentage": ["0.0", "1.5"],
            "model.supervised_data_seed": ["-1", str(2**31)],
        },
    ),
    "@s2_dip_vae": (
        {
            "s2_dip_vae.lambda_od": "1.0",
            "s2_dip_vae.lambda_d_factor": "1.0",
            "s2_dip_vae.gamma_sup": "1.0",
        },
        {"s2_dip_vae.dip_type": ["'iii'"], "s2_dip_vae.lambda_d_factor": ["-1"]},
    ),
    "@s2_beta_tc_vae": (
        {"s2_beta_tc_vae.gamma_sup": "1.0"},
        {"s2_beta_tc_vae.beta": ["-1"]},
    ),
    "@s2_factor_vae": (
        {"s2_factor_vae.gamma_sup": "1.0"},
        {"s2_factor_vae.gamma": ["-1"]},
    ),
    "@s2_mine_vae": ({"s2_mine_vae.gamma_sup": "1.0"}, {"s2_mine_vae.beta": ["-1"]}),
    "@group_vae_labels()": (
        {"group_vae.beta": "1.0"},
        {"group_vae.beta": ["-1"], "dynamics.k": ["99", "-2", "1.5", "'a'"]},
    ),
    "@mlvae_argmax()": (
        {"mlvae.beta": "1.0"},
        {"mlvae.beta": ["-1"], "dynamics.mode": ["'exactly'", "None"]},
    ),
    "@group_vae_hypergeometric()": (
        {"group_vae.beta": "1.0"},
        {
            "hgvae.objective": ["'elbo'"],
            "hgvae.gradient_estimator": ["'exact'"],
            "hgvae.final_temperature": ["0"],
            "hgvae.temperature_steps": ["0", "1.5"],
            "reconstruction_loss.activation": ["'relu'"],
        },
    ),
}


def bindings_of(model):
    own = MODELS[model][0]
    if model.startswith("@s2_"):
        return TRAINING | LABELS | own | {"model.model": model}
    return TRAINING | PAIRS | own | {"model.model": model}


@pytest.mark.parametrize("as_macro", [False, True], ids=["value", "macro"])
@pytest.mark.parametrize(
    ("model", "parameter", "value"),
    [
        (model, parameter, value)
        for model, (_, wrong) in MODELS.items()
        for parameter, values in wrong.items()
        for value in values
    ],
)
def test_training_names_the_parameter(
    run_program, tmp_path, model, parameter, value, as_macro
):
    bindings = bindings_of(model) | {parameter: "%WRONG" if as_macro else value}
    lines = [f"{name} = {bound}" for name, bound in bindings.items()]
    config = tmp_path / "model.gin"
    config.write_text("\n".join([f"WRONG = {value}", *lines, ""]))
    code, out, err = run_program(
        "dlib_train", f"--model_dir={tmp_path}/m", f"--gin_config={config}"
    )
    assert (code, out) == (2, "")
    [sentence] = err.splitlines()
    assert sentence.startswith(f"dlib_train: {parameter} is "), sentence
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("binding", ["hgvae.method = 'exact'", "dynamics.kk = 1"])
def test_a_parameter_that_there_is_not_is_refused(run_program, tmp_path, binding):
    code, _, err = run_program(
        "dlib_train", f"--model_dir={tmp_path}/m", f"--gin_bindings={binding}"
    )
    assert code == 2 and f"named '{binding.split('.')[1].split()[0]}'" in err
