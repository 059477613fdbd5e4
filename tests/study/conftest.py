"""The published field, read once."""

from __future__ import annotations

import pytest

from graphcortex.data import Connectome, MicronsFields


@pytest.fixture(scope="session")
def published_field(microns_root) -> Connectome:
    return MicronsFields(microns_root, download=False)["6_6_2"]
