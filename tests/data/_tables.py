"""Small tables of neurons and synapses for the tests of this room."""

from __future__ import annotations

import pandas as pd

MB = 864691135572530981  # an id of MICrONS: its last digits do not survive a float
UM = {"x_um": [0.0, 10.5, 20.0], "y_um": [0.0, 5.0, 50.0], "z_um": [1.0, 2.0, 3.0]}


def neurons(ids=(11, 12, 13), name="root_id", **more):
    return pd.DataFrame({name: list(ids), **UM, **more})


def synapses(*pairs, **more):
    return pd.DataFrame({"pre": [p for p, _ in pairs], "post": [q for _, q in pairs], **more})


def wiring(graph):
    """Return the synapses as a plain dictionary."""
    return {
        (int(i), int(j)): int(n) for (i, j), n in zip(graph.synapses.edge_index.T, graph.synapses["count"], strict=True)
    }


def counts(graph):
    return graph.provenance["counts"]
