"""What the tests of protocols share."""

from __future__ import annotations

from pathlib import Path

import pytest
from protocol_text import TEXT


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT)
    return path
