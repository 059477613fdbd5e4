"""Batches of connectomes: the same fields in every graph, and one table of names for their codes."""

from __future__ import annotations

import copy
import functools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch_geometric.data import Batch, InMemoryDataset

from graphcortex.data._notes import Notes
from graphcortex.data._validate import ConnectomeError
from graphcortex.data.schema import STORES, fields_of

if TYPE_CHECKING:
    from graphcortex.data.connectome import Connectome

_CODES = {name: level for level in STORES for name, field in fields_of(level).items() if field.kind == "code"}


def batch_alike(connectome_type: type[Connectome]) -> None:
    """Make PyG hold connectomes to :func:`with_same_fields` and :func:`with_common_codes` where it puts graphs together.

    PyG joins the tensors of a field and asks a graph for nothing but an increment, so that a graph cannot see the codes or the
    fields of another. Its two functions that all datasets and loaders call are therefore wrapped; other kinds of graphs pass
    through as they are.
    """
    join, store = Batch.from_data_list.__func__, InMemoryDataset.collate

    @functools.wraps(join)
    def from_data_list(cls, data_list, follow_batch=None, exclude_keys=None):
        if len(data_list) and isinstance(data_list[0], connectome_type):
            data_list = with_common_codes(with_same_fields(data_list, connectome_type, exclude_keys or ()))
        return join(cls, data_list, follow_batch, exclude_keys)

    @functools.wraps(store)
    def collate(data_list):
        if len(data_list) and isinstance(data_list[0], connectome_type):
            data_list = with_same_fields(data_list, connectome_type)
        return store(data_list)

    Batch.from_data_list, InMemoryDataset.collate = classmethod(from_data_list), staticmethod(collate)


def with_same_fields(
    graphs: Sequence[Any], connectome_type: type[Connectome], excluded: Collection[str] = ()
) -> list[Connectome]:
    """Return the graphs of a batch, where some have no names or provenance with empty ones.

    Raises:
        ConnectomeError: If a graph is no connectome, or is a batch already, or a field is there in some graphs only.
    """
    for number, graph in enumerate(graphs):
        if not isinstance(graph, connectome_type) or isinstance(graph, Batch):
            raise ConnectomeError(
                f"a batch of connectomes must hold single connectomes, got {type(graph).__name__} as graph {number}; "
                "batch.to_data_list() has the graphs of a batch."
            )
    expected = _fields(graphs[0], excluded)
    for number, graph in enumerate(graphs[1:], start=1):
        got = _fields(graph, excluded)
        if got != expected:
            having, lacking = (0, number) if expected - got else (number, 0)
            fields = sorted(expected - got or got - expected)
            remedy = "add them to every graph (graphcortex.data.Coactivity measures co-activity) or delete them"
            raise ConnectomeError(
                f"graphs of one batch must hold the same fields: expected those of graph {having} in each, got none of "
                f"{', '.join(fields)} in graph {lacking}; {remedy}."
            )
    for notes in fields_of("graph"):
        if any(notes in graph._global_store for graph in graphs):
            graphs = [graph if notes in graph._global_store else _with(graph, notes, {}) for graph in graphs]
    return list(graphs)


def with_common_codes(graphs: Sequence[Connectome]) -> list[Connectome]:
    """Return graphs in which one code has one name: the codes of graphs with other tables of names are translated.

    The table that all get has the names in the order in which they first appear. Graphs that agree already are not changed.
    A ``Batch`` of connectomes does this by itself, batch by batch; do it once for all graphs of a dataset to have the same
    codes in all batches.

    Args:
        graphs: Connectomes.

    Returns:
        The graphs, in their order; those whose codes change are shallow copies.

    Raises:
        ConnectomeError: If the codes of a field have names in some graphs only.

    Example:
        >>> from graphcortex.data import Connectome
        >>> wiring = {"pos": torch.rand(2, 3), "synapse_index": [[0], [1]], "count": [2]}
        >>> one = Connectome.from_arrays(**wiring, area=[0, 1], names={"area": ["V1", "LM"]})
        >>> other = Connectome.from_arrays(**wiring, area=[0, 0], names={"area": ["LM"]})
        >>> with_common_codes([one, other])[1]["neuron"].area
        tensor([1, 1])
    """
    graphs = list(graphs)
    for name, level in _CODES.items():
        tables = [_table(graph, name) for graph in graphs]
        if not any(
            STORES[level] in graph.node_types + graph.edge_types and name in graph[STORES[level]] for graph in graphs
        ):
            continue
        if all(table == tables[0] for table in tables):
            continue
        if None in tables:
            raise ConnectomeError(
                f"codes of {name} must have names in every graph or in none, got none in graph {tables.index(None)}; set "
                f"connectome.names[{name!r}]."
            )
        common = list(dict.fromkeys(text for table in tables for text in table))
        graphs = [
            graph if table == common else _translated(graph, name, level, table, common)
            for graph, table in zip(graphs, tables, strict=True)
        ]
    return graphs


def _fields(graph: Connectome, excluded: Collection[str]) -> set[str]:
    keys = (key for key in STORES.items() if key[1] in graph.node_types + graph.edge_types)
    return {f"{level}.{name}" for level, key in keys for name in graph[key].keys() if name not in excluded}


def _table(graph: Connectome, name: str) -> list[str] | None:
    names = graph.names if "names" in graph._global_store else {}
    return list(names[name]) if name in names else None


def _with(graph: Connectome, notes: str, values: Any) -> Connectome:
    changed = copy.copy(graph)
    setattr(changed, notes, Notes(values))
    return changed


def _translated(graph: Connectome, name: str, level: str, table: list[str], common: list[str]) -> Connectome:
    """Return a graph whose codes of one field are those of the common table."""
    graph.validate()  # a code without a name has no translation
    changed = _with(graph, "names", {**graph.names, name: tuple(common)})
    place = {text: code for code, text in enumerate(common)}
    codes = graph[STORES[level]][name]
    translation = torch.tensor([place[text] for text in table], dtype=torch.int64, device=codes.device)
    changed[STORES[level]][name] = translation[codes]
    return changed
