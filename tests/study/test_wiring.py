from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from graphcortex.study.wiring import anatomical_communicability
from tests.study._small import connectome


def naive_communicability(W: np.ndarray) -> np.ndarray:
    """Follow the formula: S holds the out-strengths, with 1e-10 added; the exponential is that of scipy."""
    W = np.abs(W)
    S = np.diag((W.sum(axis=1) + 1e-10) ** -0.5)
    return scipy.linalg.expm(S @ W @ S)


# --- the anatomy of C*, as published


def test_communicability_of_the_anatomy_follows_the_formula():
    """Every neuron has outputs here; without outputs, scipy's expm is no oracle (see the next test)."""
    every = connectome(8, synapse_index=[[0, 1, 2, 3, 4, 5, 6, 7, 0], [1, 2, 3, 4, 5, 6, 7, 0, 4]], count=[2] * 8 + [3])
    C = anatomical_communicability(every, "source")
    assert C.dtype == torch.float32
    np.testing.assert_allclose(C.double().numpy(), naive_communicability(every.count_matrix().numpy()), rtol=1e-5)


def test_rows_and_columns_are_not_mixed_up():
    """Walks run from source to target: 0 -> 1 -> 2 with counts 4 and 9, by hand."""
    chain = connectome(3, synapse_index=[[0, 1], [1, 2]], count=[4, 9])
    C = anatomical_communicability(chain, "source").double().numpy()
    a, b = 4 / np.sqrt(4 * 9), 9 / np.sqrt(9 * 1e-10)
    np.testing.assert_allclose(C, [[1, a, a * b / 2], [0, 1, b], [0, 0, 1]], rtol=1e-5)


def test_a_target_without_outputs_has_communicability_out_of_all_scale():
    C = anatomical_communicability(connectome(2, synapse_index=[[0], [1]], count=[2]), "source")
    assert float(C[0, 1]) == pytest.approx(2 / np.sqrt(2 * 1e-10), rel=1e-5)


def test_the_anatomy_needs_synapses():
    with pytest.raises(ValueError, match=r"expected a connectome with synapses, got none; leave out the C\*"):
        anatomical_communicability(connectome(4, synapse_index=np.zeros((2, 0), int), count=np.zeros(0, int)), "source")


@pytest.mark.real_data
def test_communicability_of_the_published_anatomy_breaks_down_as_it_did(published_field):
    W = published_field.count_matrix().numpy()
    assert int((W.sum(axis=1) == 0).sum()) == 166
    C = anatomical_communicability(published_field, "source")
    assert bool(torch.isfinite(C).all())
    assert float(C.max()) == pytest.approx(1.414e5, rel=1e-3)
