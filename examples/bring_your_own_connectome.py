"""Bring your own connectome: from tables of neurons and synapses to a network that can be trained, and to files for others.

    python examples/bring_your_own_connectome.py
    python examples/bring_your_own_connectome.py --data DIR --out results/tables

Without ``--data`` (or $GRAPHCORTEX_DATA) it runs on a tiny worm that it writes itself. With it, also on those of these folders
that are there: ``celegans``, ``drosophila-larva``, ``minnie65-functional-graph``, ``ppc-em-function``. Prints a card of each, and
writes each as tables, npz, GraphML and a figure to ``--out``.
"""

# %% What to run
import argparse
import os
from pathlib import Path

import pandas as pd
import torch

from graphcortex.data import Connectome, from_tables, read_graphml, read_npz, read_tables, to_graphml, to_npz, to_tables
from graphcortex.nn import GraphRNN
from graphcortex.viz import plot_connectome, save_figure


# %% A csv of neurons, a csv of synapses
def tiny(folder: Path) -> Connectome:
    """Write two small tables, as anyone might have them, and read them."""
    (folder / "neurons.csv").write_text(
        'name,type,position\nAVAL,inter,"[0 0 0]"\nAVAR,inter,"[2000 0 100]"\nDA1,motor,"[1000 9000 150]"\nHSN,motor,\n'
    )
    (folder / "synapses.csv").write_text("pre,post\nAVAL,DA1\nAVAL,DA1\nAVAR,DA1\nDA1,MDL08\nAVAL,AVAR\nHSN,AVAL\n")
    # Columns are guessed. What a number means is not: positions need a unit, and a neuron without one needs a decision.
    graph = from_tables(folder / "neurons.csv", folder / "synapses.csv", voxel_nm=(5, 5, 50), missing_pos="drop")
    counts = graph.provenance["counts"]
    assert graph.names["neuron_name"] == ("AVAL", "AVAR", "DA1")
    assert graph.count_matrix().tolist() == [[0, 1, 2], [0, 0, 1], [0, 0, 0]]
    assert graph.pos[2].tolist() == [5.0, 45.0, 7.5]
    assert counts["neurons_without_position"] == 1, "HSN has no position"
    assert counts["synapses_rows_of_other_neurons"] == 2, "a muscle, and HSN"
    return graph


# %% Four published ones
def worm(folder: Path) -> Connectome:
    """C. elegans: names instead of ids, um, chemical synapses only."""
    graph = from_tables(
        folder / "neurons.csv",
        folder / "edges_white_whole.csv",
        synapse_type="chemical",
        provenance={"source": "C. elegans", "citation": "White et al. 1986", "licence": "GPL-3.0"},
    )
    assert (graph.num_neurons, graph.synapses.num_edges) == (302, 2266)
    return graph


def larva(folder: Path) -> Connectome:
    """A larval fly brain: skeleton ids, nm, counts per pair; self-connections left out."""
    graph = from_tables(
        folder / "neurons.csv",
        folder / "edges.parquet",
        autapses="drop",
        provenance={"source": "Drosophila larva", "citation": "Winding et al. 2023"},
    )
    assert (graph.num_neurons, graph.synapses.num_edges) == (2952, 110_677 - 537)
    return graph


def visual_cortex(folder: Path) -> Connectome:
    """MICrONS: the proofread neurons of the mouse's visual cortex, ids of 18 digits, one row per synapse."""
    nodes = pd.read_csv(folder / "nodes.csv", dtype={"root_id": "int64"})
    graph = from_tables(
        nodes[nodes["proofread_axon"] == 1],
        folder / "synapses.parquet",
        provenance={"source": "MICrONS minnie65", "version": 117, "citation": "MICrONS Consortium 2025"},
    )
    assert (graph.num_neurons, graph.synapses.num_edges, int(graph.synapses["count"].sum())) == (303, 630, 703)
    return graph


def parietal_cortex(folder: Path) -> Connectome:
    """Parietal cortex: sizes of synapses, and the correlations of the same neurons; one has no soma."""
    graph = from_tables(
        folder / "neurons.csv",
        folder / "synapses.csv",
        coactivity=folder / "functional_pairs.csv",
        correlation="corr_residual",
        missing_pos="drop",
        provenance={"source": "Mouse parietal cortex", "citation": "Kuan et al. 2024"},
    )
    assert (graph.num_neurons, graph.synapses.num_edges, int(graph.synapses["count"].sum())) == (142, 160, 233)
    return graph


PUBLISHED = {
    "celegans": worm,
    "drosophila-larva": larva,
    "minnie65-functional-graph": visual_cortex,
    "ppc-em-function": parietal_cortex,
}


# %% To files for others, and back
def export(graph: Connectome, out: Path) -> None:
    """Write a connectome in each format, and read the same one back."""
    out.mkdir(parents=True)
    for path, read in (
        (to_tables(graph, out / "tables", format="csv"), read_tables),
        (to_npz(graph, out / "connectome.npz"), read_npz),
        (to_graphml(graph, out / "connectome.graphml"), read_graphml),
    ):
        back = read(path)
        assert torch.equal(back.synapses.edge_index, graph.synapses.edge_index)
        assert torch.equal(back.synapses["count"], graph.synapses["count"])
        assert torch.equal(back.pos, graph.pos)
        assert back.provenance == graph.provenance
    save_figure(plot_connectome(graph, title=graph.provenance["source"]), out / "connectome.png")


# %% To a network
def run(graph: Connectome) -> None:
    """Make a recurrent network of the synapses, and see that exactly these learn."""
    wiring = graph.wiring()
    rnn = GraphRNN(4, wiring.edge_index, wiring.num_nodes, batch_first=True)
    output, _ = rnn(torch.ones(2, 10, 4))
    output.square().mean().backward()
    assert output.shape == (2, 10, graph.num_neurons)
    assert rnn.edge_weight.grad.shape == (graph.synapses.num_edges,)
    assert torch.isfinite(rnn.edge_weight.grad).all()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("GRAPHCORTEX_DATA")
    parser.add_argument(
        "--data", type=Path, default=Path(data) if data else None, help="folder of the published tables"
    )
    parser.add_argument("--out", type=Path, default=Path("results") / "tables", help="a folder that is not there yet")
    args = parser.parse_args()
    args.out, args.data = args.out.expanduser(), args.data and args.data.expanduser()
    if args.out.exists():
        parser.error(f"--out: expected a folder that is not there yet, got {args.out}")
    args.out.mkdir(parents=True)
    graphs = {"tiny": tiny(args.out)}
    for name, read in PUBLISHED.items():
        if args.data is not None and (args.data / name).is_dir():
            graphs[name] = read(args.data / name)
    for name, graph in graphs.items():
        print(graph.describe(), end="\n\n")
        export(graph, args.out / name)
        run(graph)
    print(f"{len(graphs)} connectomes, written to {args.out}: {', '.join(graphs)}")


if __name__ == "__main__":
    main()
