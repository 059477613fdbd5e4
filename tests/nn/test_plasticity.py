from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.testing import assert_close
from torch_geometric.data import Batch, Data

from graphcortex.kernels import complete_edge_index
from graphcortex.losses import L1Penalty, LengthCommunicabilityPenalty, LengthPenalty
from graphcortex.nn import (
    GraphRNN,
    StructuralPlasticity,
    TaskClassifier,
    constrain_dale,
    constrain_nonnegative,
    learn_change,
    learn_gain,
)
from graphcortex.nn import _new_pairs as pairs
from graphcortex.nn.plasticity import RULES
from graphcortex.ops import edge_length
from graphcortex.tasks import GoNoGo


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sparse_edges(num_nodes: int, num_edges: int, seed: int = 0) -> torch.Tensor:
    """Return distinct pairs in no order, self-connections among them."""
    key = torch.randperm(num_nodes**2, generator=generator(seed))[:num_edges]
    return torch.stack([key // num_nodes, key % num_nodes])


def positions(num_nodes: int, seed: int = 1) -> torch.Tensor:
    return 100 * torch.rand(num_nodes, 3, generator=generator(seed), dtype=torch.float64)


def network(num_nodes: int = 12, num_edges: int = 40, seed: int = 0, **options) -> GraphRNN:
    rnn = GraphRNN(2, sparse_edges(num_nodes, num_edges, seed), num_nodes, **options).double()
    rnn.reset_parameters(rng=seed)
    return rnn


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
}
CONSTRAINTS = {
    "free": lambda rnn: rnn,
    "nonnegative": constrain_nonnegative,
    "dale": lambda rnn: constrain_dale(rnn, torch.tensor([1.0, -1.0]).repeat(rnn.num_nodes)[: rnn.num_nodes]),
}


def parameter(rnn: GraphRNN) -> torch.nn.Parameter:
    return dict(rnn.named_parameters()).get("parametrizations.edge_weight.original", rnn._parameters.get("edge_weight"))


def train(rnn: GraphRNN, optimizer: torch.optim.Optimizer, steps: int = 3, seed: int = 0) -> None:
    for step in range(steps):
        x = torch.randn(4, 5, 2, generator=generator(seed + step), dtype=torch.float64)
        optimizer.zero_grad()
        rnn(x)[0].square().sum().backward()
        optimizer.step()


def keys(edge_index: torch.Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, edge_index.t().tolist()))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("constrain", CONSTRAINTS.values(), ids=CONSTRAINTS.keys())
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_what_stays_is_carried_along_to_the_last_bit_and_what_grew_begins_anew(make, constrain, rule):
    rnn = constrain(network())
    optimizer = make(rnn.parameters())
    plasticity = StructuralPlasticity(rnn, rule=rule, fraction=0.3)
    train(rnn, optimizer, steps=30)
    if rule == "deep_r" and constrain is CONSTRAINTS["free"]:
        rnn.set_edge_weight(rnn.edge_weight.detach() * torch.where(torch.arange(40) % 5 == 0, -1.0, 1.0))
    weight, edges = parameter(rnn).detach().clone(), rnn.edge_index.clone()
    held = copy.deepcopy(optimizer.state[parameter(rnn)])

    change = plasticity.step(optimizer, rng=0)

    stays = change.origin >= 0
    assert 0 < change.edges.numel() < 40
    assert torch.equal(change.origin[stays], torch.arange(40)[stays])
    assert torch.equal((~stays).nonzero().squeeze(1), change.edges)
    assert torch.equal(parameter(rnn)[stays], weight[stays])
    assert bool((rnn.edge_weight[~stays] != 0).all())
    assert torch.equal(rnn.edge_index[:, stays], edges[:, stays])
    assert torch.equal(change.dropped, edges[:, ~stays])
    assert torch.equal(change.grown, rnn.edge_index[:, ~stays])
    assert bool((parameter(rnn).grad[~stays] == 0).all())
    for name, values in optimizer.state[parameter(rnn)].items():
        if values is not None and values.shape == (40,):
            assert torch.equal(values[stays], held[name][stays])
            assert bool((values[~stays] == 0).all())
        else:
            assert values is None or torch.equal(values, held[name])
    train(rnn, optimizer, steps=1)  # and it goes on


@given(st.integers(2, 9), st.data())
def test_the_count_stays_and_no_pair_is_joined_twice(num_nodes, data):
    num_edges = data.draw(st.integers(1, num_nodes**2 - num_nodes))
    loops = data.draw(st.booleans())
    rnn = network(num_nodes, num_edges, seed=data.draw(st.integers(0, 5)))
    before = keys(rnn.edge_index)
    plasticity = StructuralPlasticity(rnn, fraction=data.draw(st.sampled_from([0.1, 0.5, 1.0])), self_connections=loops)
    weights = rnn.edge_weight.detach().abs()
    change = plasticity.step(None, rng=data.draw(st.integers(0, 5)))
    assert len(keys(rnn.edge_index)) == rnn.edge_index.size(1) == num_edges
    assert keys(rnn.edge_index) == (before - keys(change.dropped)) | keys(change.grown)
    assert change.edges.numel() == round(plasticity.fraction * num_edges)
    if 0 < change.edges.numel() < num_edges:  # the weakest are those dropped
        assert weights[change.edges].max() <= weights[change.origin >= 0].min()
    if not loops:
        assert bool((change.grown[0] != change.grown[1]).all())


def test_the_seed_decides():
    def wired(seed):
        rnn = network()
        StructuralPlasticity(rnn, fraction=0.5).step(None, rng=seed)
        return rnn.edge_index, rnn.edge_weight.detach()

    (edges, weights), (again, same), (other, _) = wired(3), wired(3), wired(4)
    assert torch.equal(edges, again)
    assert torch.equal(weights, same)
    assert not torch.equal(edges, other)
    before = torch.get_rng_state()
    wired(3)
    assert torch.equal(before, torch.get_rng_state())


def test_self_connections_grow_where_they_may():
    rnn = GraphRNN(1, torch.tensor([[0, 1], [1, 0]]), 2)
    assert keys(StructuralPlasticity(rnn, fraction=1.0, self_connections=False).step(None, rng=0).grown) == {
        (0, 1),
        (1, 0),
    }
    grown = [StructuralPlasticity(rnn, fraction=1.0, self_connections=True).step(None, rng=i).grown for i in range(20)]
    assert set().union(*map(keys, grown)) == {(0, 0), (0, 1), (1, 0), (1, 1)}


WAYS = {"from all pairs": pairs.DENSE_PAIRS, "by proposals": 0}


@pytest.mark.parametrize("dense", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("scale", [None, 30.0])
def test_pairs_are_drawn_in_proportion_to_the_law(scale, dense, monkeypatch):
    """The first of two draws has the law's probabilities; the second has them among the pairs that are left."""
    n, taken, pos = 5, torch.tensor([[0, 1, 2], [1, 0, 2]]), positions(5)
    source = generator(0)
    monkeypatch.setattr(pairs, "FEWEST_PROPOSALS", 32)
    drawn = [
        pairs.draw_new_pairs(
            2, taken, n, generator=source, pos=pos, length_scale=scale, self_connections=True, dense_pairs=dense
        )
        for _ in range(1500)
    ]
    free = [(i, j) for i in range(n) for j in range(n) if (i, j) not in keys(taken)]
    law = np.array([1.0 if scale is None else np.exp(-float((pos[i] - pos[j]).norm()) / scale) for i, j in free])
    law /= law.sum()
    first, second = (np.array([free.index(tuple(d[:, k].tolist())) for d in drawn]) for k in (0, 1))
    assert bool((first != second).all())
    of_second = np.array(
        [sum(law[a] * law[b] / (1 - law[a]) for a in range(len(law)) if a != b) for b in range(len(law))]
    )
    for found, expected in ((first, law), (second, of_second)):
        assert stats.chisquare(np.bincount(found, minlength=len(law)), 1500 * expected).pvalue > 0.001


def test_new_edges_are_shorter_with_a_length_scale_and_as_long_as_any_without():
    n, pos = 200, positions(200)
    every = edge_length(pairs_apart(n), pos)
    lengths = {}
    for scale in (None, 20.0):
        rnn = network(n, 2000)
        plasticity = StructuralPlasticity(rnn, fraction=0.3, pos=pos, length_scale_um=scale)
        lengths[scale] = edge_length(plasticity.step(None, rng=5).grown, pos)
    assert stats.ks_2samp(lengths[None], every).pvalue > 0.001
    assert stats.ks_2samp(lengths[20.0], every).pvalue < 1e-9
    assert lengths[20.0].mean() < 0.75 * lengths[None].mean()


def pairs_apart(n: int) -> torch.Tensor:
    edges = complete_edge_index(n)
    return edges[:, edges[0] != edges[1]]


def test_deep_r_drops_those_that_crossed_zero_and_remembers_the_signs():
    rnn = network()
    plasticity = StructuralPlasticity(rnn, rule="deep_r", new_weight=0.2)
    assert plasticity.step(None, rng=0).edges.numel() == 0
    weight = rnn.edge_weight.detach().clone()
    weight[[3, 8]] *= -1
    weight[5] = 0
    rnn.set_edge_weight(weight)
    resumed = StructuralPlasticity(copy.deepcopy(rnn), rule="deep_r")
    resumed.load_state_dict(copy.deepcopy(plasticity.state_dict()))
    for one in (plasticity, resumed):
        assert one.step(None, rng=0).edges.tolist() == [3, 5, 8]
        assert one.step(None, rng=1).edges.numel() == 0
    weight = rnn.edge_weight.detach().clone()
    weight[5] *= -1
    rnn.set_edge_weight(weight)
    assert plasticity.step(None, rng=1).edges.tolist() == [5]


@pytest.mark.parametrize("map", ["softplus", "exponential"])
def test_edges_move_under_a_constraint_whose_gradient_does_not_die(map):
    rnn = constrain_dale(network(), 1 - 2.0 * (torch.arange(12) % 2), map=map)
    optimizer = OPTIMIZERS["adam"](rnn.parameters())
    train(rnn, optimizer)
    weight = rnn.edge_weight.detach().clone()
    change = StructuralPlasticity(rnn, fraction=0.5).step(optimizer, rng=0)
    stays = change.origin >= 0
    assert torch.equal(rnn.edge_weight[stays], weight[stays])
    assert torch.equal(rnn.edge_weight.sign(), (1 - 2.0 * (rnn.edge_index[0] % 2)).double())
    train(rnn, optimizer)


@pytest.mark.parametrize("constrain", ["nonnegative", "dale"])
def test_new_weights_have_the_sign_that_is_asked_for(constrain):
    rnn = CONSTRAINTS[constrain](network())
    change = StructuralPlasticity(rnn, fraction=0.5).step(None, rng=0)
    wanted = torch.ones(20) if constrain == "nonnegative" else 1 - 2.0 * (change.grown[0] % 2)
    assert torch.equal(rnn.edge_weight[change.edges].sign(), wanted.double())


def test_new_weights_are_not_negative_where_the_network_is_projected():
    rnn = network()
    change = StructuralPlasticity(rnn, fraction=1.0, nonnegative=True, new_weight=0.5).step(None, rng=0)
    assert bool((rnn.edge_weight > 0).all())
    rnn = network()
    change = StructuralPlasticity(rnn, fraction=1.0, new_weight=0.5).step(None, rng=0)
    found = rnn.edge_weight[change.edges].detach()
    assert stats.kstest(found, "norm", (0, 0.5)).pvalue > 0.001


@pytest.mark.parametrize("backend", ["csr", "dense"])
def test_the_backends_agree_with_the_reference_after_edges_moved(backend):
    rnn, oracle = network(backend=backend), network(backend="reference")
    x = torch.randn(6, 3, 2, generator=generator(), dtype=torch.float64)
    rnn(x)  # what is sorted for the edges before must not be used for those after
    for net in (rnn, oracle):
        StructuralPlasticity(net, fraction=0.5).step(None, rng=1)
        net(x)[0].square().sum().backward()
    assert_close(rnn(x)[0], oracle(x)[0])
    assert_close(rnn.edge_weight.grad, oracle.edge_weight.grad)
    h = torch.zeros(3, 12, dtype=torch.float64)
    for step in x:
        h = rnn.step(step, h)
    assert_close(rnn(x)[1][0], h)


def test_neurons_that_are_kept_in_another_order_are_rewired_alike(monkeypatch):
    from graphcortex.nn import graph_rnn

    monkeypatch.setattr(graph_rnn, "ORDER_FROM", 1)
    near, plain = network(pos=positions(12)), network()
    x = torch.randn(6, 3, 2, generator=generator(), dtype=torch.float64)
    for net in (near, plain):
        StructuralPlasticity(net, fraction=0.5).step(None, rng=1)
    assert_close(near(x)[0], plain(x)[0])


def test_a_rewired_network_goes_through_its_state_and_trains_on_as_it_would_have():
    rnn = network(backend="csr")
    optimizer = OPTIMIZERS["adam"](rnn.parameters())
    train(rnn, optimizer)
    StructuralPlasticity(rnn, fraction=0.5).step(optimizer, rng=1)
    other = network(backend="csr")
    again = OPTIMIZERS["adam"](other.parameters())
    other.set_edges(rnn.edge_index)  # a state of other edges is refused
    other.load_state_dict(copy.deepcopy(rnn.state_dict()))
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for net, opt in ((rnn, optimizer), (other, again)):
        train(net, opt, seed=7)
    assert torch.equal(rnn.edge_index, other.edge_index)
    assert torch.equal(rnn.edge_weight, other.edge_weight)


def test_penalties_get_the_lengths_of_the_new_edges_in_one_call():
    rnn, pos = network(), positions(12)
    lengths = edge_length(rnn.edge_index, pos)
    given = lengths.clone()
    penalties = torch.nn.ModuleList(
        [L1Penalty(), LengthPenalty(lengths), LengthCommunicabilityPenalty(lengths.float().double(), strength=0.1)]
    )
    values = [p(rnn).item() for p in penalties]
    change = StructuralPlasticity(rnn, fraction=0.5, pos=pos).step(None, rng=0, penalties=penalties)
    expected = edge_length(rnn.edge_index, pos)
    assert not torch.equal(expected, given)
    assert torch.equal(lengths, given)  # the caller's tensor is left as it was
    fresh = [L1Penalty(), LengthPenalty(expected), LengthCommunicabilityPenalty(expected, strength=0.1)]
    for penalty, new, before in zip(penalties, fresh, values, strict=True):
        assert_close(penalty(rnn), new(rnn))
        assert penalty(rnn).item() != before
    assert_close(change.update(given, edge_length(change.grown, pos)), expected)
    assert bool((change.update(given, 7.0)[change.edges] == 7).all())


def test_a_sparse_network_learns_go_nogo_while_its_edges_move():
    task = GoNoGo(fixation_steps=1, stimulus_steps=3, delay_steps=4, decision_steps=1)
    rnn = GraphRNN(3, sparse_edges(24, 80), 24, input_nodes=[0, 1, 2, 3], output_nodes=[20, 21, 22, 23])
    model = TaskClassifier(rnn, 2, rng=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    pos = positions(24).float()
    penalty = LengthPenalty(edge_length(rnn.edge_index, pos), strength=1e-5)
    plasticity = StructuralPlasticity(rnn, fraction=0.1, pos=pos, length_scale_um=50.0)
    trials, source, first = task.sample(64, rng=0), generator(), keys(rnn.edge_index)
    for step in range(60):
        optimizer.zero_grad()
        (torch.nn.functional.cross_entropy(model(trials.inputs), trials.targets) + penalty(rnn)).backward()
        optimizer.step()
        if step % 10 == 4:
            plasticity.step(optimizer, rng=source, penalties=penalty)
    unseen = task.sample(200, rng=1)
    assert float((model(unseen.inputs).argmax(1) == unseen.targets).double().mean()) > 0.95
    assert len(keys(rnn.edge_index)) == 80
    assert len(first - keys(rnn.edge_index)) > 10


def batch() -> GraphRNN:
    one = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2)
    return GraphRNN.from_graph(1, Batch.from_data_list([one, one]))


BAD = {
    "weights that never reach 0": (
        lambda: constrain_dale(network(), torch.ones(12), map="softplus"),
        {"rule": "deep_r"},
        "rnn must have weights that reach 0 for rule 'deep_r'.*got a constraint with map='softplus'",
    ),
    "rule": (network, {"rule": "hebb"}, "rule must be one of 'set', 'deep_r'; got 'hebb'"),
    "no fraction": (network, {"fraction": 0}, "fraction must .*got 0"),
    "length scale without pos": (network, {"length_scale_um": 5.0}, "pos must be given .*got None"),
    "negative length scale": (
        network,
        {"length_scale_um": -5.0, "pos": positions(12)},
        "length_scale_um must .*got -5",
    ),
    "pos of others": (network, {"pos": positions(11)}, r"pos must .*\(12, D\), got .*\(11, 3\)"),
    "pos with NaN": (network, {"pos": positions(12) * torch.nan}, "pos must be finite"),
    "new weight": (network, {"new_weight": 0.0}, "new_weight must .*got 0"),
    "two graphs": (batch, {}, "rnn must be one graph, got 2"),
    "repeats": (lambda: GraphRNN(1, torch.tensor([[0, 0], [1, 1]]), 2), {}, "no pair of neurons twice"),
    "a gain per edge": (lambda: learn_gain(network(), torch.ones(40)), {}, "edges must not move .*got Gain"),
    "an offset per edge": (lambda: learn_change(network(), torch.ones(40)), {}, "edges must not move .*got Offset"),
}


@pytest.mark.parametrize(("make", "options", "message"), BAD.values(), ids=BAD.keys())
def test_rejects(make, options, message):
    with pytest.raises(ValueError, match=message):
        StructuralPlasticity(make(), **options)


def full() -> GraphRNN:
    return GraphRNN(1, complete_edge_index(3), 3).double()


BAD_STEPS = {
    "another network's optimizer": (
        network,
        {},
        lambda: torch.optim.SGD(network().parameters()),
        {},
        "optimizer must train the edges",
    ),
    "no pair left": (full, {"fraction": 0.5}, lambda: None, {}, "count must be at most .*2; got 4"),
    "lengths without pos": (
        network,
        {},
        lambda: None,
        {"penalties": LengthPenalty(torch.ones(40))},
        "pos must be given",
    ),
    "lengths in another unit": (
        network,
        {"pos": positions(12)},
        lambda: None,
        {"penalties": LengthPenalty(torch.ones(40))},
        "distances between pos.*LengthPenalty",
    ),
    "no randomness": (network, {}, lambda: None, {"rng": None}, "rng must .*got None"),
}


@pytest.mark.parametrize(("make", "options", "optimizer", "call", "message"), BAD_STEPS.values(), ids=BAD_STEPS.keys())
def test_a_step_that_is_refused_changes_nothing(make, options, optimizer, call, message):
    rnn = make()
    plasticity = StructuralPlasticity(rnn, **options)
    before = copy.deepcopy(rnn.state_dict())
    with pytest.raises(ValueError, match=message):
        plasticity.step(optimizer(), **{"rng": 0, **call})
    assert all(torch.equal(value, before[name]) for name, value in rnn.state_dict().items())


def test_too_few_pairs_within_reach_is_an_error(monkeypatch):
    monkeypatch.setattr(pairs, "MOST_ROUNDS", 2)
    with pytest.raises(ValueError, match=r"10 new pairs must be within reach, got 0 .*1e-09"):
        pairs.draw_new_pairs(
            10, torch.zeros(2, 0).long(), 50, generator=generator(), pos=positions(50), length_scale=1e-9, dense_pairs=0
        )


def test_a_state_of_other_edges_is_refused():
    plasticity = StructuralPlasticity(network())
    for state in ({}, {"sign": torch.ones(3)}):
        with pytest.raises(ValueError, match=r"state must .*\(40,\); got"):
            plasticity.load_state_dict(state)


def test_a_dale_without_the_signs_of_neurons_cannot_follow():
    from torch.nn.utils import parametrize

    from graphcortex.nn import Dale

    rnn = network()
    parametrize.register_parametrization(rnn, "edge_weight", Dale(torch.ones(40).double()))
    with pytest.raises(ValueError, match="neuron_sign must be given"):
        StructuralPlasticity(rnn)


def test_update_wants_a_value_per_edge():
    change = StructuralPlasticity(network()).step(None, rng=0)
    with pytest.raises(ValueError, match=r"edge_values must .*\(40,\), got \(4,\)"):
        change.update(torch.ones(4), 0.0)


@pytest.mark.parametrize(
    ("edges", "weights", "message"),
    [
        (torch.zeros(2, 3).long(), None, "as many edges as the network, 40, got 3"),
        (torch.full((2, 40), 12), None, "must lie in 0 .. 11"),
        (sparse_edges(12, 40), torch.ones(3), "one value per edge"),
    ],
)
def test_set_edges_refuses_what_does_not_fit_and_changes_nothing(edges, weights, message):
    rnn = network()
    before = rnn.edge_index.clone()
    with pytest.raises(ValueError, match=message):
        rnn.set_edges(edges, weights)
    assert torch.equal(rnn.edge_index, before)


def test_set_edges_makes_the_network_of_those_edges():
    rnn, edges, weights = network(), sparse_edges(12, 40, seed=8), torch.linspace(-1, 1, 40, dtype=torch.float64)
    held = rnn.edge_weight
    rnn.set_edges(edges, weights)
    other = GraphRNN(2, edges, 12).double()
    other.load_state_dict(rnn.state_dict())
    x = torch.randn(4, 3, 2, generator=generator(), dtype=torch.float64)
    assert rnn.edge_weight is held
    assert rnn.edge_index is not edges
    assert_close(rnn(x)[0], other(x)[0])
