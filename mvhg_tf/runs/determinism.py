"""The same seed on the same machine: the same weights, bit for bit."""


def enable() -> None:
    """Makes all that this process computes repeatable; call it before anything else.

    TensorFlow takes only kernels that repeat their sums in one order; one that has
    none such raises. It still computes on all threads: of a CPU its kernels cut their
    work by the number of threads, not by who is free. OpenMP's and BLAS's threads, of
    which scikit-learn adds up sums in the order in which they end, are cut to one.
    """
    # Late: the programs answer --help without them.
    import tensorflow as tf
    from threadpoolctl import threadpool_limits

    tf.config.experimental.enable_op_determinism()
    threadpool_limits(1)
