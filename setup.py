"""What mvhg_tf is made of and what it needs: the one place for both.

disentanglement_lib cannot be among the requirements: its version 1.5 pins
tensorflow_probability 0.7. Install it without its requirements, which are listed
here, and best before this package, whose dlib_download_data then replaces its shell
script (the order does not matter to the others):

    pip install --no-deps disentanglement-lib==1.5
    pip install -e .
"""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent

# TFP 0.25 needs TensorFlow 2.18, the tf-keras of TensorFlow's own version and, from
# Python 3.12 on, setuptools, for distutils. NumPy 1 makes 64-bit integers of static
# sizes, which TensorFlow does not mix with its own; SciPy and the others: the first
# made for NumPy 2.
REQUIREMENTS = [
    "tensorflow>=2.18",
    "tensorboard>=2.18",
    "tensorflow-probability>=0.25",
    "tf-keras>=2.18",
    "keras>=3.5",
    "setuptools>=64",
    "gin-config==0.5.*",
    "numpy>=2",
    "scipy>=1.13",
    "scikit-learn>=1.6",
    "matplotlib>=3.9",
    "tqdm>=4.65",
    "h5py>=3.11",
    "absl-py>=1.4",
    "threadpoolctl>=3.1",
    "joblib>=1.3",
    "markdown>=3.6",
    "requests>=2.31",
    "urllib3>=2.0.2",
]
# What the parts of disentanglement_lib that we use import besides. Its other needs
# (tensorflow_hub, simplejson, imageio, future) are served by
# mvhg_tf.disentanglement.compat.
DISENTANGLEMENT_LIB_REQUIREMENTS = [
    "pandas>=2.2.2",
    "pillow>=10",
    "seaborn>=0.13.2",
    "six>=1.16",
]
# What `mvhg_reproduce --backend` needs on a cluster.
CLUSTER_REQUIREMENTS = {"dask": ["dask[distributed]>=2023.5"], "ray": ["ray>=2.5"]}
# On which the tests passed, as CONTRIBUTING.md says; TensorFlow 2.21 has no wheels for
# Python 3.14.
PYTHON_VERSIONS = ["3.10", "3.11", "3.12", "3.13"]
# The site, which the tests build too.
DOCS_REQUIREMENTS = [
    "mkdocs>=1.6",
    "mkdocs-material>=9.5",
    "mkdocstrings[python]>=0.27",
    # The last mkdocstrings for Python 3.10 does not know the pymdown-extensions after.
    "pymdown-extensions<12; python_version < '3.11'",
]
TEST_REQUIREMENTS = [
    "hypothesis>=6",
    "markdown-it-py>=3",
    "packaging>=23",
    "pytest>=8",
    "pytest-xdist>=3.5",
    "ruff>=0.8",
    *DOCS_REQUIREMENTS,
]
PROGRAMS = [
    "dlib_train",
    "dlib_train_semi_supervised",
    "dlib_train_weakly_supervised",
    "dlib_postprocess",
    "dlib_evaluate",
    "dlib_aggregate_results",
    "dlib_udr",
    "dlib_reason",
    "dlib_reproduce",
    "dlib_reproduce_weakly_supervised",
    "dlib_download_data",
    "dlib_visualize_model",
    "dlib_visualize_dataset",
]
EXPERIMENTS = {
    "mvhg_cluster": "mvhg_tf.programs.mvhg_cluster:main",
    "mvhg_ks_test": "mvhg_tf.programs.mvhg_ks_test:main",
    "mvhg_minimal_example": "mvhg_tf.programs.mvhg_minimal_example:main",
    "mvhg_reproduce": "mvhg_tf.programs.mvhg_reproduce:main",
}


class BuildWithStartupLine(build_py):
    """Puts `mvhg_tf_programs.pth` beside the package, in editable installs too."""

    def run(self):
        super().run()
        if self.editable_mode:
            site_packages = self.get_finalized_command("install").install_lib
        else:
            site_packages = self.build_lib
        self.mkpath(site_packages)
        self.copy_file(
            str(ROOT / "mvhg_tf_programs.pth"),
            os.path.join(site_packages, "mvhg_tf_programs.pth"),
            preserve_mode=False,
        )


def version() -> str:
    text = (ROOT / "mvhg_tf" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)[1]


setup(
    name="mvhg_tf",
    version=version(),
    description=(
        "The differentiable multivariate noncentral hypergeometric distribution in "
        "TensorFlow 2, with weakly supervised disentanglement"
    ),
    license="Apache-2.0",
    packages=find_packages(include=["mvhg_tf", "mvhg_tf.*"]),
    package_data={"mvhg_tf": ["py.typed"]},
    py_modules=["mvhg_tf_programs"],
    cmdclass={"build_py": BuildWithStartupLine},
    python_requires=">=3.10,<3.14",
    classifiers=[
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: {name}" for name in PYTHON_VERSIONS),
    ],
    install_requires=REQUIREMENTS + DISENTANGLEMENT_LIB_REQUIREMENTS,
    extras_require={
        "test": TEST_REQUIREMENTS,
        "docs": DOCS_REQUIREMENTS,
        **CLUSTER_REQUIREMENTS,
    },
    entry_points={
        "console_scripts": [
            *(f"{name} = mvhg_tf_programs:main" for name in PROGRAMS),
            *(f"{name} = {main}" for name, main in EXPERIMENTS.items()),
        ]
    },
)
