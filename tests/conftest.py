"""Options and fixtures that the whole suite shares."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest
import torch

hypothesis.settings.register_profile("graphcortex", deadline=None, max_examples=40, derandomize=True)
hypothesis.settings.load_profile("graphcortex")

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure():
    """Let Ctrl-C be heard: a shell has what it starts in the background ignore it, and so does what the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="device that the tests of tensors run on: cpu or cuda")
    parser.addoption("--dtype", default="float64", help="precision that the tests of tensors use: float32 or float64")


@pytest.fixture(scope="session")
def device(request) -> torch.device:
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(scope="session")
def dtype(request) -> torch.dtype:
    return getattr(torch, request.config.getoption("--dtype"))


def real_data(folder: str) -> Path:
    """Return a folder of the real connectomes, or skip the test with the reason."""
    root = Path(os.environ.get("GRAPHCORTEX_DATA", ROOT.parent / "shared" / "data"))
    if not (root / folder).is_dir():
        pytest.skip(f"the real data are not here: no folder {folder!r} in {root}; set GRAPHCORTEX_DATA")
    return root / folder


@pytest.fixture(scope="session")
def microns_root() -> Path:
    return real_data("microns-fields")
