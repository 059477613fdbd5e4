from __future__ import annotations

import dataclasses

import pytest
import torch
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage, NodeStorage

from graphcortex.data.schema import SCHEMA, STORES, Field, fields_of, suggestion


def test_names_of_a_level_are_unique():
    keys = [(field.level, field.name) for field in SCHEMA]
    assert len(set(keys)) == len(keys)
    assert {field.level for field in SCHEMA} == {*STORES, "graph"}


def test_every_field_says_what_it_is():
    for field in SCHEMA:
        assert field.meaning.endswith(".")
        assert (field.dtype is None) == (field.level == "graph")
        assert field.kind in ("value", "count", "id", "code", "edges", "notes")


def test_only_edges_bear_a_name_that_pyg_offsets_or_cuts():
    for field in SCHEMA:
        if field.kind != "edges":
            assert not any(part in field.name for part in ("index", "batch", "ptr", "adj"))


@pytest.mark.parametrize("field", [f for f in SCHEMA if f.level != "graph"], ids=lambda f: f"{f.level}.{f.name}")
def test_no_field_hides_behind_a_member_of_pyg(field: Field):
    storage = NodeStorage if field.level == "neuron" else EdgeStorage
    store = storage(_parent=HeteroData(), _key="neuron" if field.level == "neuron" else STORES[field.level])
    store[field.name] = marker = torch.zeros(3)
    # `size` is a method of PyG's stores; its docstring says to read it as store["size"].
    assert (getattr(store, field.name) is marker) == (field.name != "size")
    assert store[field.name] is marker


def test_the_table_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SCHEMA[0].name = "position"


def test_a_typo_finds_its_field():
    assert "did you mean 'root_id'?" in suggestion("rootid", "neuron")
    assert "did you mean" not in suggestion("zzz", "neuron")
    assert list(fields_of("synapse")) == ["edge_index", "count", "size"]
