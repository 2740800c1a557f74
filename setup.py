"""For tools that look for this file: all is in pyproject.toml."""

from setuptools import setup

setup()
