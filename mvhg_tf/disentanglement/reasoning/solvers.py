"""The networks that gin files name: `abstract_reasoning.model = @TwoStageModel()`.

Names, parameters and layers are disentanglement_lib's: a wild relation network
(Barrett et al. 2018, https://arxiv.org/abs/1807.04225) on embeddings of the panels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

import gin
import keras
import tensorflow as tf

from mvhg_tf.disentanglement.steps import optimizers, saved_model
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import PositiveInts, Probability


@gin.configurable("activation")
def get_activation(activation: str | Callable = "relu") -> Callable:
    """The networks' activation: a name that Keras knows or a function.

    "lrelu" is a leaky ReLU of slope 0.2.

    Raises:
      UserError: if there is none of that name.
    """
    if activation == "lrelu":
        return lambda x: keras.activations.leaky_relu(x, negative_slope=0.2)
    return _known("activation", activation, keras.activations.get)


@gin.configurable("kernel_initializer")
def get_kernel_initializer(
    kernel_initializer: str | Callable = "lecun_normal",
) -> Callable:
    """The initial weights of all layers: a name that Keras knows or an initializer.

    Raises:
      UserError: if there is none of that name.
    """
    return _known("kernel_initializer", kernel_initializer, keras.initializers.get)


def _known(what: str, name: str | Callable, get: Callable) -> Callable:
    try:
        return get(name)
    except ValueError as error:
        raise UserError(
            f"{what}.{what} is {name!r}, but must be a name that Keras knows: bind it "
            "to one, or leave it out."
        ) from error


@gin_config.configurable("TwoStageModel")
class TwoStageModel:
    """Embeds each panel separately, and reasons on the embeddings.

    Args:
      embedding_model_class: "values" or "onehot" for the true factors; or what makes
        a layer from images `[[N, 8, H, W, C], [N, 6, H, W, C]]` to their embeddings,
        such as `@BaselineCNNEmbedder` or `@HubEmbedding`.
      reasoning_model_class: makes a layer from embeddings `[[N, 8, D], [N, 6, D]]`
        to the answers' logits `[N, 6]`, such as `@OptimizedWildRelNet`.
      optimizer_fn: such as `@AdamOptimizer`, which is the default.

    Raises:
      UserError: if one of them is neither such a name nor makes a layer.
    """

    def __init__(
        self,
        embedding_model_class: Literal["values", "onehot"]
        | Callable[[], Callable] = gin.REQUIRED,
        reasoning_model_class: Callable[[], Callable] = gin.REQUIRED,
        optimizer_fn: optimizers.OptimizerFn | None = None,
    ):
        _check_no_layer("embedding_model_class", embedding_model_class)
        _check_no_layer("reasoning_model_class", reasoning_model_class)
        self.inputs: str = "images"
        self._embedding_class: Callable[[], Callable] | None = None
        if isinstance(embedding_model_class, str):
            self.inputs = embedding_model_class
        else:
            self._embedding_class = embedding_model_class
        self._reasoning_class = reasoning_model_class
        self._optimizer_fn = optimizer_fn or optimizers.adam_optimizer

    def make_network(self) -> keras.layers.Layer:
        """A new network from what the panels show to the answers' logits."""
        embed = self._embedding_class() if self._embedding_class else None
        return _TwoStages(embed, self._reasoning_class())

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        return self._optimizer_fn()


def _check_no_layer(parameter: str, value: object) -> None:
    """Refuses a layer where what makes one is wanted."""
    if isinstance(value, keras.layers.Layer):
        raise UserError(
            f"TwoStageModel.{parameter} is a layer, but must be a function that makes "
            "one: bind it to its @name without brackets."
        )


class _Composite(keras.layers.Layer):
    """A layer of others, which are built when they are called."""

    def build(self, input_shape: Any) -> None:
        self.built = True


class _TwoStages(_Composite):
    def __init__(self, embed: Callable | None, reason: Callable):
        super().__init__()
        self._embed = embed
        self._reason = reason

    def call(
        self, inputs: Sequence[tf.Tensor], training: bool | None = None
    ) -> tf.Tensor:
        if self._embed is not None:
            inputs = self._embed(inputs)
        return self._reason(inputs, training=training)


@gin.configurable("BaselineCNNEmbedder")
def convolutional_embedding(num_latent: int = gin.REQUIRED) -> PanelEmbedding:
    """Convolutions that are learned with the task.

    Args:
      num_latent: has no effect, as in the library, which requires it anyway.
    """
    del num_latent
    convolutions = [
        keras.layers.Conv2D(
            filters,
            4,
            2,
            padding="same",
            activation=get_activation(),
            kernel_initializer=get_kernel_initializer(),
        )
        for filters in (32, 32, 64, 64)
    ]
    layers = [*convolutions, keras.layers.Flatten()]
    return PanelEmbedding(keras.Sequential(layers, name="embedding_cnn"))


@gin.configurable("HubEmbedding")
def representation_embedding(hub_path: str = gin.REQUIRED) -> PanelEmbedding:
    """A trained representation, which is not trained any further.

    Args:
      hub_path: the folder `tfhub` of a finished `dlib_postprocess` run; `reason` binds
        it to that of its input folder.

    Raises:
      UserError: if there is no representation in the folder.
    """
    # It is a function, so Keras neither trains nor saves it.
    return PanelEmbedding(saved_model.load_representation(os.path.expanduser(hub_path)))


class PanelEmbedding(_Composite):
    """Embeds each panel by itself.

    Args:
      embed: a layer or function, from images `[N, H, W, C]` to embeddings `[N, D]`.
    """

    def __init__(self, embed: Callable[[tf.Tensor], tf.Tensor]):
        super().__init__()
        self._embed = embed

    def call(self, inputs: Sequence[tf.Tensor]) -> tuple[tf.Tensor, ...]:
        """Images `[N, 8, H, W, C]`, `[N, 6, H, W, C]` to `[N, 8, D]`, `[N, 6, D]`."""
        panels = tf.concat(inputs, axis=1)
        num = panels.shape[1]
        embeddings = self._embed(tf.reshape(panels, [-1, *panels.shape[2:]]))
        embeddings = tf.reshape(embeddings, [-1, num, embeddings.shape[-1]])
        return tuple(tf.split(embeddings, [kind.shape[1] for kind in inputs], axis=1))


@gin_config.configurable("OptimizedWildRelNet")
def wild_relation_network(
    edge_mlp: PositiveInts = gin.REQUIRED,
    graph_mlp: PositiveInts = gin.REQUIRED,
    dropout_in_last_graph_layer: Probability | None = gin.REQUIRED,
) -> WildRelationNetwork:
    """A wild relation network.

    Args:
      edge_mlp: the units of the edge MLP's layers.
      graph_mlp: the units of the graph MLP's layers, before the last one of 1.
      dropout_in_last_graph_layer: the share of the last of `graph_mlp` that is KEPT,
        as the library has it; None or 0 for no dropout. The same units are dropped
        for all answers of a batch.

    Raises:
      UserError: if a list is empty, or the share is not in [0, 1].
    """
    kept = dropout_in_last_graph_layer or 1.0
    edge = [PairLayer(edge_mlp[0]), *_dense_layers(edge_mlp[1:])]
    graph = _dense_layers(graph_mlp)
    if kept < 1:
        noise_shape = (1, 1, graph_mlp[-1])
        graph.append(keras.layers.Dropout(1 - kept, noise_shape=noise_shape))
    graph.append(keras.layers.Dense(1, kernel_initializer=get_kernel_initializer()))
    return WildRelationNetwork(
        keras.Sequential(edge, name="edge_mlp"),
        keras.Sequential(graph, name="graph_mlp"),
    )


class WildRelationNetwork(_Composite):
    """Scores each answer together with the context, by pairs of panels.

    Each answer is the ninth panel of a set, whose panels are marked with their places
    (one-hot). What the edge MLP makes of all 81 ordered pairs is summed up, and the
    graph MLP takes the sum.

    Args:
      edge_mlp: from nodes `[N, 6, 9, D]` to edges `[N, 6, 9, 9, U]`.
      graph_mlp: from `[N, 6, U]` to `[N, 6, 1]`.
    """

    def __init__(self, edge_mlp: keras.layers.Layer, graph_mlp: keras.layers.Layer):
        super().__init__()
        self._edge_mlp = edge_mlp
        self._graph_mlp = graph_mlp

    def call(
        self, inputs: Sequence[tf.Tensor], training: bool | None = None
    ) -> tf.Tensor:
        """Embeddings `[N, 8, D]` and `[N, 6, D]` to the answers' logits `[N, 6]`."""
        edges = self._edge_mlp(_with_places(_with_each_answer(*inputs)))
        graphs = tf.reduce_sum(edges, axis=[-3, -2])
        return tf.squeeze(self._graph_mlp(graphs, training=training), -1)


class PairLayer(keras.layers.Layer):
    """A dense layer on all ordered pairs of nodes: `[..., M, D]` -> `[..., M, M, U]`.

    A pair is two embeddings, one after the other, so the layer is the sum of what it
    makes of each: M products with a matrix in place of M^2.

    Args:
      units: U.
    """

    def __init__(self, units: int):
        super().__init__()
        self._units = units
        self._activation = keras.activations.get(get_activation())

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(
            shape=(2 * input_shape[-1], self._units),
            initializer=get_kernel_initializer(),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self._units,), initializer="zeros", name="bias"
        )

    def call(self, nodes: tf.Tensor) -> tf.Tensor:
        kernel_1, kernel_2 = tf.split(tf.convert_to_tensor(self.kernel), 2)
        first = tf.expand_dims(tf.tensordot(nodes, kernel_1, 1) + self.bias, -2)
        second = tf.expand_dims(tf.tensordot(nodes, kernel_2, 1), -3)
        return self._activation(first + second)


def _with_each_answer(context: tf.Tensor, answers: tf.Tensor) -> tf.Tensor:
    """`[N, 8, D]` and `[N, 6, D]` to `[N, 6, 9, D]`."""
    context = tf.repeat(context[:, tf.newaxis], answers.shape[1], axis=1)
    return tf.concat([context, answers[:, :, tf.newaxis]], axis=2)


def _with_places(panels: tf.Tensor) -> tf.Tensor:
    """`[N, 6, 9, D]` to `[N, 6, 9, D + 9]`."""
    places = tf.eye(panels.shape[2], dtype=panels.dtype)
    shape = tf.concat([tf.shape(panels)[:2], tf.shape(places)], axis=0)
    return tf.concat([panels, tf.broadcast_to(places, shape)], axis=-1)


def _dense_layers(all_units: Sequence[int]) -> list[keras.layers.Layer]:
    return [
        keras.layers.Dense(
            units,
            activation=get_activation(),
            kernel_initializer=get_kernel_initializer(),
        )
        for units in all_units
    ]
