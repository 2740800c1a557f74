"""A classifier that learns from bags of samples whose class counts are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from tqdm import tqdm

from mvhg_tf.clustering import scaling
from mvhg_tf.clustering.bags.count_likelihood import count_log_prob, proportion_log_prob
from mvhg_tf.clustering.checks import check_choice, check_whole
from mvhg_tf.runs.errors import UserError

_FLOATS = (np.float64, np.float32)
_LOSSES = {"counts": count_log_prob, "proportions": proportion_log_prob}


class LabelProportionsClassifier(ClassifierMixin, BaseEstimator):
    """Learns to classify samples from the class counts of bags of samples.

    No sample has a label. What is known is how many samples of each class a bag holds,
    such as the voters of a district or the cells of a slide. The loss is minus the
    exact log-probability of these counts (`count_log_prob`), a sum over classes. The
    usual loss compares the counts with the mean of the predictions alone.

    The bags must differ in their proportions: if all have the same, classes of equal
    share can't be distinguished.

    ```python
    classifier = LabelProportionsClassifier(random_state=0)
    classifier.fit(x, bags, counts)  # [N, D], [N], [M, K]
    classes = classifier.predict(x)  # [N]
    ```

    Args:
      loss: "counts", or "proportions" for the usual one.
      network: a Keras model, `[n, D]` -> logits `[n, K]`, of which a copy with new
        weights is trained; None for a multilayer perceptron with `units`.
      units: of its hidden layers, with ReLU.
      epochs: passes over the bags.
      samples_per_step: the total number of samples in the bags of a step; a step has at
        least one bag.
      learning_rate: of Adam at the start; it decays to 0 along a cosine.
      random_state: as in scikit-learn.
      verbose: 1 shows a progress bar.

    Attributes:
      classes_: int64 `[K]`, 0 to K - 1.
      model_: the trained Keras model; it takes scaled samples.
      losses_: the mean loss of each epoch, in nats a sample.
      n_features_in_: D.
    """

    def __init__(
        self,
        *,
        loss: str = "counts",
        network: keras.Model | None = None,
        units: Sequence[int] = (256, 128),
        epochs: int = 40,
        samples_per_step: int = 256,
        learning_rate: float = 1e-3,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.loss = loss
        self.network = network
        self.units = units
        self.epochs = epochs
        self.samples_per_step = samples_per_step
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: ArrayLike, bags: ArrayLike, counts: ArrayLike
    ) -> LabelProportionsClassifier:
        """Trains on bags.

        Args:
          X: samples, `[N, D]`, finite. Intensities are mapped to [0, 1]; other columns
            are standardised.
          bags: the bag of each sample, whole numbers from 0 to M - 1, `[N]`.
          counts: samples of each class in each bag, whole numbers, `[M, K]`, K at least
            2; a row's sum is the size of its bag.

        Raises:
          ValueError: if an argument or a parameter is not allowed.
        """
        check_choice("loss", self.loss, _LOSSES)
        epochs = check_whole("epochs", self.epochs, 1)
        samples_per_step = check_whole("samples_per_step", self.samples_per_step, 1)
        units = [check_whole("A number in units", size, 1) for size in self.units]
        x: np.ndarray = validate_data(self, X, dtype=_FLOATS)
        members, counts = _check_bags(np.asarray(bags), np.asarray(counts), len(x))
        self.classes_ = np.arange(counts.shape[1])
        self._scaling = scaling.fit(x, is_image=False)
        rng = check_random_state(self.random_state)
        self.model_ = self._make_model(x.shape[1], units, rng)
        together = max(1, min(len(members), samples_per_step * len(members) // len(x)))
        step = self._make_step(
            self._scaling.apply(x), members, counts, epochs * (len(members) // together)
        )
        self.losses_ = []
        for _ in tqdm(range(epochs), "training", disable=not self.verbose):
            order = rng.permutation(len(members))
            order = order[: len(order) // together * together].reshape(-1, together)
            losses = [step(tf.constant(chosen)) for chosen in order]
            self.losses_.append(float(np.mean(losses)))
        if not np.isfinite(self.losses_[-1]):
            raise UserError(
                f"The loss became {self.losses_[-1]} with a learning_rate of "
                f"{self.learning_rate}: lower it."
            )
        return self

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of the classes, `[N, D]` -> float32 `[N, K]`."""
        check_is_fitted(self)
        x: np.ndarray = validate_data(self, X, dtype=_FLOATS, reset=False)
        logits = self.model_.predict(self._scaling.apply(x), verbose=0)
        return tf.nn.softmax(logits).numpy()

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest class of each sample, `[N, D]` -> int64 `[N]`."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _make_model(
        self, num_features: int, units: Sequence[int], rng: np.random.RandomState
    ) -> keras.Model:
        num_classes = len(self.classes_)
        keras.utils.set_random_seed(int(rng.randint(2**31 - 1)))
        if self.network is not None:
            model = keras.models.clone_model(self.network)
            model.build((None, num_features))
        else:
            hidden = [keras.layers.Dense(size, "relu") for size in units]
            model = keras.Sequential(
                [
                    keras.Input((num_features,)),
                    *hidden,
                    keras.layers.Dense(num_classes),
                ]
            )
        if model.output_shape != (None, num_classes):
            raise UserError(
                f"network returns the shape {list(model.output_shape)}, but counts has "
                f"{num_classes} classes: it must return logits [n, {num_classes}]."
            )
        return model

    def _make_step(
        self, x: np.ndarray, members: np.ndarray, counts: np.ndarray, num_steps: int
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """A compiled step, from the bags' numbers, `[b]`, to the loss before it."""
        log_prob = _LOSSES[self.loss]
        model = self.model_
        schedule = keras.optimizers.schedules.CosineDecay(self.learning_rate, num_steps)
        optimizer = keras.optimizers.Adam(schedule)
        optimizer.build(model.trainable_variables)
        x, members = tf.constant(x), tf.constant(members)
        counts = tf.constant(counts, tf.float32)
        num_classes, places = counts.shape[1], members.shape[1]

        @tf.function(autograph=False)
        def step(chosen: tf.Tensor) -> tf.Tensor:
            indices, known = tf.gather(members, chosen), tf.gather(counts, chosen)
            present = indices >= 0
            samples = tf.gather(x, tf.reshape(tf.maximum(indices, 0), [-1]))
            with tf.GradientTape() as tape:
                logits = model(samples, training=True)
                logits = tf.reshape(logits, [-1, places, num_classes])
                log_probs = log_prob(logits, known, present)
                loss = -tf.reduce_sum(log_probs) / tf.reduce_sum(known)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
            return loss

        return step


def _check_bags(
    bags: np.ndarray, counts: np.ndarray, num_samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """The samples of each bag, filled up with -1, and the counts.

    Raises:
      UserError: if the bags and counts are not what `fit` allows.
    """
    if bags.shape != (num_samples,) or not np.issubdtype(bags.dtype, np.integer):
        raise UserError(
            f"bags has the shape {list(bags.shape)} and the type {bags.dtype}, but "
            f"must be [{num_samples}] of whole numbers: give the bag of each sample."
        )
    if counts.ndim != 2 or counts.shape[1] < 2 or not len(counts):
        raise UserError(
            f"counts has the shape {list(counts.shape)}, but must be [M, K] with at "
            "least 2 classes: give a row for each bag."
        )
    if bags.min() < 0 or bags.max() >= len(counts):
        raise UserError(
            f"bags holds numbers from {bags.min()} to {bags.max()}, but counts has "
            f"{len(counts)} rows: number the bags from 0 to {len(counts) - 1}."
        )
    numeric = np.issubdtype(counts.dtype, np.number)
    if not numeric or np.any(counts != np.floor(counts)) or np.any(counts < 0):
        raise UserError(
            "counts must hold whole numbers of at least 0: multiply proportions by the "
            "size of the bag."
        )
    sizes = np.bincount(bags, minlength=len(counts))
    [different] = np.nonzero(sizes != counts.sum(axis=1))
    if len(different):
        first = different[0]
        raise UserError(
            f"Bag {first} has {sizes[first]} samples in bags, but its row of counts "
            f"sums to {counts[first].sum():g}: the two must agree."
        )
    members = np.full([len(counts), sizes.max()], -1, np.int32)
    for bag, row in enumerate(members):
        row[: sizes[bag]] = np.flatnonzero(bags == bag)
    return members[sizes > 0], counts[sizes > 0]
