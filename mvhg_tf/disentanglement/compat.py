"""Lets disentanglement_lib 1.5 run on today's TensorFlow, NumPy and gin-config.

Importing this module is enough: afterwards, the modules of `disentanglement_lib` can be
imported from the unmodified wheel, which was written for TensorFlow 1.14, gin-config
0.2 and NumPy 1.

Nothing is patched globally. A finder on `sys.meta_path` loads only the library's
modules with a special `__import__`, which gives them adapted versions of the modules
that have changed since: NumPy with the names that NumPy 2 removed, gin with the
argument names that gin-config 0.4 changed, Pillow and imageio with their old behaviour,
small replacements for what is gone (`tensorflow.contrib`, `distutils`, `pkg_resources`,
TF-Hub v1, a function of SciPy's), and scikit-learn with faster boosted trees and an
unchanged logistic regression (`metrics.boosted_trees`, `metrics.logistic_regression`).
All other modules see the real ones.

A few modules of the library are replaced by counterparts here, because both define the
same gin names, which must be unique.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import multiprocessing.pool
import os
import shutil
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import gin
import numpy as np
import PIL.Image
import tensorflow as tf

from mvhg_tf.disentanglement.installation import (
    DATA_VARIABLE,
    check_library,
    data_folder,
)
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import PositiveInt, PositiveInts, Seed

_LIBRARY = "disentanglement_lib"
# Examples that a model processes at a time: the library passes 10 000 images at once,
# whose activations would take gigabytes.
_BATCH_SIZE = 256
# With the same functions.
_REPLACED_FUNCTIONS = {
    "data.ground_truth.named_data": "data.named_data",
    "evaluation.abstract_reasoning.reason": "reasoning.reason",
    "evaluation.evaluate": "steps.evaluate",
    "evaluation.udr.evaluate": "steps.evaluate",
    "evaluation.udr.metrics.udr": "metrics.udr",
    "methods.unsupervised.train": "steps.training",
    "postprocessing.methods": "steps.postprocess",
    "postprocessing.postprocess": "steps.postprocess",
}
# With the same gin names, of what makes Keras models instead of a graph's tensors.
_REPLACED_MODELS = {
    "evaluation.abstract_reasoning.models": "reasoning.solvers",
    "evaluation.abstract_reasoning.pgm_data": "reasoning.matrix_data",
    "methods.shared.architectures": "networks",
    "methods.shared.losses": "models.shared.reconstruction",
    "methods.shared.optimizers": "steps.optimizers",
    "methods.unsupervised.vae": "models.unsupervised.image_models",
}
_REPLACED = {
    f"{_LIBRARY}.{theirs}": f"mvhg_tf.disentanglement.{ours}"
    for theirs, ours in (_REPLACED_FUNCTIONS | _REPLACED_MODELS).items()
}

# With none of these there is nothing to do, and the library may loop forever.
_COUNTS = (
    "batch_size",
    "n_experiment",
    "num_bins",
    "num_eval",
    "num_test",
    "num_test_points_per_class",
    "num_train",
    "num_variance_estimate",
)

# Packages that are missing from the wheel, although their modules are replaced.
_MISSING = {f"{_LIBRARY}.evaluation.udr", f"{_LIBRARY}.evaluation.udr.metrics"}


def _module(
    name: str, base: types.ModuleType | None = None, **names: object
) -> types.ModuleType:
    """A copy of the module `base` with the given names set."""
    module = types.ModuleType(name)
    if base is not None:
        # The copy makes lookups as fast as in the original; the function serves
        # what the original loads only when asked.
        serve = functools.partial(getattr, base)
        module.__dict__.update({**vars(base), "__getattr__": serve})
    module.__dict__.update(names)
    return module


def _needs_tensorflow_1(name: str) -> types.ModuleType:
    """A module that can be imported but not used."""

    def explain(attribute: str) -> NoReturn:
        raise AttributeError(
            f"{name}.{attribute} does not exist in TensorFlow 2, so this part of "
            "disentanglement_lib can't run: use its counterpart in "
            "mvhg_tf.disentanglement."
        )

    return _module(name, __getattr__=explain)


def _configurable(
    name_or_function: Any = None,
    blacklist: Sequence[str] | None = None,
    whitelist: Sequence[str] | None = None,
    **arguments: Any,
) -> Callable:
    """`gin.configurable` with the argument names of gin-config before 0.4."""
    if blacklist is not None:
        arguments["denylist"] = blacklist
    if whitelist is not None:
        arguments["allowlist"] = whitelist
    if callable(name_or_function):
        return gin.configurable(_annotated(name_or_function), **arguments)
    decorate = gin.configurable(name_or_function, **arguments)
    return lambda function: decorate(_annotated(function))


def _annotated(function: Callable) -> Callable:
    """A function of the library, which annotates nothing but names its counts alike."""
    if not function.__module__.startswith(f"{_LIBRARY}."):
        return function
    several = "downstream_task" in function.__name__  # numbers of examples
    for name, parameter in inspect.signature(function).parameters.items():
        hint: Any = None
        if name == "num_train" and several:
            hint = PositiveInts
        elif name in _COUNTS:
            hint = PositiveInt
        elif name == "random_seed":
            hint = Seed
        elif name.startswith("num_"):
            hint = int
        if hint is not None:
            is_optional = parameter.default is None
            function.__annotations__[name] = hint | None if is_optional else hint
    return function


@contextlib.contextmanager
def _eval_function_for_module(path: str) -> Iterator[Callable]:
    """TF-Hub v1's way to call a module's signatures, for a TF 2 SavedModel.

    Yields a function of the inputs (a dict, or the value of the only input), the
    name of a signature, and `as_dict`: whether to return all outputs by name or
    the one called "default" (or the only one) as an array. What it takes and returns
    has a row for each example.
    """
    model = tf.saved_model.load(str(path))

    def call(
        inputs: Any = None, signature: str = "default", as_dict: bool = False
    ) -> Any:
        function = model.signatures[signature]
        specs = function.structured_input_signature[1]
        if not isinstance(inputs, dict):
            inputs = {name: inputs for name in specs}
        batches = []
        for start in range(0, max(1, *map(len, inputs.values())), _BATCH_SIZE):
            rows = slice(start, start + _BATCH_SIZE)
            batch = {k: tf.cast(v[rows], specs[k].dtype) for k, v in inputs.items()}
            batches.append(function(**batch))
        outputs = {
            name: np.concatenate([batch[name].numpy() for batch in batches])
            for name in batches[0]
        }
        if as_dict:
            return outputs
        return outputs["default"] if len(outputs) > 1 else next(iter(outputs.values()))

    yield call


def _frombuffer(
    buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0
) -> Any:
    """`np.frombuffer`; one number is a scalar: the library calls `int` on it."""
    array = np.frombuffer(buffer, dtype, count, offset)
    return array[0] if count == 1 else array


def _with_old_thumbnail(open_image: Callable) -> Callable:
    """Makes images whose `thumbnail` takes a shape `[h, w, 3]`, as it used to."""

    def open_adapted(*args: Any, **kwargs: Any) -> Any:
        image = open_image(*args, **kwargs)
        thumbnail = image.thumbnail
        image.thumbnail = lambda size, *args: thumbnail(size[:2], *args)
        return image

    return open_adapted


def _save_animation(path: str, frames: Sequence[np.ndarray], fps: int) -> None:
    """Writes images `[h, w, 3]` in [0, 1] as a GIF, as imageio's `mimwrite` did."""
    images = [PIL.Image.fromarray(np.uint8(255 * frame + 0.5)) for frame in frames]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=1000 / fps, loop=0
    )


def _copy_tree(source: str, target: str) -> None:
    """Copies a folder's files, not their modes: the source may be read-only."""
    for folder, _, names in os.walk(source):
        copy = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(copy, exist_ok=True)
        for name in names:
            shutil.copyfile(os.path.join(folder, name), os.path.join(copy, name))


def _plot_dendrogram(
    icoords: Any,
    dcoords: Any,
    ivl: Any,
    *,
    mh: Any,
    ax: Any,
    color_list: Any,
    **others: Any,
) -> None:
    """Draws links with the leaves at the left, as SciPy's function of this name.

    That is private, and SciPy 1.18 moved it; the library calls it in this one way.
    """
    del others
    from matplotlib.collections import LineCollection

    links = [np.column_stack(link) for link in zip(dcoords, icoords, strict=True)]
    ax.add_collection(LineCollection(links, colors=color_list))
    ax.set(xlim=(0, 1.05 * mh), ylim=(0, 10 * len(ivl)))
    ax.set_yticks(10 * np.arange(len(ivl)) + 5, ivl)


def _scipy_cluster() -> types.ModuleType:
    """`scipy.cluster` with `hierarchy`, which is imported when asked for."""

    def package(name: str) -> Any:
        if name != "hierarchy":
            raise AttributeError(name)
        found = importlib.import_module("scipy.cluster.hierarchy")
        return _module(found.__name__, found, _plot_dendrogram=_plot_dendrogram)

    return _module("scipy.cluster", __getattr__=package)


class _JSONEncoder(json.JSONEncoder):
    """The base class of the library's encoder, which passes converted arrays on."""

    def default(self, o: Any) -> Any:
        if isinstance(o, list):
            return o
        if isinstance(o, np.complexfloating):
            # The root of a covariance that is all but singular (of latents that are
            # not in use), whose imaginary part is a rounding error.
            return float(o.real)
        return bool(o) if isinstance(o, np.bool_) else super().default(o)


def _resource(package: str, path: str) -> Path:
    spec = importlib.util.find_spec(package)
    folders = spec and spec.submodule_search_locations
    assert folders, package
    return Path(folders[0], path)


def _scikit_learn() -> types.ModuleType:
    """scikit-learn with classifiers of ours; packages are imported when asked for."""
    ours = {
        "ensemble": ("boosted_trees", "GradientBoostingClassifier"),
        "linear_model": ("logistic_regression", "LogisticRegressionCV"),
    }

    def package(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = importlib.import_module(f"sklearn.{name}")
        if name in ours:
            home, kind = ours[name]
            module = importlib.import_module(f"mvhg_tf.disentanglement.metrics.{home}")
            found = _module(found.__name__, found, **{kind: getattr(module, kind)})
        setattr(scikit_learn, name, found)
        return found

    scikit_learn = _module("sklearn", __getattr__=package)
    return scikit_learn


@contextlib.contextmanager
def scikit_learns_trees() -> Iterator[None]:
    """Lets the library's metrics grow scikit-learn's own trees, to compare with."""
    # One package, which all of them were given.
    given = importlib.import_module(f"{_LIBRARY}.evaluation.metrics.dci").ensemble
    ours = given.GradientBoostingClassifier
    theirs = importlib.import_module("sklearn.ensemble").GradientBoostingClassifier
    given.GradientBoostingClassifier = theirs
    try:
        yield
    finally:
        given.GradientBoostingClassifier = ours


def _adapted_modules() -> dict[str, types.ModuleType]:
    """The modules given to the library, by the names that it imports."""
    pillow_image = _module(
        "PIL.Image",
        PIL.Image,
        ANTIALIAS=PIL.Image.Resampling.LANCZOS,
        fromarray=_with_old_thumbnail(PIL.Image.fromarray),
        open=_with_old_thumbnail(PIL.Image.open),
    )
    return {
        # Also for `import gin.tf`, which binds `gin` alone: today's gin.tf needs
        # `tf.estimator` and `distutils`, which are gone.
        "gin": _module("gin", gin, configurable=_configurable),
        "numpy": _module("numpy", np, float_=np.float64, frombuffer=_frombuffer),
        "PIL": _module("PIL", PIL, Image=pillow_image),
        "imageio": _module("imageio", mimwrite=_save_animation),
        # Threads, for its one use, reading files: a new process would import the
        # library without this module.
        "multiprocessing": _module(
            "multiprocessing", multiprocessing, Pool=multiprocessing.pool.ThreadPool
        ),
        # Today's simplejson refuses NaN, which a metric may well be.
        "simplejson": _module("simplejson", json, JSONEncoder=_JSONEncoder),
        "scipy.cluster": _scipy_cluster(),
        "sklearn": _scikit_learn(),
        "tensorflow.contrib": _module(
            "tensorflow.contrib",
            framework=_needs_tensorflow_1("tensorflow.contrib.framework"),
            tpu=_needs_tensorflow_1("tensorflow.contrib.tpu"),
        ),
        "tensorflow_hub": _module(
            "tensorflow_hub",
            _needs_tensorflow_1("tensorflow_hub"),
            eval_function_for_module=_eval_function_for_module,
        ),
        "distutils": _module(
            "distutils",
            dir_util=_module("distutils.dir_util", copy_tree=_copy_tree),
        ),
        "pkg_resources": _module(
            "pkg_resources",
            resource_filename=lambda *path: str(_resource(*path)),
            resource_listdir=lambda *path: [p.name for p in _resource(*path).iterdir()],
            resource_isdir=lambda *path: _resource(*path).is_dir(),
        ),
    }


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of the library with an `__import__` of its own."""

    def __init__(self, name: str, path: str, adapted: dict[str, types.ModuleType]):
        super().__init__(name, path)
        self._adapted = adapted

    def exec_module(self, module: types.ModuleType) -> None:
        # CPython looks up `__import__` in the globals' `__builtins__`.
        own = {**vars(builtins), "__import__": self._import}
        module.__dict__["__builtins__"] = own
        super().exec_module(module)

    def _import(
        self,
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> Any:
        wanted = name if fromlist else name.partition(".")[0]
        if level == 0 and wanted in self._adapted:
            return self._adapted[wanted]
        return builtins.__import__(name, globals, locals, fromlist, level)


class _Replacement(importlib.abc.Loader):
    """Loads our module in place of one of the library's."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None  # the default; `exec_module` replaces it

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__name__
        sys.modules[name] = importlib.import_module(_REPLACED[name])


class _NoGinTensorFlow(importlib.abc.Loader):
    """Explains what to write instead of `import gin.tf`."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        raise ImportError(
            "gin.tf needs TensorFlow 1 (tf.estimator), and nothing here needs gin.tf: "
            "write `import gin`."
        )

    def exec_module(self, module: types.ModuleType) -> None:
        """Never reached."""


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the library's modules, and `gin.tf`, which it refuses."""

    adapts = _LIBRARY

    def __init__(self) -> None:
        self._adapted = _adapted_modules()

    def would_adapt(self, module: types.ModuleType) -> bool:
        """Whether a module of the library uses one that it should get adapted."""
        used = {getattr(value, "__name__", None) for value in vars(module).values()}
        return module.__name__ in _REPLACED or not used.isdisjoint(self._adapted)

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == "gin.tf":
            return importlib.machinery.ModuleSpec(fullname, _NoGinTensorFlow())
        if fullname.partition(".")[0] != _LIBRARY:
            return None
        if fullname in _REPLACED:
            return importlib.machinery.ModuleSpec(fullname, _Replacement())
        if fullname in _MISSING:
            return importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(
            spec.loader, importlib.machinery.SourceFileLoader
        ):
            spec.loader = _Loader(fullname, spec.loader.path, self._adapted)
        return spec


def _install() -> None:
    if any(getattr(finder, "adapts", None) == _LIBRARY for finder in sys.meta_path):
        return
    check_library()
    if DATA_VARIABLE in os.environ:
        # The library's modules read it when they are imported, and know no `~`.
        os.environ[DATA_VARIABLE] = data_folder()
    finder = _Finder()
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{_LIBRARY}.") and finder.would_adapt(module):
            raise UserError(
                f"{name} was imported too early to be adapted: import {__name__} first."
            )
    sys.meta_path.insert(0, finder)


_install()
