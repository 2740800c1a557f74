import gin
import pytest


@pytest.fixture(autouse=True)
def no_gin_bindings():
    """Each test starts and ends without bindings of another."""
    gin.clear_config()
    yield
    gin.clear_config()
