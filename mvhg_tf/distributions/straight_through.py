"""Gradients through exact draws: the value is the draw, whatever the estimator.

Two estimators of the gradient of E[loss(x)] in `log_weights`:

* `mean_cotangent`: as if x were its mean. The backward pass multiplies by the
  covariance. For groups of one element this is SIMPLE (Ahmed et al., ICLR
  2023).
* `gumbel_softmax_cotangent`: the paper's. The one-hot row of each group's count
  is relaxed to softmax((alpha + Gumbel noise) / temperature), alpha being the
  log-probabilities of the count given the earlier groups, and what is left to
  draw carries its gradient into the later groups.

The noise is drawn in the backward pass only, conditioned on the count that was
drawn: with E_0, E_x standard exponentials, -log E_0 is the greatest of the
perturbed logits and -log(E_0 + E_x / p_x) are the others. The law is that of
perturbing first and taking the argmax.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.cached import cached
from mvhg_tf.distributions.inversion import Plan, uniform
from mvhg_tf.distributions.law import Law
from mvhg_tf.distributions.relaxation.chunks import in_chunks
from mvhg_tf.distributions.relaxation.conditionals import (
    conditional_logits,
    reflect,
    reflect_shared,
)
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Size,
    Urn,
    counts_row,
    row_size,
    take,
)

# Apart from the draw's own seed, so that noise and draw are independent.
_NOISE_SALT = np.array([0x5EED, 0x6A09E667], np.int32)

# Counts of a group, over draws and urns, that the relaxation's backward pass works on
# at a time. Few enough for its memory, and enough to hide the cost of the chunks.
_CHUNK = 2**15


class Estimator(NamedTuple):
    """How draws pass gradients back: see the module's docstring.

    Attributes:
      name: "gumbel_softmax", "mean" or None.
      temperature: of "gumbel_softmax", broadcastable to `[B...]`.
      law: of the draws.
    """

    name: str | None
    temperature: tf.Tensor
    law: Law

    def cotangent(
        self,
        urn: Urn,
        drawn: tf.Tensor,
        seed: tf.Tensor,
        counts_bar: tf.Tensor,
        rows_bar: tf.Tensor | None,
    ) -> tf.Tensor:
        """The cotangent of `log_weights`; arguments as below."""
        if self.name == "mean":
            return mean_cotangent(urn, self.law, counts_bar, rows_bar)
        return gumbel_softmax_cotangent(urn, self, drawn, seed, counts_bar, rows_bar)


def counts(
    urn: Urn,
    num_draws: Size,
    how: Plan,
    seed: tf.Tensor,
    estimator: Estimator,
    dtype: tf.DType,
) -> tf.Tensor:
    """Exact draws that pass gradients to `log_weights`.

    Args:
      urn: the urns, of a full batch shape.
      num_draws: S.
      how: see `sampling.plan`.
      seed: stateless seed, int32 `[2]`.
      estimator: of the gradient.
      dtype: of the result.

    Returns:
      `[S, B..., c]`.
    """
    if estimator.name is None:
        return tf.stop_gradient(
            tf.cast(_draw(urn, num_draws, how, seed, estimator.law), dtype)
        )

    # Outside of the cached graphs, whose tensors a second derivative could not reach.
    @tf.custom_gradient
    def value(
        log_weights: tf.Tensor,
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        at = urn._replace(log_weights=log_weights)
        drawn = _draw(at, num_draws, how, seed, estimator.law)

        def gradient(counts_bar: tf.Tensor) -> tf.Tensor:
            counts_bar = tf.cast(counts_bar, _relaxation_dtype(dtype))
            return _estimate(at, estimator, drawn, seed, counts_bar, None)

        return tf.cast(drawn, dtype), gradient

    return value(urn.log_weights)


def rows(
    urn: Urn,
    num_draws: Size,
    how: Plan,
    seed: tf.Tensor,
    estimator: Estimator,
    dtype: tf.DType,
    hard: bool = True,
) -> tf.Tensor:
    """One-hot rows of the same draws as `counts`, with their gradients.

    Args:
      urn: the urns, of a full batch shape.
      num_draws: S.
      how: see `sampling.plan`.
      seed: stateless seed, int32 `[2]`.
      estimator: of the gradient.
      dtype: of the result.
      hard: one-hot rows if true, else the relaxed rows of "gumbel_softmax".

    Returns:
      `[S, B..., c, max(m) + 1]`.
    """
    width, relaxation_dtype = row_size(urn.max_size + 1.0), _relaxation_dtype(dtype)

    @tf.custom_gradient
    def value(
        log_weights: tf.Tensor,
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        at = urn._replace(log_weights=log_weights)
        drawn = _draw(at, num_draws, how, seed, estimator.law)

        def gradient(rows_bar: tf.Tensor) -> tf.Tensor:
            rows_bar = tf.cast(rows_bar[..., : urn.num_counts], relaxation_dtype)
            no_bar = tf.zeros(ps.shape(drawn), relaxation_dtype)
            return _estimate(at, estimator, drawn, seed, no_bar, rows_bar)

        if hard:
            return tf.one_hot(tf.cast(drawn, tf.int32), width, dtype=dtype), gradient
        relaxed = _all_relaxed(at, estimator, drawn, seed, relaxation_dtype, width)
        return tf.cast(relaxed, dtype), gradient

    result = value(urn.log_weights)
    return tf.stop_gradient(result) if estimator.name is None else result


def _draw(urn: Urn, num_draws: Size, how: Plan, seed: tf.Tensor, law: Law) -> tf.Tensor:
    # No derivative goes through the draw itself.
    urn = urn._replace(log_weights=tf.stop_gradient(urn.log_weights))
    return _draw_cached(urn, num_draws, how, seed, law)


@cached
def _draw_cached(
    urn: Urn, num_draws: Size, how: Plan, seed: tf.Tensor, law: Law
) -> tf.Tensor:
    return law.draw(urn, num_draws, how, seed)


@cached
def _estimate(
    urn: Urn,
    estimator: Estimator,
    drawn: tf.Tensor,
    seed: tf.Tensor,
    counts_bar: tf.Tensor,
    rows_bar: tf.Tensor | None,
) -> tf.Tensor:
    return estimator.cotangent(urn, drawn, seed, counts_bar, rows_bar)


def _relaxation_dtype(dtype: tf.DType) -> tf.DType:
    """float32 at least: uniform draws of half precision would be 0 or 1."""
    return tf.float64 if dtype == tf.float64 else tf.float32


def mean_cotangent(
    urn: Urn, law: Law, counts_bar: tf.Tensor, rows_bar: tf.Tensor | None
) -> tf.Tensor:
    """The cotangent of `log_weights` if draws were their means.

    Args:
      urn: the urns, of a full batch shape.
      law: of the draws.
      counts_bar: the loss's gradient in the counts, `[S, B..., c]`.
      rows_bar: the same in the one-hot rows, `[S, B..., c, R]`, or None. The
        rows stand for the groups' marginal probabilities.

    Returns:
      float64 `[B..., c]`.
    """
    if rows_bar is None:
        total = tf.reduce_sum(tf.cast(counts_bar, CORE_DTYPE), axis=0)
        return law.mean_vjp(urn, total)
    total = tf.reduce_sum(tf.cast(rows_bar, CORE_DTYPE), axis=0)
    log_weights = urn.log_weights
    with tf.GradientTape() as tape:
        tape.watch(log_weights)
        marginals = law.marginal_probs(urn)
    return tape.gradient(marginals, log_weights, output_gradients=total)


def gumbel_softmax_cotangent(
    urn: Urn,
    estimator: Estimator,
    drawn: tf.Tensor,
    seed: tf.Tensor,
    counts_bar: tf.Tensor,
    rows_bar: tf.Tensor | None,
) -> tf.Tensor:
    """The cotangent of `log_weights` through the relaxed one-hot rows.

    Args:
      urn: the urns, of a full batch shape.
      estimator: its temperature and law.
      drawn: the draws, `[S, B..., c]`.
      seed: the seed they were drawn with.
      counts_bar: the loss's gradient in the counts, `[S, B..., c]`.
      rows_bar: the same in the one-hot rows, `[S, B..., c, R]`, or None.

    Returns:
      float64 `[B..., c]`.
    """
    dtype = counts_bar.dtype
    # A second derivative takes the relaxation for constant: those of a straight-through
    # estimate mean nothing, and its tables can't be differentiated twice.
    urn = urn._replace(log_weights=tf.stop_gradient(urn.log_weights))
    if counts_bar.shape[-1] == 1:  # all elements come from the only group
        return tf.zeros_like(urn.log_weights)
    batch_shape = ps.shape(urn.total_count)
    temperature = tf.broadcast_to(tf.cast(estimator.temperature, dtype), batch_shape)
    with tf.control_dependencies([counts_bar]):  # Not beside the forward pass.
        uniforms = _uniforms(urn, drawn, tf.identity(seed), dtype)
    shared_sizes, own_sizes = _shared_or_own_sizes(urn)

    def of_some(urns: tuple[tf.Tensor | None, ...], draws: _Draws) -> tf.Tensor:
        total_count, log_weights, own_sizes, temperature = urns
        some = urn._replace(
            total_count=total_count,
            group_sizes=shared_sizes if own_sizes is None else own_sizes,
            log_weights=log_weights,
        )
        return _cotangent(some, estimator.law, temperature, draws)

    counts_of_urn = ps.shape(drawn)[0] * urn.num_counts
    return in_chunks(
        of_some,
        batch_shape,
        (urn.total_count, urn.log_weights, own_sizes, temperature),
        _Draws(drawn, uniforms, counts_bar, rows_bar),
        most_urns=ps.maximum(_CHUNK // ps.maximum(counts_of_urn, 1), 1),
    )


def _shared_or_own_sizes(urn: Urn) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """`m` as `[c]` if all urns share it, which is cheaper, else as `[B..., c]`."""
    if urn.group_sizes.shape[:-1].num_elements() == 1:
        return tf.reshape(urn.group_sizes, [-1]), None
    return None, tf.broadcast_to(urn.group_sizes, ps.shape(urn.log_weights))


class _Draws(NamedTuple):
    """What the backward pass knows of each draw.

    Attributes:
      drawn: the counts, `[S, B, c]`.
      uniforms: of the noise, `[S, B, c - 1, R + 1]`.
      counts_bar: the loss's gradient in the counts, `[S, B, c]`.
      rows_bar: the same in the one-hot rows, `[S, B, c, R]`, or None.
    """

    drawn: tf.Tensor
    uniforms: tf.Tensor
    counts_bar: tf.Tensor
    rows_bar: tf.Tensor | None


def _cotangent(urn: Urn, law: Law, temperature: tf.Tensor, draws: _Draws) -> tf.Tensor:
    """The cotangent of `log_weights`, `[B, c]`; temperatures `[B]`."""
    drawn, uniforms, counts_bar, rows_bar = draws
    dtype, log_weights = counts_bar.dtype, urn.log_weights
    temperature = temperature[:, tf.newaxis, tf.newaxis]
    with tf.GradientTape() as tape:
        tape.watch(log_weights)
        path = _path(urn, law, drawn, dtype)
    relaxed = _relaxed(path.log_probs, drawn[..., :-1], uniforms, temperature)

    def covary(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        centred = first - tf.reduce_sum(relaxed * first, axis=-1, keepdims=True)
        return tf.reduce_sum(relaxed * centred * second, axis=-1) / temperature[..., 0]

    row = tf.cast(counts_row(urn.num_counts), dtype)
    own = tf.zeros([], dtype)
    offset = tf.zeros(ps.shape(drawn[..., :-1]), dtype)
    if rows_bar is not None:
        own, last_offset = _mirrored_rows(path, drawn, rows_bar)
        offset += tf.concat(
            [tf.zeros_like(offset[..., :-1]), last_offset[..., tf.newaxis]], axis=-1
        )
    if urn.is_pair:
        left_bar = counts_bar[..., 1:]
    else:
        slopes = _slopes(path)
        if rows_bar is not None:
            offset += covary(own, slopes)
        left_bar = _carry(counts_bar, covary(row, slopes), offset)
    bar = own + row * (counts_bar[..., :-1] - left_bar)[..., tf.newaxis]
    centre = tf.reduce_sum(relaxed * bar, axis=-1, keepdims=True)
    logits_bar = relaxed * (bar - centre) / temperature
    # They sum to zero, so what normalises the logits has no part in the gradient.
    return tape.gradient(path.logits, log_weights, output_gradients=logits_bar)


class _Path(NamedTuple):
    """The groups along a draw, all but the last.

    Attributes:
      left: what is left to draw, `[S, B..., c - 1]`.
      log_later: log Z of the later groups, `[B..., c - 1, N + 1]`.
      logits: of the counts given what is left, `[S, B..., c - 1, R]`.
    """

    left: tf.Tensor
    log_later: tf.Tensor
    logits: tf.Tensor

    @property
    def log_probs(self) -> tf.Tensor:
        """Normalised, `[S, B..., c - 1, R]`."""
        return tf.nn.log_softmax(self.logits)


def _path(urn: Urn, law: Law, drawn: tf.Tensor, dtype: tf.DType) -> _Path:
    earlier = tf.cumsum(drawn, axis=-1, exclusive=True)[..., :-1]
    left = urn.total_count[..., tf.newaxis] - earlier
    log_later = law.log_later(urn, dtype)
    logits = conditional_logits(urn, log_later, left)
    logits -= tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True))
    return _Path(left, log_later, tf.cast(logits, dtype))


def _uniforms(
    urn: Urn, drawn: tf.Tensor, seed: tf.Tensor, dtype: tf.DType
) -> tf.Tensor:
    """The random numbers of the noise, `[S, B..., c - 1, R + 1]`."""
    shape = [urn.num_groups - 1, urn.num_counts + 1]
    shape = ps.concat([ps.shape(drawn)[:-1], shape], axis=0)
    return uniform(shape, tf.bitwise.bitwise_xor(seed, _NOISE_SALT), dtype)


def _relaxed(
    log_probs: tf.Tensor,
    drawn: tf.Tensor,
    uniforms: tf.Tensor,
    temperature: tf.Tensor,
) -> tf.Tensor:
    """softmax((log_probs + noise) / temperature), the noise given the argmax.

    Args:
      log_probs: `[S, B..., c - 1, R]`.
      drawn: the argmax, `[S, B..., c - 1]`.
      uniforms: random numbers in (0, 1), `[S, B..., c - 1, R + 1]`.
      temperature: broadcastable to `[B..., 1, 1]`.

    Returns:
      `[S, B..., c - 1, R]`.
    """
    dtype = log_probs.dtype
    exponentials = -tf.math.log(uniforms)
    greatest, others = exponentials[..., :1], exponentials[..., 1:]
    # log of E_0 / (E_0 + E_x / p_x): how far below the greatest.
    below = tf.math.log(greatest) - tf.math.log(greatest + others * tf.exp(-log_probs))
    is_drawn = tf.cast(drawn, tf.int32)[..., tf.newaxis]
    is_drawn = is_drawn == tf.range(ps.shape(log_probs)[-1])
    below = tf.where(is_drawn, tf.zeros([], dtype), below)
    return tf.nn.softmax(below / temperature)


def _slopes(path: _Path) -> tf.Tensor:
    """d log Z_{>i}(left - x) / d left, by central differences: `[S, B..., c-1, R]`.

    One-sided at the ends of the support. What does not depend on x drops out of
    the softmax, so these are the slopes of the logits.
    """
    table = tf.stop_gradient(path.log_later)
    dtype = path.logits.dtype
    edge = tf.fill(ps.shape(table[..., :1]), tf.constant(-np.inf, table.dtype))
    padded = tf.concat([edge, table, edge], axis=-1)
    before, after = padded[..., :-2], padded[..., 2:]
    here = tf.math.is_finite(table)
    has_before = here & tf.math.is_finite(before)
    has_after = here & tf.math.is_finite(after)
    rise = tf.where(has_after, after, table) - tf.where(has_before, before, table)
    span = tf.cast(has_after, table.dtype) + tf.cast(has_before, table.dtype)
    slope = tf.math.divide_no_nan(tf.where(here, rise, 0.0), span)
    size = ps.shape(path.logits)[-1]
    return reflect_shared(tf.cast(slope, dtype), path.left, size, 0.0)


def _carry(counts_bar: tf.Tensor, gain: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """The loss's gradient in what each group leaves to draw.

    What is left before group i reaches the loss through group i's own count and
    through what that leaves: with left_bar[c-2] = counts_bar[c-1],

        left_bar[i-1] = left_bar[i] + gain[i] (counts_bar[i] - left_bar[i])
                        + offset[i].

    Args:
      counts_bar: `[S, B..., c]`.
      gain: d count_i / d left_i, `[S, B..., c - 1]`.
      offset: what the rows add, `[S, B..., c - 1]`.

    Returns:
      `[S, B..., c - 1]`.
    """
    num_steps = ps.shape(gain)[-1]
    result = tf.TensorArray(gain.dtype, size=num_steps, clear_after_read=False)
    result = result.write(num_steps - 1, counts_bar[..., -1])

    def step(
        i: tf.Tensor, left_bar: tf.Tensor, result: tf.TensorArray
    ) -> tuple[tf.Tensor, ...]:
        direct = left_bar - tf.gather(counts_bar, i, axis=-1)
        # A difference: of three terms to add, TensorFlow makes a temporary variable,
        # and fails where two of the loop's steps make theirs at the same time.
        left_bar -= tf.gather(gain, i, axis=-1) * direct
        left_bar += tf.gather(offset, i, axis=-1)
        return i - 1, left_bar, result.write(i - 1, left_bar)

    _, _, result = tf.while_loop(
        lambda i, *_: i > 0,
        step,
        (tf.convert_to_tensor(num_steps - 1), counts_bar[..., -1], result),
        maximum_iterations=ps.maximum(num_steps - 1, 0),
    )
    stacked = result.stack()
    order = ps.concat([ps.range(1, ps.rank(stacked)), [0]], axis=0)
    return tf.transpose(stacked, order)


def _mirrored_rows(
    path: _Path, drawn: tf.Tensor, rows_bar: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Charges the last group's row to the one before: y_last(j) = y(left - j).

    Args:
      path: of the draws.
      drawn: `[S, B..., c]`.
      rows_bar: `[S, B..., c, R]`.

    Returns:
      The gradient in the other rows, `[S, B..., c - 1, R]`, and that in what is
      left before the last but one, `[S, B...]`, as a central difference.
    """
    size = ps.shape(rows_bar)[-1]
    last = rows_bar[..., -1, :]
    mirrored = reflect(last, path.left[..., -1], size, 0.0)
    own = tf.concat(
        [rows_bar[..., :-2, :], (rows_bar[..., -2, :] + mirrored)[..., tf.newaxis, :]],
        axis=-2,
    )
    place = tf.cast(drawn[..., -1:], tf.int32)
    before, after = tf.maximum(place - 1, 0), tf.minimum(place + 1, size - 1)
    rise = take(last, after) - take(last, before)
    span = tf.cast(after - before, rise.dtype)
    return own, tf.math.divide_no_nan(rise, span)[..., 0]


@cached
def _all_relaxed(
    urn: Urn,
    estimator: Estimator,
    drawn: tf.Tensor,
    seed: tf.Tensor,
    dtype: tf.DType,
    width: Size,
) -> tf.Tensor:
    """The relaxed rows of every group, `[S, B..., c, width]`."""
    if drawn.shape[-1] == 1:  # nothing is left to chance
        return tf.one_hot(tf.cast(drawn, tf.int32), width, dtype=dtype)
    path = _path(urn, estimator.law, drawn, dtype)
    uniforms = _uniforms(urn, drawn, seed, dtype)
    temperature = tf.cast(estimator.temperature, dtype)[..., tf.newaxis, tf.newaxis]
    relaxed = _relaxed(path.log_probs, drawn[..., :-1], uniforms, temperature)
    size = ps.shape(relaxed)[-1]
    last = reflect(relaxed[..., -1, :], path.left[..., -1], size, 0.0)
    relaxed = tf.concat([relaxed, last[..., tf.newaxis, :]], axis=-2)
    missing = ps.stack([[0, width - size]])
    none = ps.zeros([ps.rank(relaxed) - 1, 2], tf.int32)
    return tf.pad(relaxed, ps.concat([none, missing], axis=0))
