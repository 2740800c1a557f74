import gin
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.clustering import configurables
from mvhg_tf.clustering.likelihoods import Bernoulli, Gaussian
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.schedules import ExponentialAnnealing

pytestmark = pytest.mark.usefixtures("eagerly")


def test_every_choice_of_the_prior_can_be_bound():
    bindings = [
        "vade.prior = @hypergeometric_prior()",
        "hypergeometric_prior.group_sizes = 60",
        "hypergeometric_prior.probability_of = 'sizes'",
        "hypergeometric_prior.counts = 'sampled'",
        "vade.likelihood = @gaussian_likelihood()",
        "gaussian_likelihood.scale = 0.2",
        "vade.units = (8, 4)",
        "vade.latent_dim = 3",
        "vade.temperature = @ExponentialAnnealing()",
        "vade.learning_rate = 0.01",
        "vade.prior_rate = 2.0",
        "vade.prior_weight = 128",
    ]
    with gin_config.configured(bindings=bindings):
        model = configurables.vade(
            num_features=6, num_clusters=3, seed=4, num_samples=60
        )
    config = model.prior.get_config()
    assert config["group_sizes"] == 60
    assert config["probability_of"] == "sizes"
    assert config["counts"] == "sampled"
    assert isinstance(model.likelihood, Gaussian) and model.likelihood.scale == 0.2
    assert isinstance(model.temperature, ExponentialAnnealing)
    shapes = [w.shape for w in model.encoder.weights if len(w.shape) == 2]
    assert shapes == [(6, 8), (8, 4), (4, 3), (4, 3)]
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    assert model.get_compile_config()["prior_rate"] == 2.0
    assert model.get_compile_config()["prior_weight"] == 128.0
    assert model.seed == 4


def test_pretraining_and_training_take_what_is_bound():
    x = np.random.default_rng(0).uniform(size=[60, 6]).astype(np.float32)
    bindings = [
        "vade.units = (4,)",
        "vade.prior = 'uniform'",
        "pretrain.epochs = 0",
        "pretrain.init = 'free'",
        "pretrain.starts = 1",
        "fit.epochs = 2",
        "fit.batch_size = 20",
    ]
    with gin_config.configured(bindings=bindings):
        model = configurables.vade(
            num_features=6, num_clusters=3, seed=0, num_samples=60
        )
        q = configurables.pretrain(model, x)
        arguments = configurables.fit_arguments(len(x))
        history = model.fit(x, responsibilities=q, **arguments, verbose=0)
        config = gin.operative_config_str()
    assert len(history.history["loss"]) == 2
    assert int(tf.convert_to_tensor(model.optimizer.iterations)) == 6
    assert "pretrain.init = 'free'" in config and "fit.held_epochs = None" in config


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("vade.learning_rate = 0", "learning_rate is 0, but must be positive"),
        ("vade.units = (8, -1)", "vade.units is .8, -1., but must be"),
        ("vade.latent_dim = 0", "latent_dim is 0, but must be"),
        ("vade.prior = 'even'", "prior is 'even', but must be"),
    ],
)
def test_values_that_are_not_allowed_are_refused(binding, message):
    with pytest.raises(UserError, match=message):
        with gin_config.configured(bindings=[binding]):
            configurables.vade(num_features=6, num_clusters=3, seed=0, num_samples=60)


def test_what_is_not_bound_fits_the_data():
    with gin_config.configured(bindings=[]):
        kwargs = {"num_features": 6, "num_clusters": 3, "seed": 0, "num_samples": 120}
        pixels, rows = (configurables.vade(**kwargs, is_table=t) for t in (False, True))
        few, many = (configurables.fit_arguments(n) for n in (60, 5000))
    widths = [[w.shape[1] for w in m.encoder.weights[::2]] for m in (pixels, rows)]
    assert widths == [[500, 500, 2000, 5, 5], [5, 5]]
    assert isinstance(rows.likelihood, Gaussian) and rows.likelihood.learned
    assert isinstance(pixels.likelihood, Bernoulli)
    assert few == {"epochs": 50, "batch_size": 60, "held_epochs": 20}
    assert many == {"epochs": 10, "batch_size": 128, "held_epochs": 4}


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("fit.epochs = 0", "fit.epochs is 0, but must be"),
        ("fit.held_epochs = -1", "fit.held_epochs is -1, but must be"),
        ("fit.batch_size = 61", "batch_size is 61, but must be .* 60 samples"),
    ],
)
def test_arguments_of_training_are_refused_before_it(binding, message):
    with pytest.raises(UserError, match=message):
        with gin_config.configured(bindings=[binding]):
            configurables.fit_arguments(60)


IDLE = [
    (["hypergeometric_prior.group_sizes = 26"], "hypergeometric_prior.group_sizes"),
    (
        ["vade.prior = 'hypergeometric'", "hypergeometric_prior.counts = 'sampled'"],
        "hypergeometric_prior.counts",
    ),
    (
        ["vade.prior = @uniform_prior()", "a/hypergeometric_prior.group_sizes = 26"],
        "hypergeometric_prior.group_sizes",
    ),
    (["categorical_prior.name = 'a'"], "categorical_prior.name"),
    (["gaussian_likelihood.scale = 0.2"], "gaussian_likelihood.scale"),
]


@pytest.mark.parametrize(("bindings", "named"), IDLE)
def test_bindings_of_a_prior_that_is_not_chosen_are_refused(bindings, named):
    part = named.partition(".")[0]
    match = rf"^{named} is bound, but is used only with vade.\w+ = @{part}\(\): bind"
    for command in (bindings, []):  # wherever the lines come from
        with gin_config.configured(bindings=bindings):
            with pytest.raises(UserError, match=match):
                configurables.check_all_used(command)


@pytest.mark.parametrize(
    "bindings",
    [
        ["vade.prior = @hypergeometric_prior()"],
        ["vade.prior = @my/hypergeometric_prior()"],
        ["vade.prior = %prior", "prior = @hypergeometric_prior()"],
    ],
)
def test_bindings_of_the_chosen_prior_are_right(bindings):
    bindings = [*bindings, "hypergeometric_prior.group_sizes = 26"]
    with gin_config.configured(bindings=bindings):
        configurables.check_all_used(bindings)


def test_a_line_of_a_file_may_be_idle_where_the_command_chooses_another_prior(tmp_path):
    path = tmp_path / "mine.gin"
    path.write_text(
        "vade.prior = @hypergeometric_prior()\nhypergeometric_prior.group_sizes = 26\n"
    )
    command = ["vade.prior = @uniform_prior()"]
    with gin_config.configured([str(path)], command):
        configurables.check_all_used(command)
    command.append("hypergeometric_prior.counts = 'sampled'")
    with gin_config.configured([str(path)], command):
        with pytest.raises(UserError, match="hypergeometric_prior.counts is bound"):
            configurables.check_all_used(command)


def test_a_missing_file_of_weights_is_refused(tmp_path):
    x = np.random.default_rng(0).uniform(size=[60, 6]).astype(np.float32)
    bindings = [f"pretrain.weights = '{tmp_path}/none.h5'", "vade.units = (4,)"]
    with gin_config.configured(bindings=bindings):
        model = configurables.vade(
            num_features=6, num_clusters=3, seed=0, num_samples=60
        )
        with pytest.raises(UserError, match="none.h5' can't be read as weights"):
            configurables.pretrain(model, x)
