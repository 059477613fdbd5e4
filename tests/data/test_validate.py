from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given

from graphcortex.data import Connectome, ConnectomeError
from tests.data._graphs import all_pairs, arrays, connectome, connectomes


def make(**changed):
    return Connectome.from_arrays(**{**arrays(4), **changed})


def with_value(name, i, value):
    values = torch.as_tensor(arrays(4)[name]).clone()
    values[i] = value
    return {name: values}


def edges(*pairs):
    return torch.tensor(pairs).T


MB = 864690000000000066
NONE_OF = dict.fromkeys(
    ("coactivity_index", "correlation", "sttc", "precision", "self_correlation", "self_sttc", "self_precision")
)

BAD_ARRAYS = {
    # positions
    "no positions": ({"pos": None}, r"pos must be given"),
    "positions in two dimensions": ({"pos": torch.zeros(4, 2)}, r"pos must have shape \(4, 3\).*got \(4, 2\)"),
    "positions transposed": ({"pos": torch.zeros(3, 4)}, r"pos must have shape \(3, 3\).*got \(3, 4\)"),
    "flat positions": ({"pos": torch.zeros(12)}, r"pos must be a tensor of shape \(N, 3\).*got \(12,\)"),
    "ragged positions": ({"pos": [[0.0, 1.0, 2.0], [3.0]]}, r"rows of different lengths"),
    "text": ({"pos": [["a", "b", "c"]] * 4}, r"pos must hold numbers"),
    "voxels": ({"pos": torch.randint(100_000, 300_000, (4, 3))}, r"floating point, in um, got torch.int64.*0.004"),
    "voxels as floats": ({"pos": torch.full((4, 3), 123_392.0)}, r"within 20000 um.*123392.*voxels or nm"),
    "negative nm": ({"pos": torch.full((4, 3), -4e5)}, r"within 20000 um.*voxels or nm"),
    "nm": ({"pos": np.full((4, 3), 4e5)}, r"voxels or nm; multiply"),
    "NaN position": (with_value("pos", 2, float("nan")), r"pos must be finite, got 3 of 12.*\(2, 0\)"),
    "infinite position": (with_value("pos", 2, float("inf")), r"pos must be finite"),
    "complex positions": ({"pos": torch.zeros(4, 3, dtype=torch.complex64)}, r"must hold numbers"),
    "overflow of float32": (with_value("pos", 1, 1e300), r"pos must be finite"),
    # ids
    "root ids as floats": ({"root_id": np.arange(4) + 8.6e17}, r"root_id must hold whole numbers.*float64.*53 bits"),
    "root ids as text": ({"root_id": ["1", "2", "3", "4"]}, r"root_id must hold numbers"),
    "ids beyond int64": ({"root_id": np.arange(4, dtype=np.uint64) + 2**63}, r"fit into int64.*9223372036854775811"),
    "ids far beyond int64": ({"root_id": [2**70, 1, 2, 3]}, r"root_id must hold numbers within int64"),
    "negative id": (with_value("nucleus_id", 1, -5), r"nucleus_id must be at least 0, got values from -5"),
    "negative unit": (with_value("unit_id", 1, -1), r"unit_id must be at least 0"),
    "repeated root": ({"root_id": torch.tensor([1, MB, 2, MB])}, rf"root_id must name each neuron once.*{MB} more"),
    "repeated nucleus": ({"nucleus_id": torch.tensor([7, 7, 2, 3])}, r"nucleus_id .*got 7 more than once"),
    "too few ids": ({"root_id": torch.arange(3)}, r"root_id must have shape \(4,\), one row per neuron; got \(3,\)"),
    # synapses
    "no synapses": ({"synapse_index": None}, r"synapse_index must be given"),
    "no counts": ({"count": None}, r"count must be given"),
    "edge out of range": (
        {"synapse_index": edges((0, 1), (1, 4)), "count": torch.ones(2).long(), "size": None},
        r"synapse_index must lie in 0 .. 3 .*got 0 .. 4",
    ),
    "negative edge": (
        {"synapse_index": edges((0, -1)), "count": [1], "size": None},
        r"synapse_index must lie in 0 .. 3.*got -1",
    ),
    "edges as rows": (
        {"synapse_index": edges((0, 1), (1, 2), (2, 3)).T, "count": [1, 1, 1], "size": None},
        r"synapse_index must have shape \(2, E\).*got \(3, 2\)",
    ),
    "float edges": ({"synapse_index": np.zeros((2, 1))}, r"synapse_index must hold whole numbers.*float64"),
    "repeated pair": (
        {"synapse_index": edges((2, 1), (0, 1), (2, 1)), "count": [1, 2, 3], "size": None},
        r"synapse_index must hold each ordered pair once, got 2 -> 1.*merge",
    ),
    "no synapse in a pair": (with_value("count", 0, 0), r"count must be at least 1, got values from 0"),
    "float counts": ({"count": arrays(4)["count"].double()}, r"count must hold whole numbers.*astype"),
    "a count too few": ({"count": arrays(4)["count"][1:]}, r"count must have shape"),
    "negative size": (with_value("size", 0, -1.0), r"size must be at least 0"),
    "NaN size": (with_value("size", 0, float("nan")), r"size must be finite"),
    # co-activity
    "a pair with itself": (
        {"coactivity_index": edges((0, 1), (2, 2)), "correlation": [0.1, 0.2], "sttc": None, "precision": None},
        r"coactivity_index must not pair a neuron with itself, got 2 -> 2",
    ),
    "repeated recorded pair": (
        {"coactivity_index": edges((0, 1), (0, 1)), "correlation": [0.1, 0.2], "sttc": None, "precision": None},
        r"coactivity_index must hold each ordered pair once",
    ),
    "correlation above 1": (with_value("correlation", 3, 1.0001), r"correlation must be at least -1 and at most 1"),
    "sttc below -1": (with_value("sttc", 3, -1.1), r"sttc must be at least -1"),
    "diagonal above 1": (with_value("self_sttc", 3, 1.1), r"self_sttc must be at least -1"),
    "NaN correlation": (with_value("correlation", 3, float("nan")), r"correlation must be finite, got 1 of 12"),
    "infinite precision": (with_value("precision", 3, float("inf")), r"precision must be finite"),
    "a correlation too few": ({"correlation": arrays(4)["correlation"][1:]}, r"correlation must have shape \(12,\)"),
    "a dense correlation": ({"correlation": torch.eye(4)}, r"correlation must have shape \(12,\).*got \(4, 4\)"),
    # codes and notes
    "a code without a name": (
        with_value("cell_type", 0, 2),
        r"names of 'cell_type' must cover its codes 0 .. 2, got 2",
    ),
    "a negative code": (with_value("layer", 0, -1), r"layer must be at least 0"),
    "names of no code": (
        {"names": {"colour": ["red"]}},
        r"names must be those of area, layer, cell_type, .*; got .*'colour'",
    ),
    "names without codes": ({"cell_type": None}, r"names of 'cell_type' need its codes"),
    "names as one text": ({"names": {"area": "V1"}}, r"names of 'area' must be a list of text, got 'V1'"),
    "names as a number": ({"names": {"area": 3}}, r"must be a list of text, got 3"),
    "names that are numbers": ({"names": {"area": [1]}}, r"must be a list of text"),
    "names as a list": ({"names": ["V1"]}, r"names must be a mapping, got list"),
    "provenance as text": ({"provenance": "MICrONS"}, r"provenance must be a mapping, got str"),
    "a tensor in provenance": ({"provenance": {"x": torch.zeros(1)}}, r"provenance must map text to plain values"),
    "numbers as keys": ({"provenance": {1: "x"}}, r"provenance must map text"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS.values(), ids=BAD_ARRAYS.keys())
def test_from_arrays_rejects(case):
    changed, message = case
    make()  # what is not changed is valid
    with pytest.raises(ConnectomeError, match=message):
        make(**changed)


def set_on(store, name, value):
    def change(graph):
        graph[store][name] = value

    return change


SYNAPSE, COACTIVITY = ("neuron", "synapse", "neuron"), ("neuron", "coactivity", "neuron")

BAD_CHANGES = {
    "a typo at the neurons": (set_on("neuron", "rootid", torch.arange(4)), r"unknown field 'rootid'.*mean 'root_id'"),
    "a typo at the edges": (set_on(SYNAPSE, "counts", torch.ones(3)), r"unknown field 'counts'.*did you mean 'count'"),
    "a field of another level": (set_on("neuron", "sttc", torch.ones(4)), r"unknown field 'sttc' of level 'neuron'"),
    "a typo beside the stores": (lambda g: setattr(g, "provenence", {}), r"unknown field 'provenence'.*'provenance'"),
    "another node type": (set_on("glia", "x", torch.ones(4)), r"a connectome holds 'neuron'.*got 'glia'"),
    "another edge type": (
        set_on(("neuron", "gap", "neuron"), "edge_index", torch.zeros(2, 0).long()),
        r"got \('neuron', 'gap', 'neuron'\)",
    ),
    "no positions": (lambda g: g["neuron"].pop("pos"), r"field 'pos' of level 'neuron' must be there"),
    "no counts": (lambda g: g.synapses.pop("count"), r"field 'count' of level 'synapse' must be there"),
    "no synapses": (lambda g: g._edge_store_dict.pop(SYNAPSE), r"must hold \('neuron', 'synapse', 'neuron'\)"),
    "whole positions": (lambda g: setattr(g, "pos", g.pos.long()), r"pos must be float32.*voxels"),
    "double positions": (lambda g: setattr(g, "pos", g.pos.double()), r"pos must be torch.float32, got torch.float64"),
    "a list for a tensor": (set_on("neuron", "unit_id", [1, 2, 3, 4]), r"unit_id must be a tensor, got list"),
    "a list for positions": (set_on("neuron", "pos", [[0.0] * 3] * 4), r"pos must be a tensor"),
    "ids as floats": (set_on("neuron", "root_id", torch.ones(4)), r"root_id must be torch.int64.*53 bits"),
    "single precision": (set_on(COACTIVITY, "sttc", torch.zeros(12)), r"sttc must be torch.float64, got torch.float32"),
    "another device": (set_on("neuron", "unit_id", torch.arange(4, device="meta")), r"unit_id must be on the device"),
    "a plain dict behind the back": (lambda g: g._global_store.__setitem__("names", {}), r"names must be a mapping"),
}


@pytest.mark.parametrize("case", BAD_CHANGES.values(), ids=BAD_CHANGES.keys())
def test_validate_rejects(case):
    change, message = case
    graph = connectome(4)
    change(graph)
    with pytest.raises(ConnectomeError, match=message):
        graph.validate()


GOOD_ARRAYS = {
    "missing ids": {"root_id": torch.tensor([0, 5, 0, 7]), "nucleus_id": torch.zeros(4).long()},
    "repeated units": {"unit_id": torch.ones(4).long()},
    "rounding": {"correlation": torch.full((12,), 1 + 1e-9), "self_correlation": torch.full((4,), 1 + 2e-16)},
    "a synapse onto itself": {"synapse_index": edges((1, 1)), "count": [2], "size": None},
    "no names": {"names": None},
    "more names than codes": {"names": {"cell_type": ["E", "I", "unseen"]}},
    "some pairs": {
        "coactivity_index": all_pairs(4)[:, :2],
        "correlation": [0.5, 0.25],
        "sttc": None,
        "precision": None,
    },
    "no activity": NONE_OF,
    "a grid": {"pos": torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]])},
    "whole correlations": {"correlation": np.zeros(12, dtype=np.int64)},
}


@pytest.mark.parametrize("changed", GOOD_ARRAYS.values(), ids=GOOD_ARRAYS.keys())
def test_accepts(changed):
    graph = make(**changed)
    assert graph.validate() is graph


@given(graph=connectomes())
def test_accepts_what_was_accepted(graph):
    assert graph.validate() is graph


def test_no_neurons_is_a_connectome():
    graph = connectome(3).subgraph([])
    assert graph.validate().num_neurons == 0
    assert graph.count_matrix().shape == (0, 0)


def test_what_was_not_measured_is_nan_where_that_may_be():
    pos, pair = torch.zeros(2, 3), torch.tensor([[0], [1]])
    graph = Connectome.from_arrays(pos, pair, torch.ones(1).long(), pref_ori=torch.tensor([math.nan, 3.0]))
    assert graph["neuron"]["pref_ori"].isnan().tolist() == [True, False]
    for wrong, message in ((math.inf, "pref_ori must be finite"), (3.2, "pref_ori must be at least 0")):
        with pytest.raises(ConnectomeError, match=message):
            Connectome.from_arrays(pos, pair, torch.ones(1).long(), pref_ori=torch.tensor([math.nan, wrong]))
    with pytest.raises(ConnectomeError, match="self_sttc must be finite"):
        Connectome.from_arrays(pos, pair, torch.ones(1).long(), self_sttc=torch.tensor([math.nan, 0.0]))


# --- arrays as they come from elsewhere ------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<u4", ">u4", "<u8", ">u8", ">i4", ">i8"])
def test_whole_numbers_of_every_dtype_are_taken(dtype):
    ids = np.arange(1, 6).astype(dtype)
    for stored in (ids, torch.from_numpy(ids.astype(ids.dtype.newbyteorder("=")))):
        assert connectome(5, root_id=stored)["neuron"].root_id.tolist() == [1, 2, 3, 4, 5]


def test_ids_above_int64_are_refused_in_tensors_too():
    ids = np.array([2**63 + 5, 2, 3, 4, 5], dtype=np.uint64)
    for stored in (ids, torch.from_numpy(ids)):
        with pytest.raises(ConnectomeError, match=r"root_id must fit into int64 .*got 9223372036854775813"):
            connectome(5, root_id=stored)


def test_what_is_masked_is_missing_or_refused():
    mask = [False, True, False, False, False]
    graph = connectome(5, root_id=np.ma.masked_array([1, 2, 3, 4, 5], mask), osi=np.ma.masked_array([0.5] * 5, mask))
    assert graph["neuron"].root_id.tolist() == [1, 0, 3, 4, 5]
    assert graph["neuron"].osi.isnan().tolist() == mask
    assert connectome(5, root_id=np.ma.masked_array([1, 2, 3, 4, 5]))["neuron"].root_id.tolist() == [1, 2, 3, 4, 5]
    pos = np.ma.masked_array(np.ones((5, 3)), np.array(mask)[:, None] & np.ones((5, 3), dtype=bool))
    with pytest.raises(ConnectomeError, match="pos must have a value everywhere, got 3 that are masked"):
        connectome(5, pos=pos)
