"""NeuralSort: a differentiable sort (Grover et al., ICLR 2019)."""

import tensorflow as tf

__all__ = ["neural_sort"]


def neural_sort(
    scores: tf.Tensor, temperature: float | tf.Tensor = 1.0, hard: bool = False
) -> tf.Tensor:
    """Permutation matrices that sort `scores` in descending order.

    Row `i` of the result marks the score that takes place `i`, the greatest first, so
    `tf.linalg.matvec(neural_sort(s), s)` is `s` sorted. The relaxed matrix is unimodal
    and row-stochastic, and tends to the permutation as the temperature falls (Grover et
    al. 2019, eq. 5):

        P[i, :] = softmax(((d + 1 - 2 i) s - A 1) / temperature),   i = 1..d,
        A[j, k] = |s_j - s_k|.

    Tied scores share their rows' mass equally in the relaxed matrix; the hard
    one puts the tied score with the lowest index first, as a stable sort does.

    Args:
      scores: floating `[..., d]`, finite, of any magnitude.
      temperature: positive scalar, in the units of `scores`.
      hard: if true, the value is the exact permutation matrix (zeros and
        ones), and the gradient is that of the relaxed one (straight-through).

    Returns:
      `[..., d, d]`, of the dtype of `scores`.

    Raises:
      ValueError: if `temperature` is a Python number that is not positive, or
        `scores` has no last axis or is not floating.
    """
    if isinstance(temperature, (int, float)) and not temperature > 0:
        raise ValueError(
            f"temperature is {temperature}, but must be positive: pass a number "
            "above 0, such as 1.0."
        )
    scores = tf.convert_to_tensor(scores, name="scores")
    if not scores.dtype.is_floating or scores.shape.rank == 0:
        raise ValueError(
            f"scores has dtype {scores.dtype.name} and shape {scores.shape}, but must "
            "be floating and [..., d]: cast or reshape it."
        )
    if not tf.is_tensor(temperature):
        # float16 can't hold 1e-9, for example.
        dtype = scores.dtype if scores.dtype == tf.float64 else tf.float32
        temperature = tf.constant(temperature, dtype)
    relaxed = _relaxed_permutation(scores, temperature)
    if not hard:
        return relaxed
    size = tf.shape(scores)[-1]
    order = tf.argsort(scores, axis=-1, direction="DESCENDING", stable=True)
    permutation = tf.one_hot(order, size, dtype=scores.dtype)
    return permutation + (relaxed - tf.stop_gradient(relaxed))


def _relaxed_permutation(scores: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    """`[..., d]`, `[]` -> `[..., d, d]`, safe in the whole range of the dtype."""
    dtype = scores.dtype
    if dtype.size < tf.float32.size:  # Its range is too narrow.
        scores, temperature = (tf.cast(v, tf.float32) for v in (scores, temperature))
        return tf.cast(_relaxed_permutation(scores, temperature), dtype)
    temperature = tf.cast(temperature, dtype)
    size = tf.shape(scores)[-1]
    # The logits' rows are invariant to a shift of all scores, and linear in
    # them. So they are computed from scores brought into [-1, 1] by a shift and
    # a (constant) scale: nothing can overflow before the softmax's own maximum
    # is taken away.
    tiny = scores.dtype.as_numpy_dtype(1e-30)
    huge = scores.dtype.as_numpy_dtype(1e30)
    high = tf.stop_gradient(tf.reduce_max(scores, axis=-1, keepdims=True))
    low = tf.stop_gradient(tf.reduce_min(scores, axis=-1, keepdims=True))
    scale = tf.maximum(high / 2 - low / 2, tiny)
    unit = (scores / 2 - (high / 4 + low / 4)) / scale * 2
    distances = tf.reduce_sum(tf.abs(unit[..., :, None] - unit[..., None, :]), axis=-1)
    place = tf.cast(tf.range(size), scores.dtype)
    slope = tf.cast(size, scores.dtype) - 1 - 2 * place
    logits = slope[:, None] * unit[..., None, :] - distances[..., None, :]
    logits -= tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True))
    sharpness = tf.minimum(scale / temperature, huge)
    return tf.nn.softmax(logits * sharpness[..., None], axis=-1)
