from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from graphcortex.kernels import complete_edge_index
from graphcortex.nn import Ensemble, GraphRNN, TaskClassifier

N, T, B, CHANNELS = 7, 6, 5, 3


def ragged(seed: int) -> torch.Tensor:
    """Edges with a repeated one and a neuron without any; another graph for each seed."""
    rng = torch.Generator().manual_seed(seed)
    edges = torch.randint(0, N - 1, (2, 12 + seed), generator=rng)
    return torch.cat([edges, edges[:, :1]], 1)


WIRING = {
    "complete": (lambda seed: complete_edge_index(N), {}),
    "one support, dense": (lambda seed: ragged(0), {"backend": "dense"}),
    "one support, csr": (lambda seed: ragged(0), {"backend": "csr"}),
    "a support of its own each, dense": (ragged, {"backend": "dense"}),
    "a support of its own each, csr": (ragged, {"backend": "csr"}),
    "message passing": (ragged, {"backend": "reference"}),
    "leaky and noisy": (lambda seed: complete_edge_index(N), {"alpha": 0.3, "noise": 0.2, "nonlinearity": "tanh"}),
    "some inputs and outputs": (ragged, {"input_nodes": [0, 2], "output_nodes": [1, 3, 4]}),
    "in segments": (ragged, {"checkpoint_every": 2}),
}


def members(wiring, count: int = 3) -> list[TaskClassifier]:
    edges, options = wiring
    found = []
    for seed in range(count):
        rnn = GraphRNN(CHANNELS, edges(seed), N, **{"nonlinearity": "relu", **options})
        rnn.reset_parameters(rng=seed)
        found.append(TaskClassifier(rnn, 2, input_noise=0.1, rng=seed).double())
    return found


def trials(count: int = 3) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(9)
    return [torch.randn(T, B, CHANNELS, generator=rng, dtype=torch.float64) for _ in range(count)]


def gradients(models) -> list[torch.Tensor]:
    return [parameter.grad.clone() for model in models for parameter in model.parameters()]


@pytest.mark.parametrize("wiring", WIRING.values(), ids=WIRING.keys())
def test_each_member_answers_and_learns_as_it_does_alone(wiring):
    together, alone = members(wiring), members(wiring)
    answers = Ensemble(together)(trials(), rngs=[1, 2, 3])
    expected = [model(x, rng=seed) for model, x, seed in zip(alone, trials(), (1, 2, 3), strict=True)]
    assert_close(answers, expected, rtol=1e-11, atol=1e-13)
    for logits in (answers, expected):
        torch.autograd.backward([(part**2).sum() * (number + 1) for number, part in enumerate(logits)])
    assert_close(gradients(together), gradients(alone), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("wiring", WIRING.values(), ids=WIRING.keys())
def test_a_member_that_is_not_finite_changes_nothing_in_the_others(wiring):
    healthy, ill = members(wiring), members(wiring)
    with torch.no_grad():
        ill[1].rnn.edge_weight.fill_(float("nan"))
        ill[1].rnn.input_weight.fill_(float("inf"))
    seen = []
    for models in (healthy, ill):
        answers = Ensemble(models)(trials(), rngs=[1, 2, 3])
        torch.autograd.backward([(part**2).sum() for part in answers])
        seen.append((answers, [gradients([model]) for model in models]))
    (well, of_well), (sick, of_sick) = seen
    assert not bool(torch.isfinite(sick[1]).all())
    for number in (0, 2):
        assert torch.equal(sick[number], well[number])
        assert all(torch.equal(a, b) for a, b in zip(of_sick[number], of_well[number], strict=True))


def test_a_generator_goes_on_as_it_does_alone():
    rngs = [[torch.Generator().manual_seed(seed) for seed in range(3)] for _ in range(2)]
    wiring = WIRING["leaky and noisy"]
    together, alone = members(wiring), members(wiring)
    for _ in range(2):
        answers = Ensemble(together)(trials(), rngs=rngs[0])
        expected = [model(x, rng=rng) for model, x, rng in zip(alone, trials(), rngs[1], strict=True)]
        assert_close(answers, expected, rtol=1e-11, atol=1e-13)


def test_one_member_runs_as_it_does_alone():
    wiring = WIRING["complete"]
    (x,), (model,) = trials(1), members(wiring, 1)
    assert torch.equal(Ensemble([model])([x], rngs=[4])[0], model(x, rng=4))


def test_edges_that_change_are_seen():
    models = members(WIRING["a support of its own each, csr"])
    ensemble = Ensemble(models)
    before = ensemble(trials(), rngs=[1, 2, 3])
    models[1].rnn.set_edges(models[1].rnn.edge_index.flip(0))
    after = ensemble(trials(), rngs=[1, 2, 3])
    assert not torch.equal(after[1], before[1])
    assert_close(after[1], models[1](trials()[1], rng=2), rtol=1e-11, atol=1e-13)
    assert torch.equal(after[0], before[0])


def small(size: int = N, classes: int = 2, **options) -> TaskClassifier:
    return TaskClassifier(GraphRNN(CHANNELS, complete_edge_index(size), size, **options), classes, rng=0)


BAD = {
    "none": [],
    "another size": [small(), small(N + 1)],
    "another nonlinearity": [small(), small(nonlinearity="relu")],
    "another leak": [small(), small(alpha=0.5)],
    "other answers": [small(), small(classes=3)],
}


@pytest.mark.parametrize("models", BAD.values(), ids=BAD.keys())
def test_members_that_differ_are_refused(models):
    with pytest.raises(ValueError, match=r"members must .*got"):
        Ensemble(models)


def test_inputs_that_do_not_fit_are_refused():
    x = torch.zeros(T, B, CHANNELS)
    for inputs, rngs in (([x], None), ([x, x[:, 1:]], None), ([x, x], [1])):
        with pytest.raises(ValueError, match=r"inputs and rngs must .*got"):
            Ensemble([small(), small()])(inputs, rngs=rngs)
    with pytest.raises(ValueError, match="rng must"):
        Ensemble(members(WIRING["complete"]))(trials())
    for other, message in ((x.double(), "precision of the network"), (x.to("meta"), "device of the network")):
        with pytest.raises(ValueError, match=message):
            Ensemble([small(), small()])([x, other])
