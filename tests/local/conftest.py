"""What the tests of the local AWS need of the machine."""

import os

import pytest

from deployment import interpreter


@pytest.fixture(scope="session")
def lambdas_python() -> None:
    """Leaves a test out where the Python that Lambda runs is not here; a build must not."""
    try:
        interpreter.find()
    except SystemExit as lacking:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"Left out: {lacking}")
