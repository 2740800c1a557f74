"""Runs the authors' PyTorch code for the benchmark, in an environment with PyTorch.

    python authors_worker.py CODE BATCH_SIZE

CODE is a checkout of the authors' repository. It answers each line of its input with
one line: `version`, `step` (seconds of a draw and its backward pass) or `memory` (the
process's peak resident bytes during such a step).
"""

import sys
import time

import step_memory  # Beside this file; the package may not be importable here.
import torch

GROUP_SIZES = (200, 200, 200)
TOTAL_COUNT = 180
TEMPERATURE = 1.0


def make_step(batch_size: int):
    """Returns a call that draws a batch and differentiates a loss of the draws."""
    from mvhg.pt_fmvhg import MVHG

    urn = MVHG(device="cpu")
    group_sizes = torch.tensor(GROUP_SIZES)
    total_counts = torch.full((batch_size, 1), TOTAL_COUNT)
    generator = torch.Generator().manual_seed(0)
    shape = (batch_size, len(GROUP_SIZES))
    log_weights = torch.randn(shape, generator=generator, requires_grad=True)

    def step():
        counts = urn(group_sizes, total_counts, log_weights, TEMPERATURE)[1]
        loss = sum((count**2).sum() for count in counts)
        (gradient,) = torch.autograd.grad(loss, log_weights)
        return gradient

    return step


def main() -> None:
    code, batch_size = sys.argv[1:]
    sys.path.insert(0, code)
    step = make_step(int(batch_size))
    for line in sys.stdin:
        request = line.strip()
        if request == "version":
            answer = torch.__version__
        elif request == "memory":
            answer = step_memory.peak_during_call(step)
        else:
            started = time.perf_counter()
            step()
            answer = time.perf_counter() - started
        print(answer, flush=True)


if __name__ == "__main__":
    main()
