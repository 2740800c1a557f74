"""The differentiable multivariate noncentral hypergeometric distribution in TF 2.

Sutter, Manduchi, Ryser and Vogt: "Learning Group Importance using the
Differentiable Hypergeometric Distribution", ICLR 2023.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mvhg_tf import keras_names

if TYPE_CHECKING:
    from mvhg_tf.distributions import (
        FisherNoncentralHypergeometric,
        MultivariateFisherNoncentralHypergeometric,
        OrderedPartition,
        RandomPartition,
        leave_one_out_loss,
        random_subset,
    )
    from mvhg_tf.schedules import ExponentialAnnealing
    from mvhg_tf.sorting import neural_sort

__version__ = "0.1.0"

__all__ = [
    "ExponentialAnnealing",
    "FisherNoncentralHypergeometric",
    "MultivariateFisherNoncentralHypergeometric",
    "OrderedPartition",
    "RandomPartition",
    "__version__",
    "leave_one_out_loss",
    "neural_sort",
    "random_subset",
]

_HOMES = {
    "ExponentialAnnealing": "mvhg_tf.schedules",
    "FisherNoncentralHypergeometric": "mvhg_tf.distributions",
    "MultivariateFisherNoncentralHypergeometric": "mvhg_tf.distributions",
    "OrderedPartition": "mvhg_tf.distributions",
    "RandomPartition": "mvhg_tf.distributions",
    "leave_one_out_loss": "mvhg_tf.distributions",
    "neural_sort": "mvhg_tf.sorting",
    "random_subset": "mvhg_tf.distributions",
}


keras_names.register()


def __getattr__(name: str) -> Any:
    # Imported late, so that programs answer --help or a wrong flag at once: importing
    # TensorFlow takes seconds.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
