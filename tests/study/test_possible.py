"""What cannot be is told before anything is trained, and what can be is built and learns."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from graphcortex.data import Connectome
from graphcortex.study import Protocol, Variant, build_network, check_possible, run_one
from graphcortex.study.key import RunKey
from graphcortex.study.variant import WEIGHTS
from graphcortex.tasks import get_task
from tests.study._small import SHORT, arrays, connectome
from tests.study.test_weights import looped

PUBLISHED, CORRECTED = Protocol.published(), Protocol.corrected()


def bare() -> Connectome:
    return connectome(8, synapse_index=np.zeros((2, 0), int), count=np.zeros(0, int))


def chain(*, loop: bool = False) -> Connectome:
    index = [[0, 1, 2, 4], [1, 2, 3, 4]] if loop else [[0, 1, 2], [1, 2, 3]]
    return connectome(8, synapse_index=index, count=[1] * len(index[0]))


def loopless() -> Connectome:
    return connectome(8)


def silent() -> Connectome:
    given = arrays(8)
    return Connectome.from_arrays(given["pos"], given["synapse_index"], given["count"])


def without(name: str) -> Connectome:
    given = arrays(8)
    return Connectome.from_arrays(**{key: value for key, value in given.items() if name not in key})


def in_one_place() -> Connectome:
    return connectome(8, pos=np.full((8, 3), 700.0))


IMPOSSIBLE = {
    "the anatomy without synapses": (bare, "WDC*", PUBLISHED, "WDC* uses the wiring: expected a connectome with syn"),
    "weights of no synapses": (bare, "W[synapses]D", PUBLISHED, "got none; leave out C*, W[synapses] and +sparse"),
    "a network of no synapses": (bare, "W+sparse", PUBLISHED, "W+sparse uses the wiring"),
    "synapses that are rewired and are not there": (bare, "WD*C*@degree", PUBLISHED, "WD*C*@degree uses the wiring"),
    "W* without recordings": (silent, "W*D*C", PUBLISHED, "W*D*C starts from functional relations of all pairs: this"),
    "W! without recordings": (silent, "W!", PUBLISHED, "recorded pairs"),
    "a control without recordings": (
        silent,
        "W*[diagonal]",
        PUBLISHED,
        "W*[diagonal] starts from functional relations",
    ),
    "a relation that is missing": (
        lambda: without("precision"),
        "W*",
        replace(PUBLISHED, functional="precision-sttc"),
        "must hold precision",
    ),
    "a relation that is constant": (
        lambda: connectome(8, sttc=np.ones(56)),
        "W*",
        PUBLISHED,
        "must differ between pairs; got 1 on every pair for the one numbered 1",
    ),
    "self-connections of a network without": (
        loopless,
        "W*[diagonal]+sparse",
        PUBLISHED,
        "synapses of neurons with themselves, got none; leave out +sparse",
    ),
    "the same without data": (loopless, "W[diagonal]+sparse", PUBLISHED, "starts from self-connections alone"),
    "a radius without a cycle": (
        chain,
        "W*+sparse",
        PUBLISHED,
        "synapses that close a cycle of neurons, got 3 that close none",
    ),
    "the same of an orthogonal matrix": (chain, "W+sparse", PUBLISHED, "close a cycle"),
    "the same of counts on all pairs": (chain, "W[synapses]", PUBLISHED, "close a cycle"),
    "a cycle that is but a self-connection": (
        lambda: chain(loop=True),
        "W*[no-diagonal]+sparse",
        PUBLISHED,
        "got 3 that close none",
    ),
    "rewired self-connections": (
        lambda: chain(loop=True),
        "W+sparse@degree",
        PUBLISHED,
        "got 1 of a neuron with itself; remove them, or leave out @degree",
    ),
    "distances of neurons in one place": (in_one_place, "WD*", CORRECTED, "got 8 in one place"),
    "the same when shuffled": (in_one_place, "WD*[shuffled]C", CORRECTED, "neurons that are apart"),
}


@pytest.mark.parametrize(("make", "name", "protocol", "told"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_is_told(make, name, protocol, told):
    variant = Variant.parse(name)
    with pytest.raises(ValueError, match=re.escape(told)):
        check_possible(make(), variant, protocol)
    with pytest.raises(ValueError, match=re.escape(told)):
        build_network(make(), variant, get_task("go_nogo"), protocol, seed=0)


POSSIBLE = {
    "a self-connection is a cycle": (lambda: chain(loop=True), "W*+sparse"),
    "self-connections that are there": (lambda: chain(loop=True), "W[diagonal]+sparse"),
    "counts of a self-connection": (lambda: chain(loop=True), "W[synapses]"),
    "the anatomy of a chain": (chain, "WDC*"),
    "a grid of neurons in one place": (in_one_place, "WDC"),
    "no recordings where none are used": (silent, "W[positive]D*C*+sparse"),
}


@pytest.mark.parametrize(("make", "name"), POSSIBLE.values(), ids=POSSIBLE)
def test_what_can_be_is_built(make, name):
    for protocol in (PUBLISHED, CORRECTED):
        check_possible(make(), Variant.parse(name), protocol)
        build_network(make(), Variant.parse(name), get_task("go_nogo"), protocol, seed=0)


EVERYTHING = [
    *(f"{level}D*[shuffled]C" for level in WEIGHTS),
    *(f"{level}D*C*+sparse" for level in WEIGHTS),
    "WDC+sparse",
    "W+sparse",
    "W[synapses]D*C*@degree-length",
]


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_every_level_trains_on_its_edges_alone(name, protocol):
    graph, variant = (looped(), Variant.parse(name))
    if variant.wiring:
        graph = connectome(12, seed=3)
    corrected = {**Protocol.parse(protocol).__dict__, "num_validation": 32 if protocol == "corrected" else 0}
    short = {name: getattr(SHORT, name) for name in ("num_train", "num_test", "batch_size")} | {
        "epochs": 1,
        "num_nulls": 3,
    }
    result = run_one(graph, RunKey("go_nogo", variant), Protocol(**{**corrected, **short}))
    learned, start = result.weights["rnn.edge_weight"], result.weights["initial_edge_weight"]
    edges = len(graph.synapses["count"]) if variant.support else graph.num_neurons**2
    assert learned.shape == start.shape == (edges,)
    assert bool(torch.isfinite(learned).all())
    assert not torch.equal(learned, start)
    assert result.diverged_epoch is None
    assert np.isfinite(result.metrics["accuracy"])


def test_a_sparse_network_shares_the_other_weights_of_its_seed():
    graph, task = looped(), get_task("go_nogo")
    dense, sparse = (
        dict(build_network(graph, Variant.parse(name), task, SHORT, seed=2).named_parameters())
        for name in ("W*D", "W*D+sparse")
    )
    for name in set(dense) - {"rnn.edge_weight"}:
        assert torch.equal(dense[name], sparse[name]), name
    assert sparse["rnn.edge_weight"].numel() == len(graph.synapses["count"])
