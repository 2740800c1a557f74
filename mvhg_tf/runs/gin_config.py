"""A gin configuration for one call, with mistakes reported in one sentence."""

import contextlib
import functools
import importlib.util
import inspect
import logging
import os
import re
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO, TypeVar

import gin

from mvhg_tf.runs import gin_checks, gin_macros, limits
from mvhg_tf.runs.errors import UserError, message_of

Result = TypeVar("Result")

_folders = [""]  # the gin files being read, the innermost one last


@gin.config.register_finalize_hook
def _resolve_and_check(config: Mapping) -> dict[tuple[str, str, str], object]:
    bindings = gin_macros.resolve(config)
    gin_checks.check(bindings)
    return bindings


def _place_of(path: str) -> str:
    """A file that another one includes: beside it, or else as it is named."""
    beside = os.path.join(_folders[-1], path)
    return beside if os.path.isfile(beside) else path


@contextlib.contextmanager
def _open_gin_file(path: str) -> Iterator[TextIO]:
    place = _place_of(path)
    _folders.append(os.path.dirname(place))
    try:
        with open(place, encoding="utf-8") as file:
            yield file
    finally:
        _folders.pop()


def _found(exists: Callable[[str], bool]) -> Callable[[str], bool]:
    """Whether one of gin's own readers finds a file, which is False where it fails.

    The one that looks into packages raises a TypeError for a path whose first folder is
    a package that holds no such file.
    """

    def found(path: str) -> bool:
        try:
            return exists(path)
        except (AttributeError, ImportError, TypeError, ValueError):
            return False

    return found


gin.config._FILE_READERS[:] = [
    (reader, _found(exists)) for reader, exists in gin.config._FILE_READERS
]
# Before gin's own reader, which looks in the working directory alone.
gin.config._FILE_READERS.insert(
    0, (_open_gin_file, lambda path: os.path.isfile(_place_of(path)))
)

# Parsing runs only the user's own files and bindings.
PARSE_ERRORS = (
    AttributeError,
    ImportError,
    MemoryError,
    NameError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)


@contextlib.contextmanager
def configured(
    config_files: Sequence[str] | None = None, bindings: Sequence[str] | None = None
) -> Iterator[None]:
    """Runs the block with a gin configuration, which is cleared afterwards.

    Args:
      config_files: paths of gin files, read in their order.
      bindings: such as "model.random_seed = 1"; they override the files.

    Raises:
      UserError: if a file is missing or does not parse, a name is unknown, a value
        is of the wrong type, or, in the block, a required value is missing.
    """
    try:
        _parse(config_files or [], bindings or [])
        with _missing_values_explained():
            yield
    finally:
        gin.clear_config()


def configurable(name: str, **arguments: Any) -> Callable:
    """`gin.configurable` that also checks the arguments of calls.

    A wrong argument from Python code gets the same message as a wrong binding.

    Args:
      name: of the configurable.
      **arguments: as gin takes them; what it can't bind is not checked.
    """

    def decorate(target: Callable) -> Callable:
        allowed = arguments.get("allowlist")
        denied = arguments.get("denylist", ())
        if allowed is None:
            allowed = [
                p for p in inspect.signature(target).parameters if p not in denied
            ]
        check = limits.checked(name, allowed)
        if inspect.isclass(target):
            target.__init__ = check(target.__init__)  # type: ignore[method-assign]
        else:
            target = check(target)
        return gin.configurable(name, **arguments)(target)

    return decorate


def with_gin(
    run: Callable[..., Result],
    check_bindings: Callable[[Sequence[str]], None] | None = None,
) -> Callable[..., Result]:
    """Turns a configurable run into a function that also takes its configuration.

    Args:
      run: its parameters up to `overwrite` are those that gin does not bind.
      check_bindings: called with the bindings first, under the configuration.

    Returns:
      A function of the parameters of `run` up to `overwrite`, then `gin_config_files`
      (paths, read in their order) and `gin_bindings` (such as
      "model.random_seed = 1"; they win over the files); others of `run` by name. It
      clears the configuration afterwards. It raises a UserError for a mistake in any
      of these, before anything is deleted.
    """
    names = [*inspect.signature(run).parameters]
    names = names[: names.index("overwrite") + 1]
    own = [inspect.signature(run).parameters[name] for name in names]
    files, bindings = (
        own[-1].replace(name=name, default=(), annotation=Sequence[str] | None)
        for name in ("gin_config_files", "gin_bindings")
    )
    others = inspect.Parameter("others", inspect.Parameter.VAR_KEYWORD)
    signature = inspect.Signature([*own, files, bindings, others])

    @functools.wraps(run)
    def run_with_gin(*args: Any, **kwargs: Any) -> Result:
        given = signature.bind(*args, **kwargs).arguments
        files = given.pop("gin_config_files", None)
        bindings = given.pop("gin_bindings", None)
        with configured(files, bindings):
            if check_bindings is not None:
                check_bindings(bindings or [])
            return run(**given.pop("others", {}), **given)

    run_with_gin.__name__ = f"{run.__name__}_with_gin"
    run_with_gin.__signature__ = signature  # type: ignore[attr-defined]
    return run_with_gin


def query(parameter: str, default: Any = None) -> Any:
    """The value bound to a parameter such as "dataset.name", or the default."""
    try:
        return gin.query_parameter(parameter)
    except ValueError:
        return default


def _parse(config_files: Sequence[str], bindings: Sequence[str]) -> None:
    for path in config_files:
        with (
            _parse_errors_explained(f"The gin file {path}"),
            _quiet_gin(),
            _modules_found_in("", os.path.dirname(os.path.abspath(path))),
        ):
            gin.parse_config_file(path)
    for binding in bindings:
        with (
            _parse_errors_explained(f"The gin binding {binding!r}"),
            _quiet_gin(),
            _modules_found_in(""),
        ):
            gin.parse_config(binding)
    with _parse_errors_explained("The gin configuration"):
        gin.finalize()


@contextlib.contextmanager
def _modules_found_in(*folders: str) -> Iterator[None]:
    """Lets `import` in a gin file find the user's own modules, after all others.

    Args:
      *folders: "" is the working directory, where a program's Python doesn't look.
    """
    added = [folder for folder in folders if folder not in sys.path]
    sys.path.extend(added)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)


@contextlib.contextmanager
def _quiet_gin() -> Iterator[None]:
    """Keeps gin from logging missing files, which raise an error anyway."""
    previous = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(previous)


@contextlib.contextmanager
def _parse_errors_explained(what: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except PARSE_ERRORS as error:
        raise UserError(f"{what} {_parse_problem(error)}.") from error


def _parse_problem(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nests too deeply: look for a file that includes itself"
    message = message_of(error)
    token = re.search(r"Failed to parse token '(.*?)'", message)
    if token:
        return f"gives {token[1]}, which is not a value (strings need quotes)"
    if isinstance(error, UnicodeDecodeError):
        return "is not a text file"
    module = re.search(r"No module named '(.+?)'", message)
    if module:
        return (
            f"imports {module[1]}, which can't be found: run this in the folder of "
            f"{module[1]}.py, put that file next to the gin file, or add its folder to "
            "PYTHONPATH"
        )
    unopened = re.search(r"Unable to open file: (.*?)\. Searched", message)
    if unopened:
        return f"can't be read, as there is no file {unopened[1]}: check the path"
    return f"can't be used: {message}".rstrip(".")


@contextlib.contextmanager
def _missing_values_explained() -> Iterator[None]:
    """Explains gin's errors about values that are not bound anywhere."""
    try:
        yield
    except UserError:
        raise
    except (RuntimeError, TypeError) as error:
        found = re.search(
            r"Required bindings for `(.+?)` not provided in config: \[(.+?)\]"
            r"|No values supplied by Gin or caller for arguments: \[(?P<names>.+?)\]"
            r".*?In call to configurable '(?P<name>.+?)'",
            str(error),
            re.DOTALL,
        )
        if found is None:
            raise
        owner, names = found[1] or found["name"], found[2] or found["names"]
        missing = [f"{owner}.{name}" for name in re.findall(r"'(.+?)'", names)]
        raise UserError(
            f"No value is bound to {', '.join(missing)}: bind one in a gin file or "
            f"with --gin_bindings='{missing[0]} = ...'."
        ) from error
