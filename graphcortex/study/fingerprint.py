"""What tells one connectome from another."""

from __future__ import annotations

import hashlib

from graphcortex.data import Connectome


def fingerprint(connectome: Connectome) -> str:
    """Return a SHA-256 of everything in a connectome that a run depends on."""
    digest = hashlib.sha256()
    neurons = {name: value for name, value in connectome["neuron"].items() if name == "pos" or name.startswith("self_")}
    for store in (neurons, connectome.synapses, *([connectome.coactivity] if connectome.has_coactivity else [])):
        for name in sorted(store.keys()):
            digest.update(name.encode() + store[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
