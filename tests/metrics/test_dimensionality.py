from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from graphcortex.metrics import dimensionality, participation_ratio
from graphcortex.testing import assert_bounds
from tests.metrics.recordings import BAD_STATES, recording

eighths = st.integers(-16, 16).map(lambda n: n / 8)


@st.composite
def small_states(draw) -> torch.Tensor:
    T, B, N = (draw(st.integers(1, 4)) for _ in range(3))
    return torch.tensor(draw(st.lists(eighths, min_size=T * B * N, max_size=T * B * N))).double().view(T, B, N)


def naive_covariance(states: torch.Tensor) -> np.ndarray:
    """Sum over samples, pair of neurons by pair of neurons."""
    T, B, N = states.shape
    mean = [sum(float(states[t, b, i]) for t in range(T) for b in range(B)) / (T * B) for i in range(N)]
    C = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            for t in range(T):
                for b in range(B):
                    C[i, j] += (states[t, b, i] - mean[i]) * (states[t, b, j] - mean[j]) / (T * B - 1)
    return C


@given(states=small_states())
def test_both_follow_their_formulas(states):
    ratio, found = participation_ratio(states), dimensionality(states, variance=0.8)
    if bool((states == states[0, 0]).all()):
        assert math.isnan(ratio.value)
        assert math.isnan(found.value)
        assert ratio.reason == found.reason
        assert ratio.reason in ("a single sample has no variance", "the states do not vary")
        assert not found.spectrum.any()
        return
    C = naive_covariance(states)
    assert ratio.value == pytest.approx(np.trace(C) ** 2 / np.trace(C @ C), rel=1e-9)
    spectrum = np.linalg.eigvalsh(C)[::-1][: found.spectrum.numel()]
    np.testing.assert_allclose(found.spectrum.numpy(), spectrum, atol=1e-12 * spectrum[0])
    share = np.cumsum(spectrum) / spectrum.sum()
    assert found.value == next(k + 1 for k in range(len(share)) if share[k] >= 0.8 - 1e-12)
    samples = states[..., 0].numel()
    assert_bounds([ratio.value, found.value], 1, min(states.size(2), samples - 1), tolerance=1e-9)


@pytest.mark.parametrize(("T", "B", "N"), [(10, 8, 5), (3, 4, 30), (1, 20, 20), (40, 1, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spectrum_is_that_of_scikit_learn(T, B, N, dtype):
    states = recording(T, B, N).to(dtype)
    found = dimensionality(states)
    theirs = PCA().fit(states.double().reshape(-1, N).numpy())
    np.testing.assert_allclose(found.spectrum, theirs.explained_variance_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.explained, theirs.explained_variance_ratio_.cumsum(), rtol=1e-9)


def test_known_dimensions():
    generator = torch.Generator().manual_seed(0)
    # Orthonormal columns without mean: exactly as many dimensions as columns, however they are turned.
    samples = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(samples - samples.mean(0)).Q
    turn = torch.linalg.qr(torch.randn(9, 9, generator=generator, dtype=torch.float64)).Q[:4]
    states = (basis @ turn).view(12, 5, 9) + 3.0
    assert participation_ratio(states).value == pytest.approx(4, rel=1e-12)
    for variance, count in ((1.0, 4), (0.76, 4), (0.75, 3), (0.74, 3), (0.01, 1)):
        assert dimensionality(states, variance=variance).value == count
    line = torch.linspace(-1, 2, 20)[:, None, None] * torch.arange(1.0, 6.0)
    assert participation_ratio(line.double()).value == pytest.approx(1, abs=1e-12)
    assert dimensionality(line.double(), variance=1.0).value == 1


@pytest.mark.parametrize("change", ["trials", "neurons", "shift", "scale", "small", "huge"])
def test_what_does_not_matter(change):
    states = recording(6, 5, 8)
    other = {
        "trials": states.transpose(0, 1),
        "neurons": states[..., torch.randperm(8, generator=torch.Generator().manual_seed(1))],
        "shift": states + torch.arange(8.0),
        "scale": -3 * states,
        "small": states * 1e-200,
        "huge": states * 1e200,
    }[change]
    assert participation_ratio(other).value == pytest.approx(participation_ratio(states).value, rel=1e-9)
    assert dimensionality(other).value == dimensionality(states).value


@pytest.mark.parametrize(("T", "B", "N"), [(9, 3, 11), (5, 2, 40)])
def test_blocks_change_nothing(T, B, N, monkeypatch):
    states = recording(T, B, N)
    whole = participation_ratio(states).value, dimensionality(states).spectrum
    module = sys.modules["graphcortex.metrics.dimensionality"]
    monkeypatch.setattr(module, "_BLOCK", 4)
    monkeypatch.setattr(module, "_ENTRIES", 17)
    assert participation_ratio(states).value == pytest.approx(whole[0], rel=1e-12)
    np.testing.assert_allclose(dimensionality(states).spectrum, whole[1], atol=1e-12)


@pytest.mark.parametrize("value", [0.1, 1e30, -7.3])
def test_neurons_that_do_not_vary_have_exactly_none(value):
    states = torch.full((7, 3, 4), value, dtype=torch.float64)
    assert participation_ratio(states).reason == "the states do not vary"
    states[..., 0] = recording(7, 3, 1)[..., 0]
    assert participation_ratio(states).value == pytest.approx(1, abs=1e-12)


def test_a_spectrum_has_a_limit_and_the_ratio_has_none(monkeypatch):
    module = sys.modules["graphcortex.metrics.dimensionality"]
    monkeypatch.setattr(module, "_MOST_FOR_SPECTRUM", 5)
    with pytest.raises(ValueError, match=r"must .*got"):
        dimensionality(recording(3, 2, 6))
    assert participation_ratio(recording(3, 2, 6)).value > 1


@pytest.mark.parametrize("states", BAD_STATES.values(), ids=BAD_STATES.keys())
@pytest.mark.parametrize("function", [participation_ratio, dimensionality])
def test_rejects_states(function, states):
    with pytest.raises(ValueError, match=r"must .*got"):
        function(states)


@pytest.mark.parametrize("variance", [0, -0.1, 1.1, math.nan, "most"])
def test_rejects_a_share(variance):
    with pytest.raises(ValueError, match=r"must .*got"):
        dimensionality(recording(2, 3, 4), variance=variance)


def test_runs_where_the_states_are(device):
    states = recording(6, 5, 8)
    assert participation_ratio(states.to(device)).value == pytest.approx(participation_ratio(states).value, rel=1e-9)
    spectrum = dimensionality(states.to(device)).spectrum
    np.testing.assert_allclose(spectrum, dimensionality(states).spectrum, rtol=1e-9)
