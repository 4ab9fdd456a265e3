"""What tests of targets share."""

from pathlib import Path

import pytest

from tests.targets.delegates import build_delegate


@pytest.fixture(scope="session")
def delegate_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_delegate(tmp_path_factory.mktemp("delegate"))
