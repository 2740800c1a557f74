"""A model on held-out data: its losses, latents and best step."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.disentanglement.sources.images import Source

GREATER_IS_BETTER = "elbo"  # the one of the losses that is maximised


class Look(NamedTuple):
    """A model's results on N examples with d latents.

    Attributes:
      losses: means by the names of the model's `log_names`, nothing drawn but the noise
        of the latents.
      kl: float `[d]`, mean KL of each latent's posterior to the prior, in nats.
      k_hat: float `[N]`, independent latents; None of a model of single images.
      k: int `[N]`, factors that differ, -1 where that is not known; or None.
    """

    losses: dict[str, float]
    kl: np.ndarray
    k_hat: np.ndarray | None = None
    k: np.ndarray | None = None

    def scalars(self) -> dict[str, float]:
        """The losses, KLs, latents in use and k's error, under TensorBoard's names."""
        scalars = {f"held_out/{name}": value for name, value in self.losses.items()}
        scalars |= {f"kl/latent_{i}": float(kl) for i, kl in enumerate(self.kl)}
        scalars["latents_in_use"] = float(np.sum(self.kl >= gaussian.IN_USE_NATS))
        if self.k is not None and self.k_hat is not None and np.any(self.k >= 0):
            known = self.k >= 0
            errors = np.square(self.k_hat[known] - self.k[known])
            scalars["held_out/k_error"] = float(np.mean(errors))
        return scalars


class HeldOut:
    """Data that a model is not trained on.

    Args:
      model: whose losses are wanted.
      source: of the data; the same batches are taken each time.
    """

    def __init__(self, model: Autoencoder, source: Source):
        self._model = model
        self._source = source
        self._losses_at = tf.function(self._losses, autograph=False)
        self._latents_of = tf.function(self._latents, autograph=False)

    def _losses(
        self, batch: dict[str, tf.Tensor], step: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        batch = self._source.finish(batch)
        return self._model.losses_of(batch, step, training=False)

    def _latents(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self._model.latents_of(self._source.finish(batch))

    def losses(self, num_batches: int) -> dict[str, float]:
        """Means of the losses over batches, the selection at its mode."""
        totals = dict.fromkeys(self._model.log_names, 0.0)
        progress = tqdm(
            self._batches(num_batches),
            total=num_batches,
            desc="final losses",
            unit="batch",
        )
        for step, batch in progress:
            for name, value in self._losses_at(batch, step).items():
                totals[name] += float(value) / num_batches
        return totals

    def look(self, num_batches: int) -> Look:
        """The losses, and what the latents are like."""
        losses = dict.fromkeys(self._model.log_names, 0.0)
        seen: dict[str, list[np.ndarray]] = {}
        for step, batch in self._batches(num_batches):
            for name, value in self._losses_at(batch, step).items():
                losses[name] += float(value) / num_batches
            found = self._latents_of(batch)
            if "k" in batch and "k_hat" in found:
                found["k"] = batch["k"]
            for name, value in found.items():
                seen.setdefault(name, []).append(value.numpy())
        kl = np.mean(seen.pop("kl"), axis=0)
        rest = {name: np.concatenate(values) for name, values in seen.items()}
        return Look(losses, kl, **rest)

    def _batches(self, num_batches: int) -> tf.data.Dataset:
        """Each is a step of its own, so that each has its own noise."""
        first_step = int(self._model.step)
        return self._source.dataset(0).take(num_batches).enumerate(first_step)


class Best(tf.Module):
    """The best held-out loss so far, in checkpoints, so that a run that goes on knows.

    Args:
      name_of_loss: greater is better of "elbo", less of others.
    """

    def __init__(self, name_of_loss: str):
        super().__init__()
        self._name_of_loss = name_of_loss
        self._sign = -1.0 if name_of_loss == GREATER_IS_BETTER else 1.0
        self._least = tf.Variable(np.inf, dtype=tf.float64, trainable=False)
        self._step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._num_worse = tf.Variable(0, dtype=tf.int64, trainable=False)

    @property
    def step(self) -> int:
        """The step of the best loss, -1 before the first."""
        return int(self._step)

    def is_improved_by(self, look: Look, step: int) -> bool:
        """Takes a loss into account; whether it is the best so far."""
        loss = self._sign * look.losses[self._name_of_loss]
        is_better = loss < float(self._least)
        if is_better:
            self._least.assign(loss)
            self._step.assign(step)
            self._num_worse.assign(0)
        else:
            self._num_worse.assign_add(1)
        return is_better

    def has_ended(self, patience: int | None) -> bool:
        """Whether so many losses in a row were no better than the best."""
        return patience is not None and int(self._num_worse) >= patience
