"""The card says what a loop over the connectome finds, and what it does not know."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from torch_geometric.data import Batch

from graphcortex.data import Connectome, ConnectomeError, MicronsFields, MicronsVolume, SyntheticCortex, from_tables
from graphcortex.data.card import Card, Spread
from graphcortex.data.schema import STORES, fields_of
from graphcortex.testing import connectomes
from tests.conftest import real_data
from tests.data._graphs import connectome
from tests.data._tiny_field import write_field


def naive(graph: Connectome) -> dict:
    N, W = graph.num_neurons, graph.count_matrix().numpy()
    pairs = [(i, j) for i in range(N) for j in range(N) if W[i, j] > 0]
    others = [(i, j) for i, j in pairs if i != j]
    out = [sum(i == k for i, _ in others) for k in range(N)]
    into = [sum(j == k for _, j in others) for k in range(N)]
    pos = graph.pos.double().numpy()
    near = [min(np.linalg.norm(pos[i] - pos[j]) for j in range(N) if j != i) for i in range(N)] if N > 1 else []
    return {
        "num_neurons": N,
        "num_pairs": len(pairs),
        "num_synapses": int(W.sum()),
        "num_self_connections": len(pairs) - len(others),
        "density": len(others) / (N * (N - 1)) if N > 1 else float("nan"),
        "reciprocity": sum((j, i) in others for i, j in others) / len(others) if others else float("nan"),
        "num_unconnected": sum(a + b == 0 for a, b in zip(out, into, strict=True)),
        "out_degree": out,
        "in_degree": into,
        "nearest_um": near,
    }


def check(graph: Connectome) -> None:
    card = graph.describe()
    for name, expected in naive(graph).items():
        got = getattr(card, name)
        if isinstance(expected, list):
            values = np.array(expected, dtype=float)
            got, expected = (got.low, got.median, got.mean, got.high), [np.nan] * 4
            if len(values):
                expected = [values.min(), np.median(values), values.mean(), values.max()]
        np.testing.assert_allclose(got, expected, rtol=1e-9, err_msg=name)
    assert str(card).startswith(f"Connectome of {graph.num_neurons:,} neurons")


@given(graph=connectomes())
def test_numbers_are_those_of_a_loop(graph):
    check(graph)


def test_self_connections_are_counted_apart():
    loops = torch.tensor([[0, 1, 1, 2], [0, 1, 2, 1]])
    graph = connectome(4, synapse_index=loops, count=[5, 1, 2, 3], size=None)
    check(graph)
    card = graph.describe()
    assert (card.num_self_connections, card.reciprocity, card.num_unconnected) == (2, 1.0, 2)


@pytest.mark.real_data
def test_a_real_field(microns_root):
    graph = MicronsFields(microns_root, "5_3_2")[0]
    check(graph)
    card = graph.describe()
    assert card.recorded == 1.0
    assert set(card.coactivity) == {"correlation", "sttc", "precision"}
    assert "synapse" in card.missing
    assert card.missing["synapse"] == ("size",)


@pytest.mark.real_data
def test_the_readme_of_the_larva_says_the_same():
    folder = real_data("drosophila-larva")
    card = from_tables(folder / "neurons.csv", folder / "edges.parquet").describe()
    assert (card.num_neurons, card.num_pairs, card.num_synapses, card.num_self_connections) == (
        2952,
        110_677,
        352_611,
        537,
    )
    assert [round(size) for size in card.extent_um] == [103, 107, 242]
    assert card.density == pytest.approx(0.0127, abs=2e-4)
    # The readme counts reciprocal pairs once.
    assert round(card.reciprocity * (card.num_pairs - card.num_self_connections) / 2) == 14_150
    assert (card.synapses_per_pair.low, card.synapses_per_pair.median, card.synapses_per_pair.high) == (1, 2, 121)
    assert (card.out_degree.high, card.in_degree.high) in ((210, 160), (209, 159), (160, 210), (159, 209))


def test_fields_that_are_there_and_those_that_are_missing_are_all_fields():
    for graph in (connectome(4), from_arrays_alone()):
        card = graph.describe()
        for level in STORES:
            assert sorted(card.fields[level] + card.missing[level]) == sorted(fields_of(level))


def from_arrays_alone() -> Connectome:
    return Connectome.from_arrays(torch.zeros(1, 3), torch.zeros(2, 0).long(), torch.zeros(0).long())


def test_one_neuron_without_anything_has_a_card():
    card = from_arrays_alone().describe()
    text = str(card)
    assert "recorded  none" in text
    assert "licence   not stated" in text
    assert "nan" not in text.replace("nan of all", "")


def test_the_printed_card_has_units_names_and_origin():
    notes = {
        "source": "a lab", "license": "CC BY 4.0", "materialization": 1300, "doi": "10.1/x", "window_s": 0.1, "time_stamp": "t",
        "counts": {"neuron_rows": 5, "nothing": 0}, "list": list(range(300)),
    }  # fmt: skip
    card = connectome(5, provenance=notes).describe()
    assert card.origin == {"source": "a lab", "version": "1300", "licence": "CC BY 4.0", "citation": "10.1/x"}
    assert set(card.provenance) == {"window_s", "time_stamp", "counts", "list"}
    text = str(card)
    for line in (
        "  layer           2/3 2, 4 2, 5 1",
        "  licence     CC BY 4.0",
        "  window s    0.1",
        "  counts      neuron rows 5",
    ):
        assert line in text.splitlines(), line
    assert "pos (um)" in text
    assert "size (as released)" in text
    assert max(map(len, text.splitlines())) <= 110
    assert "..." in text


def test_codes_without_names_and_two_codes_of_one_name():
    assert connectome(4, names=None).describe().names["cell_type"] == {"code 0": 2, "code 1": 2}
    assert connectome(4, names={"cell_type": ["E", "E"]}).describe().names["cell_type"] == {"E": 4}


def test_many_types_are_cut_short_in_print_only():
    card = connectome(20, cell_type=torch.arange(20), names=None).describe()
    assert len(card.names["cell_type"]) == 20
    assert "8 more 8" in str(card)


def test_a_batch_and_an_invalid_connectome_have_no_card():
    with pytest.raises(ConnectomeError, match="got a batch"):
        Batch.from_data_list([connectome(3), connectome(3)]).describe()
    graph = connectome(3)
    graph.synapses["count"][0] = 0
    with pytest.raises(ConnectomeError, match="count must be at least 1"):
        graph.describe()


def test_a_card_is_a_value():
    assert connectome(4).describe() == connectome(4).describe()
    assert isinstance(connectome(4).describe(), Card)
    assert str(Spread.of(np.array([1.0, 2.0, 6.0]))) == "median 2, mean 3, 1 to 6"


def test_the_repr_does_not_list_every_name():
    graph = connectome(300, neuron_name=torch.arange(300), names={"neuron_name": [f"n{i}" for i in range(300)]})
    text = repr(graph)
    assert "300 neurons" in text
    assert len(text) < 1500
    assert "print describe()" in text
    assert "print describe()" not in repr(connectome(5))


LINES = {
    "a released field": (
        "  licence         MIT",
        "neurovium/CorticalBlueprintRNN, commit 8d5e241b444803ba552923d32a5fcef39439425b",
        "arXiv:2606.14975",
        "10.1038/s41586-025-08790-w",
    ),
    "synthetic cortex": ("  licence     MIT", "  version     graphcortex ", "no measured data"),
}


@pytest.mark.parametrize("source", LINES)
def test_a_source_states_its_licence_version_and_citation(source, tmp_path):
    if source == "synthetic cortex":
        graph = SyntheticCortex(10, duration_s=60.0)[0]
    else:
        write_field(tmp_path, "4_7_2")
        graph = MicronsFields(tmp_path, "4_7_2")[0]
    card = graph.describe()
    assert set(card.origin) == {"source", "version", "licence", "citation"}
    assert "not stated" not in card.origin.values()
    text = " ".join(str(card).split())
    for line in LINES[source]:
        assert " ".join(line.split()) in text


def test_a_field_of_another_name_and_a_volume_claim_no_more_than_is_known(tmp_path):
    for name in ("4_7_2", "5_3_2", "99_1_1"):
        write_field(tmp_path, name)
    fields = MicronsFields(tmp_path)
    assert fields["99_1_1"].describe().origin["licence"] == "not stated"
    released = MicronsVolume(fields[:2])[0].describe().origin
    assert released == {**fields["4_7_2"].describe().origin, "source": "MicronsVolume"}
    mixed = MicronsVolume(fields)[0].describe().origin
    assert mixed["licence"] == mixed["citation"] == "not stated"
