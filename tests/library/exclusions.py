"""Which of disentanglement_lib's own tests can't run on TensorFlow 2, and why."""

from typing import NamedTuple

_HERE = "tests/disentanglement"
_NETWORKS = f"{_HERE}/networks/test_networks.py"
_OPTIMIZERS = f"{_HERE}/steps/test_optimizers.py"
_GAUSSIAN = f"{_HERE}/models/shared/test_gaussian.py"
_REGULARIZERS = f"{_HERE}/models/unsupervised/test_image_regularizers.py"


class Exclusion(NamedTuple):
    """Tests of one class that share a reason.

    Attributes:
      file: in the library's package.
      owner: the test class, or "" where the file itself is the owner.
      names: of the tests, as pytest collects them.
      reason: why they are left out.
      counterparts: our tests of the same behaviour, as "file::function", without
        parameters. Empty where there is no such behaviour.
    """

    file: str
    owner: str
    names: tuple[str, ...]
    reason: str
    counterparts: tuple[str, ...] = ()

    @property
    def test_ids(self) -> list[str]:
        owner = [self.owner] if self.owner else []
        return ["::".join([self.file, *owner, name]) for name in self.names]


def _numbered(name: str, number: int) -> tuple[str, ...]:
    return tuple(f"{name}{i}" for i in range(number))


def _of_vae(
    name: str, number: int, *counterparts: str, reason="runs a TensorFlow 1 session"
) -> Exclusion:
    return Exclusion(
        "methods/unsupervised/vae_test.py",
        "VaeTest",
        _numbered(name, number),
        reason,
        counterparts,
    )


def _no_test(file: str, owner: str) -> Exclusion:
    return Exclusion(
        file,
        owner,
        ("test_session",),
        "no test: `tf.test.TestCase`'s own way to open a session, which skips itself",
    )


EXCLUSIONS = (
    Exclusion(
        "methods/shared/architectures_test.py",
        "ArchitecturesTest",
        (
            "test_encoder_fc_encoder",
            "test_encoder_conv_encoder",
            "test_decoder_fc_decoder",
            "test_decoder_deconv_decoder",
            "test_discriminator_fc_discriminator",
        ),
        "feeds TensorFlow 1 placeholders",
        (
            f"{_NETWORKS}::test_networks_take_the_library_s_batches",
            f"{_NETWORKS}::test_convolutional_encoder_has_the_library_s_layers",
            f"{_NETWORKS}::test_dense_networks_have_the_library_s_layers",
        ),
    ),
    Exclusion(
        "methods/shared/optimizers_test.py",
        "OptimizerTest",
        _numbered("test_vae_optimizer", 4),
        "runs a TensorFlow 1 session with its global step",
        (
            f"{_OPTIMIZERS}::test_learning_rate_after_ten_steps",
            f"{_OPTIMIZERS}::test_learning_rates_decay_as_in_tensorflow_1",
        ),
    ),
    _of_vae(
        "test_compute_gaussian_kl",
        3,
        f"{_GAUSSIAN}::test_kl_to_the_prior_in_the_library_s_cases",
        f"{_GAUSSIAN}::test_divergences_are_the_integrals",
    ),
    _of_vae(
        "test_anneal",
        4,
        f"{_REGULARIZERS}::test_capacity_grows_linearly_to_its_maximum",
    ),
    _of_vae(
        "test_compute_covariance_z_mean",
        5,
        f"{_REGULARIZERS}::test_covariance_of_points",
    ),
    _of_vae(
        "test_regularize_diag_off_diag_dip",
        4,
        f"{_REGULARIZERS}::"
        "test_moment_matching_is_the_covariance_s_distance_from_the_identity",
    ),
    _of_vae(
        "test_gaussian_log_density",
        2,
        f"{_REGULARIZERS}::test_weighted_total_correlation",
        reason="runs a TensorFlow 1 session (the density is a part of the total "
        "correlation here)",
    ),
    _of_vae(
        "test_total_correlation",
        2,
        f"{_REGULARIZERS}::"
        "test_total_correlation_of_one_latent_and_of_a_useless_encoder",
        f"{_REGULARIZERS}::test_weighted_total_correlation",
    ),
    Exclusion(
        "utils/convolute_hub_test.py",
        "ConvoluteHubTest",
        ("test_convolute",),
        "makes a TF-Hub module of version 1",
        (
            f"{_HERE}/steps/test_postprocess.py::test_a_product_of_matrices_is_saved",
            f"{_HERE}/steps/test_postprocess.py::test_a_transform_may_have_variables",
        ),
    ),
    Exclusion(
        "utils/results_test.py",
        "",
        ("test_fn",),
        "no test: a function that the file's tests bind by gin",
    ),
    _no_test("data/ground_truth/util_test.py", "UtilTest"),
    _no_test("data/ground_truth/util_test.py", "StateSpaceAtomIndexTest"),
    _no_test(
        "evaluation/abstract_reasoning/relational_layers_test.py",
        "RelationalLayersTest",
    ),
    _no_test("methods/shared/architectures_test.py", "ArchitecturesTest"),
    _no_test("methods/shared/optimizers_test.py", "OptimizerTest"),
    _no_test("methods/unsupervised/vae_test.py", "VaeTest"),
    _no_test("utils/convolute_hub_test.py", "ConvoluteHubTest"),
    _no_test("utils/results_test.py", "ResultsTest"),
)
