"""Ten million draws of one distribution in a loop: one trace, memory that is flat."""

import numpy as np
import pytest
import tensorflow as tf
from memory import resident_bytes

import mvhg_tf

CALLS = 10_000
DRAWS = 1000  # a call


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_ten_million_draws(jit_compile):
    urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(
        total_count=6, group_sizes=[5, 4, 3], log_weights=[0.0, 0.5, -0.5]
    )
    traces, memory, total = [], [], np.zeros(3)

    @tf.function(jit_compile=jit_compile)
    def draw(seed):
        traces.append(seed)
        counts = urn.sample(DRAWS, seed=seed)
        return tf.reduce_sum(counts, axis=0)

    for call in range(CALLS):
        total += draw(tf.constant([7, call])).numpy()
        if (call + 1) % (CALLS // 10) == 0:
            memory.append(resident_bytes())
    print(f"{memory[0] / 1e6:.0f} MB, at the end {memory[-1] / 1e6:.0f} MB")
    assert len(traces) == 1
    assert max(memory) < 1.05 * memory[0]
    # Six standard errors: a false alarm in 10^8.
    error = 6 * urn.stddev().numpy() / np.sqrt(CALLS * DRAWS)
    np.testing.assert_array_less(
        np.abs(total / (CALLS * DRAWS) - urn.mean().numpy()), error + 1e-5
    )
