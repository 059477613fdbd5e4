"""What a variant needs of a connectome, said before anything is trained."""

from __future__ import annotations

from graphcortex.data import Connectome
from graphcortex.study.protocol import FUNCTIONAL, Protocol
from graphcortex.study.variant import Variant


def check_possible(connectome: Connectome, name: str, variant: Variant, protocol: Protocol) -> None:
    """Check that a connectome has what a variant is made of.

    Raises:
        ValueError: If it lacks synapses, or the relations of activity that the protocol asks for.
    """
    if variant.uses_wiring and connectome.synapses.num_edges == 0:
        raise ValueError(
            f"{variant} compares with or follows the anatomy: connectome {name!r} must have synapses, got none; leave it out."
        )
    if variant.uses_activity:
        there = set(connectome.coactivity.keys()) if connectome.has_coactivity else set()
        lacking = [relation for relation in FUNCTIONAL[protocol.functional] if relation not in there]
        if lacking:
            raise ValueError(
                f"{variant} starts from activity: connectome {name!r} must have {' and '.join(lacking)}, computed from spikes or "
                f"traces (graphcortex.ops); got {', '.join(sorted(there - {'edge_index'})) or 'no co-activity'}. Leave it out, or "
                "choose other --functional relations."
            )
