"""Lets disentanglement_lib 1.5 run on today's TensorFlow, NumPy and gin-config.

Importing this module is all: `disentanglement_lib`'s modules can be imported
afterwards, from the unmodified wheel. It was written for TensorFlow 1.14,
gin-config 0.2 and NumPy 1.

Nothing is patched globally. A finder on `sys.meta_path` loads the library's
modules, and those alone, with an `__import__` of their own, which hands them
adapted modules in place of those that changed under them: NumPy with the names
that NumPy 2 took away, gin with the argument names that gin-config 0.4 changed,
small replacements of what is gone (`tensorflow.contrib`, `distutils`,
`pkg_resources`, TF-Hub v1). Every other module of the program sees the real ones.

One module of the library is replaced: `data.ground_truth.named_data`, by
`mvhg_tf.disentanglement.data.named_data`, which knows more data sets. Both would
register the gin name "dataset".
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import shutil
import sys
import types
from pathlib import Path

import gin
import numpy as np
import tensorflow as tf

from mvhg_tf.errors import UserError

_LIBRARY = "disentanglement_lib"
_REPLACED = {
    "disentanglement_lib.data.ground_truth.named_data": (
        "mvhg_tf.disentanglement.data.named_data"
    ),
}


def _module(name: str, base: types.ModuleType | None = None, **names):
    """A module of the given names that otherwise is as `base`."""
    module = types.ModuleType(name)
    if base is not None:
        # The copy makes lookups as fast as in the original; the function serves
        # what the original loads only when asked.
        module.__dict__.update(vars(base))
        module.__getattr__ = functools.partial(getattr, base)
    module.__dict__.update(names)
    return module


def _needs_tensorflow_1(name: str) -> types.ModuleType:
    """A module that can be imported, but not used."""

    def explain(attribute):
        raise AttributeError(
            f"{name}.{attribute} does not exist in TensorFlow 2, so this part of "
            "disentanglement_lib cannot run; use its counterpart in "
            "mvhg_tf.disentanglement."
        )

    return _module(name, __getattr__=explain)


def _configurable(name_or_function=None, blacklist=None, whitelist=None, **arguments):
    """`gin.configurable` with the argument names of gin-config before 0.4."""
    if blacklist is not None:
        arguments["denylist"] = blacklist
    if whitelist is not None:
        arguments["allowlist"] = whitelist
    return gin.configurable(name_or_function, **arguments)


@contextlib.contextmanager
def _eval_function_for_module(path: str):
    """TF-Hub v1's way to call a module's signatures, for a TF 2 SavedModel.

    Yields a function of the inputs (a dict, or the value of the only input), the
    name of a signature, and `as_dict`: whether to return all outputs by name or
    the one called "default" (or the only one) as an array.
    """
    model = tf.saved_model.load(str(path))

    def call(inputs=None, signature="default", as_dict=False):
        function = model.signatures[signature]
        specs = function.structured_input_signature[1]
        if not isinstance(inputs, dict):
            inputs = {name: inputs for name in specs}
        outputs = function(**{k: tf.cast(v, specs[k].dtype) for k, v in inputs.items()})
        outputs = {name: value.numpy() for name, value in outputs.items()}
        if as_dict:
            return outputs
        return outputs["default"] if len(outputs) > 1 else next(iter(outputs.values()))

    yield call


def _resource(package: str, path: str) -> Path:
    return Path(importlib.util.find_spec(package).submodule_search_locations[0], path)


def _adapted_modules() -> dict[str, types.ModuleType]:
    """The modules that the library is given, by the name it imports them by."""
    gin_module = _module("gin", gin, configurable=_configurable, tf=_module("gin.tf"))
    return {
        "gin": gin_module,
        "gin.tf": gin_module.tf,
        "gin.tf.external_configurables": _module("gin.tf.external_configurables"),
        "numpy": _module("numpy", np, float_=np.float64),
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
            dir_util=_module(
                "distutils.dir_util",
                copy_tree=functools.partial(shutil.copytree, dirs_exist_ok=True),
            ),
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
        module.__builtins__ = {**vars(builtins), "__import__": self._import}
        super().exec_module(module)

    def _import(self, name, globals=None, locals=None, fromlist=(), level=0):
        wanted = name if fromlist else name.partition(".")[0]
        if level == 0 and wanted in self._adapted:
            return self._adapted[wanted]
        return builtins.__import__(name, globals, locals, fromlist, level)


class _Replacement(importlib.abc.Loader):
    """Puts a module of ours where the library's would be."""

    def create_module(self, spec):
        return None  # the default; `exec_module` replaces it

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__name__
        sys.modules[name] = importlib.import_module(_REPLACED[name])


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the library's modules, and no others."""

    def __init__(self):
        self._adapted = _adapted_modules()

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] != _LIBRARY:
            return None
        if fullname in _REPLACED:
            return importlib.machinery.ModuleSpec(fullname, _Replacement())
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(
            spec.loader, importlib.machinery.SourceFileLoader
        ):
            spec.loader = _Loader(fullname, spec.loader.path, self._adapted)
        return spec


def _install() -> None:
    if any(
        type(finder).__name__ == _Finder.__name__
        and type(finder).__module__ == __name__
        for finder in sys.meta_path
    ):
        return
    if importlib.util.find_spec(_LIBRARY) is None:
        raise UserError(
            "disentanglement_lib is not installed; install it without its outdated "
            "requirements: pip install --no-deps disentanglement-lib==1.5"
        )
    sys.meta_path.insert(0, _Finder())


_install()
