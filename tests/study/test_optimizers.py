from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from graphcortex.study import KerasAdam
from tests.study._keras import NaiveKerasAdam

# --- Adam as Keras has it

# From far below epsilon, where its place decides the step, to far above.
SCALES = 10.0 ** np.arange(-12, 3)


@pytest.mark.parametrize(
    "settings",
    [{}, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}, {"betas": (0.0, 0.99)}],
    ids=["Keras", "other", "no m"],
)
def test_adam_takes_the_steps_of_keras(settings):
    rng = np.random.default_rng(0)
    expected = rng.normal(size=SCALES.size)
    parameter = nn.Parameter(torch.from_numpy(expected.copy()))
    optimizer = KerasAdam([parameter], **settings)
    beta_1, beta_2 = settings.get("betas", (0.9, 0.999))
    naive = NaiveKerasAdam(settings.get("lr", 1e-3), beta_1, beta_2, settings.get("eps", 1e-7))
    for _ in range(12):
        gradient = rng.normal(size=SCALES.size) * SCALES
        parameter.grad = torch.from_numpy(gradient)
        before = parameter.detach().numpy().copy()
        optimizer.step()
        now = naive.update(expected, gradient)
        np.testing.assert_allclose(parameter.detach().numpy() - before, now - expected, rtol=1e-6, atol=1e-14)
        expected = now


def test_epsilon_counts_before_the_correction_of_the_bias():
    """One step with g = eps, by hand: v = .001 eps^2, so the step is lr sqrt(.001) eps / (sqrt(.001) eps + eps)."""
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = KerasAdam([parameter])
    parameter.grad = torch.full((1,), 1e-7, dtype=torch.float64)
    optimizer.step()
    root = np.sqrt(0.001)
    assert parameter.item() == pytest.approx(-1e-3 * root / (root + 1), rel=1e-6)  # PyTorch's Adam: -.5e-3
