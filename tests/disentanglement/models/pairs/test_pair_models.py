"""The gin names of the models build what they say."""

from pathlib import Path

import gin
import numpy as np
import pytest

from mvhg_tf.disentanglement.models.pairs import (
    drawn_selections,
    pair_models,
    pair_regularizers,
    selection,
)
from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.steps import (
    training,  # noqa: F401  (loads all that the presets name)
)
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.schedules import ExponentialAnnealing

SHARED = """
encoder.num_latent = 6
encoder.encoder_fn = @fc_encoder
decoder.decoder_fn = @fc_decoder
group_vae.beta = 2.0
mlvae.beta = 3.0
"""


def build(name, *bindings):
    gin.parse_config([SHARED, *bindings])
    return getattr(pair_models, name)()((4, 4, 1), seed=7)


@pytest.mark.parametrize(
    ("name", "kind", "average", "beta"),
    [
        (f"{base}_{suffix}", kind, average, beta)
        for base, average, beta in (
            ("group_vae", gaussian.average_moments, 2.0),
            ("mlvae", gaussian.average_precisions, 3.0),
        )
        for suffix, kind in (
            ("labels", selection.LabelSelection),
            ("argmax", selection.ArgmaxSelection),
            ("hypergeometric", selection.HypergeometricSelection),
        )
    ],
)
def test_models_differ_in_selection_and_average(name, kind, average, beta):
    model = build(name)
    assert type(model.selection) is kind
    assert model.average is average
    assert model.beta == beta
    assert model.num_latent == 6
    assert model.seed == 7
    if kind is selection.HypergeometricSelection:
        assert model.regularizer is pair_regularizers.pair_elbo
    else:
        assert model.regularizer is pair_regularizers.paper


def test_every_option_of_the_paper_arrives():
    model = build(
        "group_vae_hypergeometric",
        'hgvae.objective = "paper"',
        'hgvae.gradient_estimator = "gumbel_softmax"',
        "hgvae.log_divergences = False",
        "hgvae.initial_log_odds = 1.5",
        "hgvae.initial_temperature = 2.0",
        "hgvae.final_temperature = 0.5",
        "hgvae.temperature_steps = 7",
    )
    assert model.regularizer is pair_regularizers.paper
    chosen = model.selection
    assert chosen.gradient_estimator == "gumbel_softmax"
    assert not chosen.log_divergences
    assert not chosen.learn_prior  # that objective has no prior over k
    assert chosen.log_weights.bias.numpy().tolist() == [1.5, 0.0]
    assert float(chosen.prior_log_odds) == 1.5
    assert chosen.temperature.get_config() == {
        "initial": 2.0,
        "final": 0.5,
        "num_steps": 7,
    }


def test_every_option_of_the_pair_bound_arrives():
    chosen = build(
        "group_vae_hypergeometric",
        "hgvae.learn_prior = False",
        "hgvae.charge_subset = False",
        "hgvae.divergence_weight = 2.5",
        "hgvae.stochastic_sort = True",
        "hgvae.relaxed_sort = True",
    ).selection
    assert not chosen.learn_prior
    assert not chosen.charge_subset
    assert chosen.divergence_weight == 2.5
    assert chosen.stochastic_sort
    assert chosen.relaxed_sort


@pytest.mark.parametrize(
    "binding", ["hgvae.charge_subset = False", "hgvae.divergence_weight = 2.0"]
)
def test_the_papers_objective_refuses_what_it_would_ignore(binding):
    with pytest.raises(UserError, match="'paper' does not charge for the selection"):
        build("group_vae_hypergeometric", 'hgvae.objective = "paper"', binding)


def test_beta_may_be_a_schedule():
    model = build(
        "group_vae_hypergeometric",
        "group_vae.beta = @ExponentialAnnealing()",
        "ExponentialAnnealing.initial = 8.0",
    )
    assert isinstance(model.beta, ExponentialAnnealing)
    assert model.beta.initial == 8.0


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        (
            "hgvae.final_temperature = 0",
            "final_temperature is 0, but must be positive",
        ),
        ("hgvae.temperature_steps = -1", "hgvae.temperature_steps is -1, but must be"),
        (
            "hgvae.divergence_weight = -1.0",
            "hgvae.divergence_weight is -1.0, but must be at least 0",
        ),
        ("group_vae.beta = -1.0", "group_vae.beta is -1.0, but must be at least 0"),
    ],
)
def test_a_value_out_of_range_is_one_clear_sentence(binding, message):
    with pytest.raises(UserError, match=message):
        build("group_vae_hypergeometric", binding)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("group_vae_subset", drawn_selections.SubsetSelection),
        ("group_vae_partition", drawn_selections.PartitionSelection),
    ],
)
def test_models_that_draw_the_subset(name, kind):
    model = build(
        name,
        f"{name}.initial_log_odds = -1.5",
        f"{name}.initial_sharpness = 3.5",
        f"{name}.learn_prior = False",
    )
    assert type(model.selection) is kind
    assert model.regularizer is pair_regularizers.pair_elbo
    assert model.average is gaussian.average_moments
    assert model.beta == 2.0
    np.testing.assert_array_equal(model.selection.log_weights.bias, [-1.5, 0.0])
    assert float(model.selection.prior_log_odds) == -1.5
    assert float(model.selection.sharpness) == 3.5
    assert len(model.selection.trainable_variables) == 4


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("group_vae_partition.num_draws = 1", "num_draws is 1, but must be at least 2"),
        ("group_vae_subset.initial_sharpness = 0", "sharpness is 0, but must be pos"),
        ("group_vae_subset.learn_prior = 1", "learn_prior is 1, but must be True or"),
    ],
)
def test_a_wrong_value_of_theirs_is_one_clear_sentence(binding, message):
    with pytest.raises(UserError, match=message):
        build(binding.partition(".")[0], binding)


@pytest.mark.parametrize("option", ["objective", "gradient_estimator"])
def test_an_unknown_choice_is_one_clear_sentence(option):
    with pytest.raises(UserError, match=f"hgvae.{option} is 'elbo', but must be"):
        build("group_vae_hypergeometric", f"hgvae.{option} = 'elbo'")


KINDS = {
    "hgvae": selection.HypergeometricSelection,
    "adavae": selection.ArgmaxSelection,
    "labelvae": selection.LabelSelection,
    "subsetvae": drawn_selections.SubsetSelection,
    "drpmvae": drawn_selections.PartitionSelection,
}
PRESETS = [
    path
    for name in KINDS
    for path in (Path(__file__).parents[4] / "gin_configs").glob(f"{name}_*.gin")
]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_build_what_their_names_say(preset):
    with gin_config.configured([str(preset)]):
        builder = gin.query_parameter("model.model").scoped_configurable_fn()
        model = builder((64, 64, 3), seed=0)
        data = gin.query_parameter("dataset.name")
    kind = KINDS[preset.stem.partition("_")[0]]
    assert type(model.selection) is kind
    assert model.num_latent == (7 if preset.stem.endswith("_he") else 10)
    assert data.partition("_")[0] == preset.stem.split("_")[1]
    paper = preset.stem.endswith("_paper")
    if kind not in (selection.ArgmaxSelection, selection.LabelSelection):
        expected = pair_regularizers.paper if paper else pair_regularizers.pair_elbo
        assert model.regularizer is expected
