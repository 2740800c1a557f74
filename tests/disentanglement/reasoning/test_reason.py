"""Networks on matrices: against the library's layers, and trained."""

import importlib
import json
import re

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.reasoning import reason as reason_module
from mvhg_tf.disentanglement.reasoning import solvers
from mvhg_tf.disentanglement.reasoning.matrix_data import MatrixData, get_pgm_dataset
from mvhg_tf.disentanglement.reasoning.reason import Solver, reason_with_gin
from mvhg_tf.disentanglement.steps.postprocess import postprocess_with_gin
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import RunInterrupted, UserError, sentence_and_code
from mvhg_tf.runs.run_directory import AlreadyFinished

from disentanglement_lib.data.ground_truth import dsprites, shapes3d  # isort: skip

BINDINGS = [
    "dataset.name = 'arm3d'",
    "pgm.pgm_type = 'easy_mixed'",
    "abstract_reasoning.model = @TwoStageModel()",
    "abstract_reasoning.num_iterations = 3",
    "abstract_reasoning.training_steps_per_iteration = 4",
    "abstract_reasoning.eval_steps_per_iteration = 2",
    "abstract_reasoning.random_seed = 0",
    "abstract_reasoning.batch_size = 8",
    "TwoStageModel.embedding_model_class = 'onehot'",
    "TwoStageModel.reasoning_model_class = @OptimizedWildRelNet",
    "OptimizedWildRelNet.edge_mlp = [8, 8]",
    "OptimizedWildRelNet.graph_mlp = [8]",
    "OptimizedWildRelNet.dropout_in_last_graph_layer = 0.5",
]


@pytest.fixture(scope="module")
def representation(trained_model, tmp_path_factory):
    """The folder of the model's means."""
    folder = tmp_path_factory.mktemp("representation") / "mean"
    bindings = [
        "dataset.name = 'auto'",
        "postprocess.postprocess_fn = @mean_representation",
        "postprocess.random_seed = 0",
    ]
    postprocess_with_gin(trained_model, str(folder), gin_bindings=bindings)
    return folder


def scores_in(folder):
    path = folder / "results" / "json" / "abstract_reasoning_results.json"
    return json.loads(path.read_text())


def of_network(scores):
    """Without the time and the versions."""
    return {k: v for k, v in scores.items() if k.startswith(("step", "best."))}


class TestData:
    @pytest.fixture
    def dataset(self):
        gin.parse_config("dataset.name = 'arm3d'\npgm.pgm_type = 'hard_2'")

    def test_what_is_shown_is_of_the_same_panels(self, dataset):
        """One-hot vectors, values and images of a batch tell the same factors."""
        onehot = get_pgm_dataset(inputs="onehot")
        values = get_pgm_dataset(inputs="values")
        images = get_pgm_dataset(inputs="images")
        batches = [data.batch(3, 5, 7) for data in (onehot, values, images)]
        for batch in batches[1:]:
            np.testing.assert_array_equal(batch.positions, batches[0].positions)
        sizes = onehot.factor_sizes
        parts = np.split(batches[0].answers, np.cumsum(sizes)[:-1], axis=-1)
        factors = np.stack([np.argmax(part, axis=-1) for part in parts], axis=-1)
        np.testing.assert_allclose(
            batches[1].answers, factors / (sizes - 1) - 0.5, atol=1e-6
        )
        assert batches[2].context.shape == (3, 8, 64, 64, 3)
        arm3d = images._dataset
        # Of its joints' 40 angles, each fourth is used.
        factors = factors.reshape([-1, 7]) * [1, 1, 1, 1, 1, 4, 4]
        expected = arm3d.sample_observations_from_factors(factors, None)
        np.testing.assert_allclose(
            batches[2].answers.reshape([-1, 64, 64, 3]), expected, atol=1e-6
        )

    def test_a_batch_depends_on_its_seed_and_step(self, dataset):
        data = get_pgm_dataset(inputs="values")
        same = data.batch(4, 1, 2)
        np.testing.assert_array_equal(same.answers, data.batch(4, 1, 2).answers)
        for seed, step in ((2, 2), (1, 3)):
            assert (same.answers != data.batch(4, seed, step).answers).any()

    def test_many_values_become_few_evenly_spread(self):
        class Wide:
            factors_num_values = [40, 3, 12]
            observation_shape = [3]

            def sample_observations_from_factors(self, factors, random_state):
                return factors

        data = MatrixData(Wide(), False, [1], "images")
        assert data.factor_sizes.tolist() == [10, 3, 10]
        shown = data.batch(300, 0, 0).context.reshape([-1, 3])
        assert sorted(set(shown[:, 0])) == list(range(0, 40, 4))
        assert sorted(set(shown[:, 1])) == [0, 1, 2]
        assert sorted(set(shown[:, 2])) == [int(1.2 * i) for i in range(10)]

    def test_the_library_s_data_sets_keep_the_paper_s_numbers_of_values(self):
        sprites = object.__new__(dsprites.AbstractDSprites)
        sprites.full_factor_sizes = [1, 3, 6, 40, 32, 32]
        sprites.latent_factor_indices = [1, 2, 4, 5]
        shapes = object.__new__(shapes3d.Shapes3D)
        shapes.factor_sizes = [10, 10, 10, 8, 4, 15]
        for dataset, sizes in (
            (sprites, [5, 6, 3, 3, 4, 4]),
            (shapes, [10, 10, 10, 4, 4, 4]),
        ):
            data = MatrixData(dataset, False, [1], "values")
            assert data.factor_sizes.tolist() == sizes

    @pytest.mark.parametrize("pgm_type", ["easy", "medium_1", "hard_4", "easy__1", ""])
    def test_another_type_is_refused(self, pgm_type):
        with pytest.raises(UserError, match='pgm.pgm_type is .* but must be "easy_"'):
            get_pgm_dataset(pgm_type)


class TestNetworks:
    def test_wild_relation_network_is_the_library_s(self):
        """Its layers, on our weights, make the same logits."""
        layers = importlib.import_module(
            "disentanglement_lib.evaluation.abstract_reasoning.relational_layers"
        )
        network = solvers.wild_relation_network([5, 4], [3], None)
        rng = np.random.default_rng(0)
        context = tf.constant(rng.normal(size=(2, 8, 6)), tf.float32)
        answers = tf.constant(rng.normal(size=(2, 6, 6)), tf.float32)
        logits = network([context, answers])
        shapes = [tuple(w.shape) for w in network.trainable_variables]
        # 6 values and 9 places, twice.
        assert shapes == [(30, 5), (5,), (5, 4), (4,), (4, 3), (3,), (3, 1), (1,)]
        weights = [w.numpy() for w in network.trainable_variables]
        dense = list(zip(weights[::2], weights[1::2], strict=True))
        x = layers.StackAnswers().call([context, answers])
        x = layers.AddPositionalEncoding().call(x)
        x = layers.PairwiseEdgeEmbeddings().call(x).numpy()
        for kernel, bias in dense[:2]:
            x = np.maximum(x @ kernel + bias, 0)
        x = x.sum(axis=(-3, -2))
        x = np.maximum(x @ dense[2][0] + dense[2][1], 0)
        x = (x @ dense[3][0] + dense[3][1])[..., 0]
        np.testing.assert_allclose(logits, x, rtol=1e-4, atol=1e-4)

    def test_dropout_keeps_the_given_share_of_units_for_all_answers(self):
        network = solvers.wild_relation_network([4], [1000], 0.25)
        [dropout] = [
            layer
            for layer in network._graph_mlp.layers
            if isinstance(layer, keras.layers.Dropout)
        ]
        dropped = dropout(tf.ones([2, 6, 1000]), training=True).numpy()
        assert (dropped == dropped[:1, :1]).all()
        # A binomial of 1000: 5 standard deviations (6e-7).
        assert abs((dropped[0, 0] > 0).mean() - 0.25) < 0.07
        np.testing.assert_allclose(dropped[dropped > 0], 4.0)

    def test_convolutions_have_the_library_s_shapes(self):
        embedding = solvers.convolutional_embedding(10)
        shapes = [[2, n, 64, 64, 3] for n in (8, 6)]
        context, answers = embedding([tf.zeros(shape) for shape in shapes])
        assert context.shape == (2, 8, 4 * 4 * 64) and answers.shape == (2, 6, 1024)
        kernels = [tuple(w.shape) for w in embedding.trainable_variables[::2]]
        assert kernels == [
            (4, 4, 3, 32),
            (4, 4, 32, 32),
            (4, 4, 32, 64),
            (4, 4, 64, 64),
        ]

    @pytest.mark.parametrize(
        ("arguments", "wanted"),
        [
            (([], [2], None), "edge_mlp is"),
            (([2], [], None), "graph_mlp is"),
            (([2, -1], [2], None), "edge_mlp is"),
            (([2], [2], 1.5), "dropout_in_last_graph_layer is 1.5"),
        ],
    )
    def test_sizes_that_make_no_network_are_refused(self, arguments, wanted):
        with pytest.raises(UserError, match=wanted):
            solvers.wild_relation_network(*arguments)

    @pytest.mark.parametrize(
        ("binding", "wanted"),
        [
            ("activation.activation = 'foo'", "activation.activation is 'foo'"),
            ("kernel_initializer.kernel_initializer = 'foo'", "initializer is 'foo'"),
            ("OptimizedWildRelNet.edge_mlp = 256", "is 256, but must be a list"),
            (
                "TwoStageModel.reasoning_model_class = @OptimizedWildRelNet()",
                "without brackets",
            ),
            (
                "TwoStageModel.embedding_model_class = @BaselineCNNEmbedder()\n"
                "BaselineCNNEmbedder.num_latent = 10",
                "without brackets",
            ),
            (
                "TwoStageModel.optimizer_fn = @AdamOptimizer()",
                "TwoStageModel.optimizer_fn is @AdamOptimizer()",
            ),
            (
                "TwoStageModel.embedding_model_class = @OptimizedWildRelNet",
                "check embedding_model_class and reasoning_model_class",
            ),
        ],
    )
    def test_other_parts_are_refused(self, binding, wanted, tmp_path):
        bindings = [*BINDINGS, *binding.split("\n")]
        with pytest.raises(UserError, match=re.escape(wanted)):
            reason_with_gin(None, str(tmp_path / "run"), gin_bindings=bindings)
        assert not (tmp_path / "run").exists()

    def test_another_embedding_is_refused(self):
        with pytest.raises(UserError, match="'factors', but must be \"values\""):
            solvers.TwoStageModel("factors", solvers.wild_relation_network)

    def test_a_representation_that_is_not_there_is_told(self, tmp_path):
        with pytest.raises(UserError, match="There is no representation in"):
            solvers.representation_embedding(str(tmp_path))


class TestReason:
    def test_scores_have_the_library_s_names(self, tmp_path):
        reason_with_gin(None, str(tmp_path / "run"), gin_bindings=BINDINGS)
        scores = scores_in(tmp_path / "run")
        kinds = ("accuracy", "loss", "global_step")
        rows = ("step0", "step4", "step8", "best")
        assert set(of_network(scores)) == {
            f"{row}.{split}.{kind}"
            for row in rows
            for split in ("val", "test")
            for kind in kinds
        }
        assert [scores[f"{row}.test.global_step"] for row in rows[:3]] == [4, 8, 12]
        best = max(rows[:3], key=lambda row: scores[f"{row}.val.accuracy"])
        for kind in kinds:
            assert scores[f"best.test.{kind}"] == scores[f"{best}.test.{kind}"]
        gin_file = tmp_path / "run" / "results" / "gin" / "abstract_reasoning.gin"
        assert "pgm.pgm_type = 'easy_mixed'" in gin_file.read_text()

    @pytest.mark.slow
    def test_a_stopped_run_goes_on_to_the_same_scores(self, tmp_path, monkeypatch):
        whole, torn = tmp_path / "whole", tmp_path / "torn"
        reason_with_gin(None, str(whole), gin_bindings=BINDINGS)
        train, seeds = reason_module._train, []

        def stop_in_the_second(solver, seed, *others):
            seeds.append(seed)
            train(solver, seed, *others)
            if len(seeds) == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(reason_module, "_train", stop_in_the_second)
        with pytest.raises(RunInterrupted):
            reason_with_gin(None, str(torn), gin_bindings=BINDINGS)
        reason_with_gin(None, str(torn), gin_bindings=BINDINGS)
        # The second iteration alone was run twice.
        assert len(seeds) == 4 and seeds[1] == seeds[2]
        expected, found = of_network(scores_in(whole)), of_network(scores_in(torn))
        assert expected == pytest.approx(found, rel=1e-4)

    def test_a_representation_is_read_and_left_as_it_is(
        self, representation, tmp_path, monkeypatch
    ):
        bindings = [
            *BINDINGS,
            "dataset.name = 'auto'",
            "TwoStageModel.embedding_model_class = @HubEmbedding",
        ]
        run = tmp_path / "run"
        reason_with_gin(str(representation), str(run), gin_bindings=bindings)
        # However the folder is spelled, it is the same run.
        monkeypatch.chdir(representation)
        with pytest.raises(AlreadyFinished):
            reason_with_gin(".", str(run), gin_bindings=bindings)
        assert 0 <= scores_in(run)["best.test.accuracy"] <= 1
        text = (run / "results" / "gin" / "abstract_reasoning.gin").read_text()
        assert "dataset.name = 'arm3d'" in text
        assert (run / "results" / "json" / "postprocess_results.json").is_file()
        bindings += [
            "dataset.name = 'arm3d'",
            f"HubEmbedding.hub_path = '{representation / 'tfhub'}'",
        ]
        with gin_config.configured(bindings=bindings):
            model = solvers.TwoStageModel()
            solver = Solver(model, get_pgm_dataset(inputs=model.inputs), 2)
        kernels = [tuple(w.shape) for w in solver._network.trainable_variables]
        # 4 latents and 9 places, twice: nothing of the encoder.
        assert kernels[0] == (26, 8) and len(kernels) == 8

    @pytest.mark.parametrize("embedding", ["'onehot'", "@HubEmbedding"])
    def test_a_folder_without_a_representation_is_told_at_once(
        self, trained_model, tmp_path, embedding
    ):
        bindings = [*BINDINGS, f"TwoStageModel.embedding_model_class = {embedding}"]
        with pytest.raises(UserError, match="not hold a finished dlib_postprocess"):
            reason_with_gin(trained_model, str(tmp_path / "run"), False, [], bindings)
        assert not (tmp_path / "run").exists()

    def test_a_representation_of_other_images_is_told(self, representation):
        model = solvers.TwoStageModel(
            lambda: solvers.representation_embedding(str(representation / "tfhub")),
            lambda: solvers.wild_relation_network([2], [2], None),
        )
        gin.parse_config("dataset.name = 'dummy_data'\npgm.pgm_type = 'easy_1'")
        data = get_pgm_dataset(inputs=model.inputs)
        with pytest.raises((UserError, ValueError)) as raised:
            Solver(model, data, 2)
        sentence, code = sentence_and_code(raised.value)
        assert "images of shape [64, 64, 3], but these have [64, 64, 1]" in sentence
        assert code == 2

    def test_without_a_folder_the_data_set_must_be_bound(self, tmp_path):
        with pytest.raises(UserError, match='dataset.name is "auto", but there is no'):
            bindings = [*BINDINGS, "dataset.name = 'auto'"]
            reason_with_gin(None, str(tmp_path / "run"), gin_bindings=bindings)

    def test_a_loss_that_is_not_finite_ends_the_run(self, tmp_path):
        bindings = [*BINDINGS, "AdamOptimizer.learning_rate = 1e38"]
        with pytest.raises(UserError, match="The loss became (nan|inf) by step"):
            reason_with_gin(None, str(tmp_path / "run"), gin_bindings=bindings)
        assert not (tmp_path / "run" / "results").exists()

    @pytest.mark.slow
    def test_a_network_learns(self, tmp_path):
        """Well above chance, 1/6, of 512 matrices (standard error 0.02)."""
        bindings = [
            *BINDINGS,
            "pgm.pgm_type = 'easy_3'",
            "abstract_reasoning.num_iterations = 1",
            "abstract_reasoning.training_steps_per_iteration = 400",
            "abstract_reasoning.eval_steps_per_iteration = 16",
            "abstract_reasoning.batch_size = 32",
            "AdamOptimizer.learning_rate = 1e-3",
            "OptimizedWildRelNet.edge_mlp = [64, 64]",
            "OptimizedWildRelNet.graph_mlp = [64]",
            "OptimizedWildRelNet.dropout_in_last_graph_layer = None",
        ]
        reason_with_gin(None, str(tmp_path / "run"), gin_bindings=bindings)
        assert scores_in(tmp_path / "run")["best.test.accuracy"] > 0.25
