from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch

from graphcortex._random import derive_seed
from graphcortex.data import Connectome
from graphcortex.losses import CommunicabilityEMD, L1Penalty, LengthCommunicabilityPenalty, LengthPenalty
from graphcortex.study import PUBLISHED_VARIANTS, Protocol, Variant, build_network, build_penalties, initial_weights
from graphcortex.tasks import TASKS, get_task
from tests.study._small import SHORT, arrays, connectome, matrix

PUBLISHED = Protocol.published()
NAMES = [str(variant) for variant in PUBLISHED_VARIANTS]
RELATIONS = {
    "correlation-sttc": ("correlation", "sttc"),
    "sttc": ("sttc",),
    "precision-sttc": ("precision", "sttc"),
}


def draws(N: int, seed: int) -> np.ndarray:
    """Return the log-normal draws of a seed; only the stream of random numbers is shared with the package."""
    rng = torch.Generator().manual_seed(derive_seed("recurrent weights", seed))
    return np.exp(-0.5 + 0.5 * torch.randn(N * N, generator=rng, dtype=torch.float64).numpy()).reshape(N, N)


def naive_w_star(relations: list[np.ndarray], seed: int) -> np.ndarray:
    """Follow the released code, step by step."""
    N = len(relations[0])
    W = draws(N, seed)
    for F in relations:
        W = W * ((F - F.min()) / (F.max() - F.min()))
    W = W * (0.1 / W.mean())
    for i in range(N):
        for j in range(N):
            if W[i, j] != 0 and W[i, j] < 0.01:
                W[i, j] = 0.01
    return W / np.abs(np.linalg.eigvals(W)).max() * 0.95


def full(given: dict, name: str) -> np.ndarray:
    M = np.diag(np.asarray(given[f"self_{name}"], dtype=float))
    M[tuple(given["coactivity_index"])] = given[name]
    return M


def weights(graph: Connectome, name: str, *, seed: int = 0, protocol: Protocol = PUBLISHED) -> np.ndarray:
    return matrix(initial_weights(graph, Variant.parse(name), protocol, seed=seed))


# --- initial weights


@pytest.mark.parametrize("functional", RELATIONS)
@pytest.mark.parametrize("N", [2, 7, 12])
def test_w_star_follows_the_formula(N, functional):
    given = arrays(N, seed=N)
    if N == 2:  # the one pair would be 0 throughout: no weights but the diagonal, which is allowed
        given["correlation"] = np.array([0.1, 0.1])
    expected = naive_w_star([full(given, name) for name in RELATIONS[functional]], seed=5)
    got = weights(Connectome.from_arrays(**given), "W*DC", seed=5, protocol=replace(PUBLISHED, functional=functional))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("functional", RELATIONS)
def test_w_star_has_its_radius_and_keeps_its_zeros(functional):
    given = arrays(10)
    W = weights(connectome(10), "W*", protocol=replace(PUBLISHED, functional=functional))
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(0.95, rel=1e-5)
    lowest = np.zeros((10, 10), dtype=bool)
    for name in RELATIONS[functional]:
        lowest |= full(given, name) == full(given, name).min()
    np.testing.assert_array_equal(W == 0, lowest)
    assert W[~lowest].min() > 0


def test_w_star_is_not_symmetric_although_its_relations_are():
    W = weights(connectome(10), "W*")
    assert np.abs(W - W.T).max() > 1e-3


@pytest.mark.parametrize("name", ["W", "WD", "WD*C*"])
def test_w_is_orthogonal(name):
    W = weights(connectome(10), name)
    np.testing.assert_allclose(W @ W.T, np.eye(10), atol=1e-5)


def test_variants_share_the_draws_of_a_seed():
    graph = connectome(10)
    for names in (("W", "WD", "WDC", "WD*C*"), ("W*", "W*D*C", "W*DC*"), ("W!", "W!D*C", "W!D*C*")):
        first, *others = (weights(graph, name, seed=3) for name in names)
        for other in others:
            np.testing.assert_array_equal(first, other)
        assert not np.array_equal(first, weights(graph, names[0], seed=4))


def test_the_connectome_does_not_change_the_draws_of_w():
    np.testing.assert_array_equal(weights(connectome(8, seed=0), "W"), weights(connectome(8, seed=1), "W"))


@pytest.mark.parametrize("seed", range(3))
def test_w_renamed_is_the_w_star_of_its_seed(seed):
    star, renamed = (weights(connectome(10), name, seed=seed) for name in ("W*D*C", "W!D*C"))
    assert not np.array_equal(star, renamed)
    order = [int(np.flatnonzero(np.diag(star) == value)[0]) for value in np.diag(renamed)]
    np.testing.assert_array_equal(star[np.ix_(order, order)], renamed)


def test_w_star_needs_recordings_and_w_does_not():
    given = arrays(6)
    wired = Connectome.from_arrays(given["pos"], given["synapse_index"], given["count"])
    assert weights(wired, "W").shape == (6, 6)
    for name in ("W*", "W!"):
        with pytest.raises(ValueError, match="recorded pairs"):
            weights(wired, name)


@pytest.mark.real_data
def test_w_star_of_the_published_field_is_mostly_self_connections(published_field):
    """The radius goes by the largest of 312 draws, so the means vary by seed; reported are .210 and .00095."""
    W = [weights(published_field, "W*", seed=seed) for seed in range(3)]
    given = [published_field.coactivity_matrix(name).numpy() for name in ("correlation", "sttc")]
    np.testing.assert_allclose(W[0], naive_w_star(given, seed=0), rtol=1e-4)
    diagonal = [np.diag(w).mean() for w in W]
    others = [w[~np.eye(312, dtype=bool)].mean() for w in W]
    assert 0.15 < min(diagonal) <= max(diagonal) < 0.32
    assert 0.0007 < min(others) <= max(others) < 0.0016
    assert np.divide(diagonal, others).mean() == pytest.approx(0.210 / 0.00095, rel=0.1)


# --- the network


@pytest.mark.parametrize("task", TASKS)
def test_the_network_is_that_of_the_study(task):
    graph, task = connectome(10), get_task(task)
    model = build_network(graph, Variant.parse("W*D*C"), task, PUBLISHED, seed=2)
    assert model.input_noise == 0.05
    assert model.rnn.nonlinearity == "relu"
    assert model.rnn.alpha == 1
    assert model.rnn.noise == 0
    assert model.rnn.input_weight.shape == (task.input_size, 10)
    assert model.readout.weight.shape == (task.num_classes, 10)
    assert not model.rnn.bias.any()
    assert not model.readout.bias.any()
    np.testing.assert_array_equal(matrix(model.rnn.edge_weight), weights(graph, "W*D*C", seed=2))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    for weight in (model.rnn.input_weight.detach(), model.readout.weight.detach()):  # Glorot uniform
        bound = np.sqrt(6 / sum(weight.shape))
        assert 0.8 * bound < float(weight.abs().max()) <= bound * (1 + 1e-6)


def test_networks_of_one_seed_differ_in_their_recurrent_weights_alone():
    def parameters(name, seed):
        model = build_network(connectome(10), Variant.parse(name), get_task("go_nogo"), SHORT, seed=seed)
        return dict(model.named_parameters())

    a, b, other = parameters("W*D*C", 0), parameters("WD", 0), parameters("WD", 1)
    same = {name for name in a if torch.equal(a[name], b[name])}
    assert same == set(a) - {"rnn.edge_weight"}
    changed = {name for name in a if not torch.equal(b[name], other[name])}
    assert changed == {"rnn.edge_weight", "rnn.input_weight", "readout.weight"}


# --- penalties


def naive_penalty(graph: Connectome, name: str, W: np.ndarray) -> float:
    """Follow the table of the study, with dense matrices; needs outputs of every neuron (expm of scipy)."""
    N = len(W)
    W = np.abs(W)
    if "D" not in name:
        return W.sum()  # lambda is not applied
    if "D*" in name:
        rows = (graph.pos.double().numpy() / [0.004, 0.004, 0.04]).round().reshape(3, N)
        x = [(row - row.min()) / (row.max() - row.min()) for row in rows]
    else:
        side = int(np.sqrt(N / 2))
        columns = int(np.ceil(N / 2 / side))
        sites = [(a, b, c) for b in range(columns) for a in range(side) for c in range(2)][:N]
        x = np.array(sites, dtype=float).T
    D = np.sqrt(sum((axis[:, None] - axis[None, :]) ** 2 for axis in x))

    def communicability(A):
        S = np.diag((A.sum(axis=1) + 1e-10) ** -0.5)
        out = scipy.linalg.expm(S @ A @ S)
        np.fill_diagonal(out, 0)
        return out

    if name.endswith("C"):
        return 0.3 * (W * D * communicability(W)).sum()
    cost = 0.3 * (W * D).sum()
    if name.endswith("C*"):
        anatomy = communicability(graph.count_matrix().numpy())
        cost += 0.1 * np.abs(np.sort(anatomy.ravel()) - np.sort(communicability(W).ravel())).mean()
    return cost


def ring(N: int) -> Connectome:
    """A small connectome in which every neuron has outputs, so that scipy's exponential is an oracle."""
    source = np.arange(N)
    return connectome(
        N,
        synapse_index=np.stack([np.concatenate([source, [0]]), np.concatenate([(source + 1) % N, [N // 2]])]),
        count=np.array([*(1 + source % 3), 4]),
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_penalty_of_each_variant_follows_the_table(name):
    graph = ring(8)
    model = build_network(graph, Variant.parse(name), get_task("go_nogo"), PUBLISHED, seed=0)
    penalties = build_penalties(graph, Variant.parse(name), PUBLISHED).double()
    rnn = model.rnn.double()
    rng = np.random.default_rng(0)
    for W in (matrix(rnn.edge_weight), rng.normal(size=(8, 8))):
        rnn.set_edge_weight(torch.from_numpy(W.ravel()))
        total = sum(penalty(rnn).item() for penalty in penalties)
        assert total == pytest.approx(naive_penalty(graph, name, W), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_of_each_penalty_is_that_of_the_table(name):
    """Central differences of the oracle: the gradient runs through C too, and that of C* is not lost."""
    graph = ring(6)
    model = build_network(graph, Variant.parse(name), get_task("go_nogo"), PUBLISHED, seed=0)
    rnn = model.rnn.double()
    W = np.random.default_rng(1).normal(size=(6, 6))
    rnn.set_edge_weight(torch.from_numpy(W.ravel()))
    sum(penalty(rnn) for penalty in build_penalties(graph, Variant.parse(name), PUBLISHED).double()).backward()
    got, h = matrix(rnn.edge_weight.grad), 1e-6
    for i, j in ((0, 1), (2, 5), (4, 3), (3, 3)):
        up, down = W.copy(), W.copy()
        up[i, j] += h
        down[i, j] -= h
        slope = (naive_penalty(graph, name, up) - naive_penalty(graph, name, down)) / (2 * h)
        assert got[i, j] == pytest.approx(slope, rel=1e-4, abs=1e-7)


KINDS = {
    "W": [(L1Penalty, 1.0)],
    "WD": [(LengthPenalty, 0.3)],
    "W*D*C": [(LengthCommunicabilityPenalty, 0.3)],
    "WD*C*": [(LengthPenalty, 0.3), (CommunicabilityEMD, 0.1)],
}


@pytest.mark.parametrize(("name", "kinds"), KINDS.items())
def test_penalties_by_kind_and_strength(name, kinds):
    penalties = build_penalties(connectome(6), Variant.parse(name), PUBLISHED)
    assert [(type(penalty), penalty.strength) for penalty in penalties] == kinds
    assert all(getattr(penalty, "normalization", "source") == "source" for penalty in penalties)


def test_strengths_are_those_of_the_protocol():
    protocol = replace(PUBLISHED, l1_strength=2.0, length_strength=3.0, emd_strength=4.0, normalization="both")
    for name, strengths in {"W": [2.0], "WD": [3.0], "WDC": [3.0], "WDC*": [3.0, 4.0]}.items():
        penalties = build_penalties(connectome(6), Variant.parse(name), protocol)
        assert [penalty.strength for penalty in penalties] == strengths
        assert all(getattr(penalty, "normalization", "both") == "both" for penalty in penalties)


def test_only_c_star_needs_synapses():
    bare = connectome(6, synapse_index=np.zeros((2, 0), int), count=np.zeros(0, int))
    for name in NAMES:
        if name.endswith("C*"):
            with pytest.raises(ValueError, match="got none; leave out"):
                build_penalties(bare, Variant.parse(name), PUBLISHED)
        else:
            build_penalties(bare, Variant.parse(name), PUBLISHED)


def test_the_method_of_the_protocol_is_that_of_the_penalty():
    protocol = replace(PUBLISHED, communicability_method="stochastic", communicability_probes=8)
    graph, variant = ring(8), Variant.parse("WD*C")
    rnn = build_network(graph, variant, get_task("go_nogo"), protocol, seed=0).rnn
    (exact,) = build_penalties(graph, variant, PUBLISHED)
    assert (exact.method, exact(rnn).item()) == ("exact-dense", exact(rnn).item())
    streams = []
    for seed in (0, 0, 1):
        (penalty,) = build_penalties(graph, variant, protocol, seed=seed)
        assert (penalty.method, penalty.probes, penalty.normalization) == ("stochastic", 8, "source")
        streams.append([penalty(rnn).item() for _ in range(200)])
    assert streams[0] == streams[1] != streams[2]
    # 400 draws within 4.5 standard errors: a false alarm in 1 of 147,000 seeds.
    draws = np.array(streams[0] + streams[2])
    assert abs(draws.mean() - exact(rnn).item()) < 4.5 * draws.std() / 20
