"""The library's base class of all data sets, to be imported from here."""

from mvhg_tf.disentanglement import compat  # noqa: F401

from disentanglement_lib.data.ground_truth.ground_truth_data import (  # isort: skip
    GroundTruthData,
)

__all__ = ["GroundTruthData"]
