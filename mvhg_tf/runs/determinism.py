"""The same seed on the same machine: the same weights, bit for bit."""


def enable() -> None:
    """Makes this process's computations repeatable; call it before anything else.

    TensorFlow then uses only kernels that add in a fixed order; an operation without
    such a kernel raises. It still uses all threads: its CPU kernels divide work by the
    number of threads, not by which are free. OpenMP and BLAS are limited to one thread,
    because scikit-learn adds up their results in the order in which threads finish.
    """
    # Late: the programs answer --help without them.
    import tensorflow as tf
    from threadpoolctl import threadpool_limits

    tf.config.experimental.enable_op_determinism()
    threadpool_limits(1)
