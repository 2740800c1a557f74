"""Where disentanglement_lib and the data sets are. Light to import."""

import importlib.util
import os

from mvhg_tf.runs.errors import UserError

DATA_VARIABLE = "DISENTANGLEMENT_LIB_DATA"


def check_library() -> None:
    """Refuses to continue without disentanglement_lib.

    Raises:
      UserError: if it is not installed.
    """
    if importlib.util.find_spec("disentanglement_lib") is None:
        raise UserError(
            "disentanglement_lib is not installed: install it without its outdated "
            "requirements, with `pip install --no-deps disentanglement-lib==1.5`, and "
            "then run `mvhg_setup_programs`."
        )


def data_folder() -> str:
    """The folder of all data sets, in which the loaders look."""
    return os.path.expanduser(os.environ.get(DATA_VARIABLE, "."))
