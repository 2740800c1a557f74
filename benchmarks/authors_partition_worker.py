"""Runs the authors' partitions for the benchmark, in an environment with PyTorch.

    python authors_partition_worker.py CODE DISTRIBUTION_CODE

These are checkouts of the authors' repositories drpm and mvhg. It answers each line of
its input with one line: `version`, or the seconds of `draw B n K` or `step B n K`, a
draw and its backward pass.
"""

import functools
import sys
import time

import torch

TEMPERATURE = 1.0


@functools.lru_cache(maxsize=1)
def make_calls(batch_size: int, num_elements: int, num_groups: int):
    """Returns calls that draw a batch, and that differentiate a loss of it."""
    from drpm.diff_rand_part_model import RandPart

    partition = RandPart(num_groups, device="cpu")
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, requires_grad=True)

    scores = normal(batch_size, num_elements)
    log_weights = normal(batch_size, num_groups)
    weights = normal(num_groups, num_elements).detach()

    def draw():
        return partition(scores, log_weights, temperature=TEMPERATURE)[0]

    def step():
        loss = (weights * draw() ** 2).sum()
        return torch.autograd.grad(loss, [scores, log_weights])

    return {"draw": draw, "step": step}


def main() -> None:
    sys.path[:0] = sys.argv[1:]
    for line in sys.stdin:
        what, *numbers = line.split()
        if what == "version":
            answer = torch.__version__
        else:
            call = make_calls(*map(int, numbers))[what]
            started = time.perf_counter()
            with torch.set_grad_enabled(what == "step"):
                call()
            answer = time.perf_counter() - started
        print(answer, flush=True)


if __name__ == "__main__":
    main()
