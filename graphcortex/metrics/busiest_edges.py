"""Which edges a network talks through."""

from __future__ import annotations

import pandas as pd
import torch

from graphcortex._checks import check_choice, check_count, check_edge_values
from graphcortex._typing import EdgeIndex, EdgeValues
from graphcortex.kernels import GraphStructure
from graphcortex.ops import communicability, edge_traffic

RANKED_BY = ("traffic", "cost")


def busiest_edges(
    edge_index: EdgeIndex,
    edge_weight: EdgeValues,
    num_nodes: int,
    *,
    edge_length: EdgeValues | None = None,
    by: str = "traffic",
    top: int | None = 20,
    normalization: str = "both",
    structure: GraphStructure | None = None,
) -> pd.DataFrame:
    """Rank the edges by how much of the network's communication they carry, or by what that costs.

    Args:
        edge_index: Source (row 0) and target (row 1) of each edge, shape ``(2, E)``. Repeated edges appear as often, with the
            values of all of them.
        edge_weight: Weight of each edge, shape ``(E,)``, in any unit.
        num_nodes: Number of neurons.
        edge_length: Length of each edge, shape ``(E,)``, in any unit.
        by: ``"traffic"``, see :func:`graphcortex.ops.edge_traffic`; or ``"cost"``, weight times length times communicability, an
            edge's part of :func:`graphcortex.ops.spatial_communicability`, which needs the lengths.
        top: Rows of the table, or None for all edges. Communicability is computed for these rows only, but for all where it
            decides.
        normalization: As in :func:`graphcortex.ops.communicability_matrix`.
        structure: The structure of ``edge_index`` where it is there already.

    Returns:
        A row per edge, the busiest first: ``rank`` (from 1), ``source``, ``target``, ``weight``, ``length`` and ``cost``
        (where lengths are given), ``communicability``, ``traffic`` and ``share``, the edge's part of the summed traffic (or
        cost) of all edges.

    Raises:
        ValueError: If the arguments do not describe one graph, a weight is not finite, or an option is out of range.

    Example:
        >>> edge_index = torch.tensor([[0, 1, 3], [1, 2, 2]])
        >>> table = busiest_edges(edge_index, torch.ones(3), 4, top=2)
        >>> table["source"].tolist(), table["target"].tolist(), [f"{share:.2f}" for share in table["share"]]
        ([0, 1], [1, 2], ['0.43', '0.34'])
    """
    check_choice(by, "by", RANKED_BY)
    if top is not None:
        check_count(top, "top")
    if by == "cost" and edge_length is None:
        raise ValueError("edge_length must be given to rank by cost, got None.")
    options = {"normalization": normalization, "structure": structure}
    edge_weight = edge_weight.detach()
    traffic = edge_traffic(edge_index, edge_weight, num_nodes, **options)
    if edge_length is not None:
        check_edge_values(edge_length, edge_index, "edge_length")
    if by == "cost":
        talk = communicability(edge_index, edge_weight, num_nodes, **options)
        measure = edge_weight.abs() * edge_length * talk
    else:
        measure = traffic
    total = float(measure.sum(dtype=torch.float64))
    rows = torch.argsort(measure, descending=True, stable=True)[:top]
    if by == "cost":
        talk = talk[rows]
    else:
        talk = communicability(edge_index, edge_weight, num_nodes, pairs=edge_index[:, rows], **options)
    columns = {"source": edge_index[0, rows], "target": edge_index[1, rows], "weight": edge_weight[rows]}
    if edge_length is not None:
        columns["length"] = edge_length[rows]
        columns["cost"] = edge_weight[rows].abs() * edge_length[rows] * talk
    columns |= {"communicability": talk, "traffic": traffic[rows], "share": measure[rows] / (total or 1.0)}
    table = pd.DataFrame({name: values.detach().cpu().numpy() for name, values in columns.items()})
    table.insert(0, "rank", range(1, len(table) + 1))
    return table
