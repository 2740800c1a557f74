"""The names that Keras saves our classes under, known before the classes are imported.

Keras finds a saved model's classes only once their modules are imported. Importing
mvhg_tf imports none of them, because importing TensorFlow takes seconds. Instead it
registers a stand-in for each, which imports the class when Keras asks for an object.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # they take longer than everything else that mvhg_tf imports
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec

PACKAGE = "mvhg_tf"  # of the names: Keras calls a class "mvhg_tf>VaDE"
HOMES = {
    "clustering.estimator": ("_VaDE",),
    "clustering.likelihoods": ("Bernoulli", "Gaussian"),
    "clustering.mixture": ("GaussianMixture",),
    "clustering.priors.categorical": ("CategoricalPrior",),
    "clustering.priors.hypergeometric": ("HypergeometricPrior",),
    "clustering.priors.partition_prior": ("RandomPartitionPrior",),
    "clustering.priors.uniform": ("UniformPrior",),
    "clustering.vade": ("VaDE",),
    "disentanglement.models.pairs.drawn_selections": (
        "PartitionSelection",
        "SubsetSelection",
    ),
    "disentanglement.models.pairs.group_vae": ("GroupVAE",),
    "disentanglement.models.pairs.selection": (
        "ArgmaxSelection",
        "HypergeometricSelection",
        "LabelSelection",
    ),
    "disentanglement.models.semi_supervised.annealers": ("SupervisedWeight",),
    "disentanglement.models.semi_supervised.mine_vae": (
        "MineVAE",
        "MutualInformation",
    ),
    "disentanglement.models.semi_supervised.semi_supervised_vae": (
        "SemiSupervisedFactorVAE",
        "SemiSupervisedVAE",
        "SupervisedVAE",
    ),
    "disentanglement.models.semi_supervised.supervised_losses": (
        "CrossCovariance",
        "CrossEntropy",
        "Embedding",
        "SquaredError",
    ),
    "disentanglement.models.unsupervised.factor_vae": (
        "AdversarialTotalCorrelation",
        "FactorVAE",
    ),
    "disentanglement.models.unsupervised.image_regularizers": (
        "AnnealedCapacity",
        "MomentMatching",
        "WeightedKL",
        "WeightedTotalCorrelation",
    ),
    "disentanglement.models.unsupervised.vae": ("VAE",),
    "disentanglement.networks.sub_pixel": ("Conv2DTransposeToImages",),
    "disentanglement.steps.optimizers": ("RMSPropFromOne",),
    "schedules": ("ExponentialAnnealing",),
}


def register() -> None:
    """Registers the stand-ins: now, or once the program imports Keras."""
    if "keras" in sys.modules:
        _add_stand_ins(sys.modules["keras"])
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


class _KerasFinder:
    """Finds Keras as other finders do, and registers the stand-ins after its import."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Loader) -> None:
        execute = loader.exec_module

        def execute_and_add(module: types.ModuleType) -> None:
            execute(module)
            _add_stand_ins(module)
            with contextlib.suppress(ValueError):
                sys.meta_path.remove(self)

        loader.exec_module = execute_and_add  # type: ignore[method-assign]


def _add_stand_ins(keras: types.ModuleType) -> None:
    known = keras.saving.get_custom_objects()
    for module, names in HOMES.items():
        for name in names:
            known.setdefault(f"{PACKAGE}>{name}", _stand_in(module, name))


def _stand_in(module: str, name: str) -> type:
    """A class that creates objects of the class that it stands for."""

    def from_config(cls: type, config: dict) -> object:
        home = importlib.import_module(f"{PACKAGE}.{module}")  # registers the class
        return getattr(home, name).from_config(config)

    return type(name, (), {"from_config": classmethod(from_config)})
