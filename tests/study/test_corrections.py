"""Each correction alone changes what it names, and nothing else."""

from __future__ import annotations

import dataclasses
import importlib.resources
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from graphcortex.metrics import learned_graph_metrics
from graphcortex.study import (
    CORRECTIONS,
    Protocol,
    Variant,
    build_network,
    build_penalties,
    initial_weights,
    summarize,
)
from graphcortex.study.protocol import SMALL_WORLD_NULLS
from graphcortex.study.wiring import anatomical_communicability
from graphcortex.tasks import get_task
from tests.study._small import connectome, lengths
from tests.study.test_table import row

# What a run is made of, by name; and which of it each correction moves. What trials and accuracy do is tested with training.
LENGTHS = {"lengths of D", "lengths of D*"}
COSTS = {"cost of WD", "cost of WDC", "cost of WD*", "cost of WD*C", "cost of WD*C*"}
MOVES = {
    "positions": {"lengths of D*", "cost of WD*", "cost of WD*C", "cost of WD*C*"},
    "scale": LENGTHS | COSTS,
    "self_connections": LENGTHS | COSTS,
    "communicability": {"cost of WDC", "cost of WD*C", "cost of WD*C*"},
    "anatomy": {"anatomy", "cost of WD*C*"},
    "strength": {"cost of W"},
    "divergence": set(),
    "small_world": {"small_worldness"},
    "trials": set(),
    "test": set(),
    "intervals": {"interval"},
}


def facts(protocol: Protocol, name: str) -> dict[str, object]:
    """Return everything of a run that is decided before it is trained, and after."""
    graph = connectome(10)
    found = {f"lengths of {level}": lengths(graph, f"W{level}", protocol).tolist() for level in ("D", "D*")}
    found["anatomy"] = anatomical_communicability(graph, protocol.anatomy_normalization).tolist()
    found["weights"] = [initial_weights(graph, Variant.parse(w), protocol, seed=0).tolist() for w in ("W", "W*")]
    # In float64: the anatomy as published is so far out of scale that nothing else shows in float32.
    rnn = build_network(graph, Variant.parse("W*"), get_task("go_nogo"), protocol, seed=0).rnn.double()
    for variant in ("W", "WD", "WDC", "WD*", "WD*C", "WD*C*"):
        penalties = build_penalties(graph, Variant.parse(variant), protocol).double()
        found[f"cost of {variant}"] = sum(penalty(rnn).item() for penalty in penalties)
    nodes = torch.arange(30)
    pairs = torch.cartesian_prod(nodes, nodes).T
    weight = torch.randn(900, generator=torch.Generator().manual_seed(0))
    null = SMALL_WORLD_NULLS[protocol.small_world_null]
    learned = learned_graph_metrics(pairs, weight, 30, quantile=protocol.quantile, null=null, num_nulls=20)
    found |= learned.values()
    runs = [row(seed=seed, accuracy=0.9 + 0.1 * (seed > 0), protocol=name) for seed in range(4)]
    table = summarize(pd.DataFrame(runs)).query("metric == 'accuracy'")
    found["interval"] = table[["ci95_low", "ci95_high"]].to_numpy().tolist()
    return found


@pytest.fixture(scope="module")
def published() -> dict[str, object]:
    return facts(Protocol.published(), "published")


@pytest.mark.parametrize("name", CORRECTIONS)
def test_a_correction_moves_what_it_names(name, published):
    corrected = facts(Protocol.parse(f"published+{name}"), f"published+{name}")
    assert {fact for fact in published if corrected[fact] != published[fact]} == MOVES[name]


def test_every_correction_is_a_change_of_fields_that_no_other_touches():
    touched = [field for changes in CORRECTIONS.values() for field in changes]
    assert len(touched) == len(set(touched))
    fields = dataclasses.asdict(Protocol.published())
    for changes in CORRECTIONS.values():
        assert all(fields[name] != value for name, value in changes.items())
    assert Protocol.corrected() == replace(Protocol(), **{k: v for c in CORRECTIONS.values() for k, v in c.items()})


RUNNING = ("assemble", "weights", "wiring", "lengths", "penalties", "possible", "run", "training")


@pytest.mark.parametrize("module", RUNNING)
def test_nothing_that_runs_asks_which_protocol_it_is(module):
    """A run looks at fields; ``"published"`` is a value of one of them, the scale of distances."""
    lines = (importlib.resources.files("graphcortex.study") / f"{module}.py").read_text().splitlines()
    asks = re.compile(r"""(==|!=|\bin\b)\s*\(?["'](published|corrected)|Protocol\.(published|corrected|parse)""")
    assert [line for line in lines if asks.search(line) and "distance_scale ==" not in line] == []


@pytest.mark.real_data
def test_corrected_metrics_of_the_published_field_are_precise_enough(published_field):
    n = published_field.num_neurons
    protocol = Protocol.corrected()
    weight = initial_weights(published_field, Variant.parse("W*"), protocol, seed=0)
    nodes = torch.arange(n)
    null = SMALL_WORLD_NULLS[protocol.small_world_null]
    found = learned_graph_metrics(
        torch.cartesian_prod(nodes, nodes).T, weight, n, null=null, num_nulls=protocol.num_nulls
    )
    small_world = found.small_worldness
    assert small_world.standard_error < 0.003 * small_world.value
    assert np.isfinite(list(found.values().values())).all()
