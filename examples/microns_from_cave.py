"""From CAVE to a connectome: every co-registered excitatory neuron of MICrONS at one version, resumable.

    python examples/microns_from_cave.py --help
    python examples/microns_from_cave.py --server https://global.daf-apis.com --version 1300 --root cave
    python examples/microns_from_cave.py

Needs caveclient (``pip install 'graphcortex-rnn[cave]'``) and, for the service itself, an account; see docs/cave.md.
Without --server a service on this machine is asked, which holds the real wiring of ``minnie65-functional-graph`` in the folder that
$GRAPHCORTEX_DATA names (or ``../shared/data``), or else a small made-up cortex; its rows are limited, so that answers are cut off.
"""

# %% What to run
import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from graphcortex import Connectome
from graphcortex.data import MicronsCAVE

HERE = Path(__file__).resolve().parents[1]


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help="address of the CAVE server; by default one is started on this machine")
    parser.add_argument("--version", type=int, help="materialisation; 1300, or that of the real wiring, 117")
    parser.add_argument(
        "--root",
        type=lambda text: Path(text).expanduser(),
        help="folder of the cache; by default one that is removed at the end",
    )
    parser.add_argument("--areas", nargs="*", help="cortical areas: V1 AL RL LM; all by default")
    parser.add_argument("--proofread", choices=("axon", "dendrite", "both"), help="what must have been proofread")
    return parser.parse_args(arguments)


# %% A service to ask
@contextlib.contextmanager
def service_here() -> Iterator[dict]:
    """Start a service of this machine; give what MicronsCAVE needs to reach it."""
    sys.path.insert(0, str(HERE))
    from tests.cave_server import Service
    from tests.cave_tables import real_tables, small_tables

    folder = Path(os.environ.get("GRAPHCORTEX_DATA", HERE.parent / "shared" / "data")) / "minnie65-functional-graph"
    real = folder.is_dir()
    with Service(real_tables(folder) if real else small_tables(), limit=2_000 if real else 100) as service:
        print(f"a service at {service.address} holds {'real wiring' if real else 'a made-up cortex'}")
        yield {"server_address": service.address, "token": "any"}


# %% What must hold
def check(connectome: Connectome, again: Connectome) -> None:
    """Assert what this example claims."""
    # The same parts give the same graph.
    assert again.provenance == connectome.provenance
    assert torch.equal(again.synapses.edge_index, connectome.synapses.edge_index)
    assert torch.equal(again.synapses["count"], connectome.synapses["count"])
    # Ids are whole, and name one neuron each; no synapse joins a neuron with itself.
    roots = connectome["neuron"].root_id
    assert roots.dtype == torch.int64
    assert len(set(roots.tolist())) == connectome.num_neurons > 0
    source, target = connectome.synapses.edge_index
    assert bool((source != target).all())
    # Positions are um: visual cortex of one cubic millimetre.
    extent = connectome.pos.amax(0) - connectome.pos.amin(0)
    assert bool((extent < 2_000).all()), extent
    # Neurons that are joined lie nearer to each other than two at random, where there are enough to tell.
    if connectome.num_neurons > 1_000 and len(source) > 100:
        other = target[torch.randperm(len(target), generator=torch.Generator().manual_seed(0))]
        joined, random = (
            (connectome.pos[source] - connectome.pos[end]).norm(dim=1).median() for end in (target, other)
        )
        print(f"median distance of joined neurons {joined:.0f} um, of as many pairs at random {random:.0f} um")
        assert joined < random


# %% Ask, read again, look
def main(arguments: list[str] | None = None) -> Connectome:
    """Run the example."""
    chosen = options(arguments)
    version = chosen.version or (1300 if chosen.server else 117)
    with contextlib.ExitStack() as stack:
        root = chosen.root or stack.enter_context(tempfile.TemporaryDirectory())
        server = {"server_address": chosen.server} if chosen.server else stack.enter_context(service_here())
        filters = {"areas": chosen.areas or None, "proofread": chosen.proofread}
        dataset = MicronsCAVE(root, version, **server, **filters)
        connectome = dataset[0]
        # With no server at its address, the cache still gives the graph.
        again = MicronsCAVE(root, version, server_address="http://127.0.0.1:1", **filters)[0]
    check(connectome, again)
    names = connectome.names
    for field in ("cell_type", "layer", "area"):
        if field in names:
            number = torch.bincount(connectome["neuron"][field], minlength=len(names[field])).tolist()
            print(f"{field}: " + ", ".join(f"{name} {n:,}" for name, n in zip(names[field], number, strict=True)))
    notes = connectome.provenance
    print(f"{connectome.num_neurons:,} neurons, {connectome.synapses.num_edges:,} pairs, "
          f"{int(connectome.synapses['count'].sum()):,} synapses of {notes['datastack']} version {notes['version']}, "
          f"{notes['time_stamp']}")  # fmt: skip
    for kind, reasons in notes["dropped"].items():
        why = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items() if number)
        print(f"of {notes['input'][kind]:,} {kind} dropped: {why or 'none'}")
    return connectome


if __name__ == "__main__":
    main()
