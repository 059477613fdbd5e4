from __future__ import annotations

import math
import weakref
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from graphcortex.metrics import (
    EVOLUTION_METRICS,
    Evolution,
    assortativity,
    evolution,
    modularity,
    strongest_edges,
    weight_entropy,
)
from graphcortex.nn import GraphRNN
from graphcortex.ops import spectral_radius
from graphcortex.study import Variant, build_network, train
from graphcortex.tasks import get_task
from tests.metrics.graphs import NO_EDGES, clustered
from tests.study._small import SHORT, connectome

GRAPH = clustered(30, 3)
SUM = {"sum": lambda edge_index, edge_weight, num_nodes: edge_weight.sum()}


def snapshots(count: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(count):
        yield GRAPH.edge_weight + 0.3 * epoch * torch.randn(GRAPH.edge_weight.shape, generator=generator).double()


def test_every_number_is_that_of_its_metric():
    table = evolution(snapshots(3), GRAPH.edge_index, 30)
    assert list(table) == ["epoch", *EVOLUTION_METRICS, "reason"]
    assert table["epoch"].tolist() == [0, 1, 2]
    for weight, (_, row) in zip(snapshots(3), table.iterrows(), strict=True):
        pairs = strongest_edges(GRAPH.edge_index, weight, 30)
        assert row["mean_size"] == pytest.approx(float(weight.abs().mean()))
        assert row["share_nonzero"] == 1
        assert row["entropy"] == weight_entropy(weight).value
        assert row["spectral_radius"] == spectral_radius(GRAPH.edge_index, weight, 30)
        assert row["modularity"] == modularity(pairs, None, 30, method="fast_greedy").value
        assert row["assortativity"] == assortativity(pairs, None, 30).value
        assert row["reason"] == ""


class Watched:
    """A generator of weights that looks, whenever the next are asked for, how many of the last are still in memory."""

    def __init__(self, count: int):
        self.count, self.memory, self.most = count, [], 0

    @property
    def alive(self) -> int:
        return sum(memory() is not None for memory in self.memory)

    def make(self) -> torch.Tensor:
        self.most = max(self.most, self.alive)
        # A tensor and all its views keep the array that their memory came from.
        array = np.full(GRAPH.edge_weight.shape, 0.5)
        self.memory.append(weakref.ref(array))
        return torch.from_numpy(array)

    def __iter__(self):
        for _ in range(self.count):
            yield self.make()


class WatchedMapping(Watched, Mapping):
    def __getitem__(self, epoch: int) -> torch.Tensor:
        return self.make()

    def __iter__(self):
        return iter(range(self.count))

    def __len__(self) -> int:
        return self.count


@pytest.mark.parametrize("epochs", [None, range(50)])
def test_one_of_the_weights_is_alive_at_a_time(epochs):
    watched = Watched(50)
    table = evolution(watched, GRAPH.edge_index, 30, metrics=SUM, epochs=epochs)
    assert len(table) == 50
    assert watched.most == 0  # none was left when the next was made
    assert watched.alive == 0


def test_a_mapping_is_read_one_by_one():
    watched = WatchedMapping(20)
    table = evolution(watched, GRAPH.edge_index, 30, metrics=SUM)
    assert table["epoch"].tolist() == list(range(20))
    assert watched.most == 0


def test_the_default_metrics_keep_no_weights():
    watched = Watched(3)
    evolution(watched, GRAPH.edge_index, 30)
    assert watched.most == watched.alive == 0


def test_a_mapping_names_the_epochs():
    weights = {epoch: epoch * torch.ones(900).double() for epoch in (5, 1, 10)}
    table = evolution(weights, GRAPH.edge_index, 30, metrics=SUM)
    assert table["epoch"].tolist() == [5, 1, 10]
    assert table["sum"].tolist() == [4500, 900, 9000]
    numbered = evolution(list(weights.values()), GRAPH.edge_index, 30, metrics=SUM, epochs=iter([5, 1, 10]))
    pd.testing.assert_frame_equal(numbered, table)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_network_that_diverged_has_a_row_of_nan(wrong):
    weights = [*snapshots(2), GRAPH.edge_weight.clone()]
    weights[1][7] = wrong
    table = evolution(weights, GRAPH.edge_index, 30)
    names = list(EVOLUTION_METRICS)
    assert table.loc[1, names].isna().all()
    assert table.loc[1, "reason"] == "1 of 900 weights are NaN or infinite: the network diverged"
    assert table.loc[[0, 2], names].notna().all(axis=None)
    assert table.loc[[0, 2], "reason"].tolist() == ["", ""]


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_equal_weights_say_what_has_no_value(weight):
    row = evolution([torch.full((900,), weight)], GRAPH.edge_index, 30).loc[0]
    assert row["mean_size"] == row["share_nonzero"] == weight
    assert row["spectral_radius"] == pytest.approx(30 * weight)
    assert row["entropy"] == 0
    assert math.isnan(row["modularity"])
    assert row["reason"] == (
        "entropy: all weights are equal; modularity: no edge joins two neurons; assortativity: no edge joins two neurons"
    )


def test_a_graph_without_edges():
    row = evolution([torch.zeros(0)], NO_EDGES, 3).loc[0]
    assert math.isnan(row["mean_size"])
    assert row["spectral_radius"] == 0
    assert "entropy: there are no weights" in row["reason"]


def test_no_epochs_are_an_empty_table():
    table = evolution([], GRAPH.edge_index, 30)
    assert table.empty
    assert list(table) == ["epoch", *EVOLUTION_METRICS, "reason"]


def test_records_a_network_while_it_is_trained():
    rnn = GraphRNN(2, GRAPH.edge_index, 30)
    record = Evolution({"sum": SUM["sum"], "radius": spectral_radius}, every=2)
    optimizer = torch.optim.SGD(rnn.parameters(), lr=0.1)
    sums = []
    for epoch in range(5):
        optimizer.zero_grad()
        rnn(torch.ones(3, 4, 2))[0].square().mean().backward()
        optimizer.step()
        record(epoch, rnn)
        sums.append(float(rnn.edge_weight.detach().sum()))
    table = record.table()
    assert table["epoch"].tolist() == [0, 2, 4]
    assert table["sum"].tolist() == sums[::2]
    assert table["radius"].notna().all()
    assert isinstance(record.table().loc[0, "sum"], float)


def test_records_what_the_training_of_a_study_reports():
    task = get_task("perceptual_decision")
    model = build_network(connectome(6), Variant.parse("W"), task, SHORT, seed=0)
    record = Evolution(SUM)
    trials = task.sample(40, rng=0)
    history = train(model, [], trials, trials, SHORT, rng=0, on_epoch=lambda row: record(row["epoch"], model.rnn))
    assert record.table()["epoch"].tolist() == history["epoch"].tolist()
    assert record.table()["sum"].iloc[-1] == float(model.rnn.edge_weight.detach().sum())


def test_a_recorder_keeps_numbers_alone():
    record = Evolution()
    array = GRAPH.edge_weight.numpy().copy()
    memory = weakref.ref(array)
    rnn = SimpleNamespace(edge_index=GRAPH.edge_index, edge_weight=torch.from_numpy(array), num_nodes=30)
    record(0, rnn)
    del rnn, array
    assert memory() is None
    # What is changed in the table is not changed in the recorder, nor are the metrics by the dict they came from.
    table = record.table()
    table.loc[0, "entropy"] = -1
    assert record.table().loc[0, "entropy"] > 0


def test_the_metrics_are_those_at_the_time_it_was_made():
    mine = dict(SUM)
    record = Evolution(mine)
    mine.clear()
    record.record(0, *GRAPH)
    assert record.table().loc[0, "sum"] == pytest.approx(float(GRAPH.edge_weight.sum()))


def test_what_a_metric_raises_is_raised():
    def broken(edge_index, edge_weight, num_nodes):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        evolution(snapshots(1), GRAPH.edge_index, 30, metrics={"broken": broken})


BAD_ARGUMENTS = {
    "other edges": (snapshots(1), {"edge_index": GRAPH.edge_index[:, 1:]}),
    "integers": ([torch.ones(900).long()], {}),
    "a single one": (GRAPH.edge_weight, {}),
    "more weights than epochs": (snapshots(3), {"epochs": [0, 1]}),
    "more epochs than weights": (snapshots(3), {"epochs": [0, 1, 2, 3]}),
    "epochs twice": ({0: GRAPH.edge_weight}, {"epochs": [0]}),
    "a list of metrics": (snapshots(1), {"metrics": ["entropy"]}),
    "a number for a metric": (snapshots(1), {"metrics": {"entropy": 3}}),
    "a name that is taken": (snapshots(1), {"metrics": {"epoch": spectral_radius}}),
}


@pytest.mark.parametrize(("weights", "options"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(weights, options):
    edge_index = options.pop("edge_index", GRAPH.edge_index)
    options = {"metrics": SUM} | options
    with pytest.raises(ValueError, match=r"must .*got"):
        evolution(weights, edge_index, 30, **options)


def test_rejects_every_0():
    with pytest.raises(ValueError, match=r"must .*got"):
        Evolution(every=0)


def test_runs_where_the_weights_are(device):
    here = evolution(snapshots(2), GRAPH.edge_index, 30)
    there = evolution((weight.to(device) for weight in snapshots(2)), GRAPH.edge_index.to(device), 30)
    pd.testing.assert_frame_equal(there, here, rtol=1e-9)
