"""Checks of edges and recordings: symmetry, diagonals, orientation, spikes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from graphcortex.data._finding import Finding
from graphcortex.data.connectome import Connectome
from graphcortex.data.schema import NEURON
from graphcortex.ops.correlation import spike_correlation

_ASYMMETRY = 1e-6
_MAX_TRAINS = 60
"""Neurons whose spikes are correlated again; pairs enough to tell one order of neurons from another."""


def check_symmetry(graph: Connectome) -> list[Finding]:
    """Check that both directions of a recorded pair hold the same values."""
    if not graph.has_coactivity or not graph.coactivity.num_edges:
        return [Finding("symmetry", "skipped", "no co-activity is there")]
    store, N = graph.coactivity, graph.num_neurons
    source, target = store.edge_index.cpu()
    recording = store["recording"].cpu() if "recording" in store else torch.zeros_like(source)
    keys, order = ((recording * N + source) * N + target).sort()
    back = (recording * N + target) * N + source
    place = torch.searchsorted(keys, back).clamp_max(keys.numel() - 1)
    paired = keys[place] == back
    alone = int((~paired).sum())
    found = []
    if alone:
        found.append(
            Finding(
                "symmetry",
                "error",
                "every recorded pair must be there in both directions",
                {"edges without their reverse": alone, "of": keys.numel()},
                "add the reverse of each edge with the same values",
            )
        )
    for name in ("correlation", "sttc", "precision"):
        if name not in store:
            continue
        values = store[name].cpu()
        apart = (values - values[order][place]).abs()[paired]
        scale = float(values.abs().max()) if name == "precision" else 1.0
        wrong = int((apart > _ASYMMETRY * max(scale, 1.0)).sum())
        if wrong:
            lower, upper = (bool((values[side] != 0).any()) for side in (source > target, source < target))
            one = lower != upper
            found.append(
                Finding(
                    "symmetry",
                    "error",
                    f"{name} must be alike in both directions{'; one triangle of it is empty' if one else ''}",
                    {"edges that differ": wrong, "greatest difference": float(apart.max())},
                    "mirror the triangle that was stored"
                    if one
                    else "check that rows and columns list the same neurons",
                )
            )
    return found or [Finding("symmetry", "passed", "co-activity is symmetric", {"edges": keys.numel()})]


def check_self(graph: Connectome) -> list[Finding]:
    """Check how much lies on the diagonals: of the wiring, and of co-activity where weights are made of it."""
    found = []
    source, target = graph.synapses.edge_index
    counts = graph.synapses["count"]
    loops = source == target
    share = float(counts[loops].sum() / counts.sum()) if counts.numel() and int(counts.sum()) else 0.0
    evidence = {"self-connections": int(loops.sum()), "share of synapses": share}
    if share > 0.1:
        remedy = "take them out: most are errors of the segmentation, and a penalty on distance leaves them free"
        found.append(
            Finding("self", "error", "self-connections hold more than a tenth of the synapses", evidence, remedy)
        )
    elif int(loops.sum()) > 3 * (1 + counts.numel() / max(graph.num_neurons, 1)):
        remedy = "check them: many are errors of the segmentation"
        found.append(Finding("self", "warning", "there are more self-connections than chance gives", evidence, remedy))
    else:
        found.append(Finding("self", "passed", "self-connections do not dominate", evidence))
    for name in ("correlation", "sttc"):
        diagonal = graph[NEURON].get(f"self_{name}")
        if diagonal is None or not graph.has_coactivity or name not in graph.coactivity or not diagonal.numel():
            continue
        own, pair = (
            float(diagonal.abs().mean()),
            float(graph.coactivity[name].abs().mean() if graph.num_neurons > 1 else 0),
        )
        if own > 10 * pair:
            text = f"the diagonal of {name} is far above its pairs: weights made of the full matrix are mostly self-connections"
            remedy = "leave the diagonal out where weights are made of co-activity"
            found.append(Finding("self", "note", text, {"mean of the diagonal": own, "mean of pairs": pair}, remedy))
    return found


def check_orientation(graph: Connectome, rng: np.random.Generator) -> list[Finding]:
    """Look whether row 0 is the presynaptic side: few axons are complete, so out-degrees vary more than in-degrees."""
    source, target = graph.synapses.edge_index.cpu().numpy()
    source, target = source[source != target], target[source != target]
    N, E = graph.num_neurons, len(source)
    if E < 50:
        return [Finding("orientation", "skipped", f"needs at least 50 connected pairs, got {E}")]

    def excess(source: np.ndarray, target: np.ndarray) -> float:
        out, into = np.bincount(source, minlength=N), np.bincount(target, minlength=N)
        return float(out.var() - into.var()) / (E / N)

    observed = excess(source, target)
    flipped = []
    for _ in range(200):
        turn = rng.random(E) < 0.5
        flipped.append(excess(np.where(turn, target, source), np.where(turn, source, target)))
    z = observed / max(float(np.std(flipped)), 1e-12)
    out, into = np.bincount(source, minlength=N), np.bincount(target, minlength=N)
    evidence = {"variance per mean of out-degrees": float(out.var() / out.mean())}
    evidence |= {"of in-degrees": float(into.var() / into.mean()), "z": z}
    if z < -5:
        text = "in-degrees vary more than out-degrees, as after a transpose: where axons are cut off, few neurons have outputs"
        remedy = "check that row 0 of synapse_index (rows of a matrix) is the presynaptic neuron"
        return [Finding("orientation", "warning", text, evidence, remedy)]
    if z > 5:
        return [
            Finding("orientation", "passed", "outputs come from few neurons, as where few axons are complete", evidence)
        ]
    return [Finding("orientation", "skipped", "in- and out-degrees vary alike: the wiring does not tell", evidence)]


def check_spikes(graph: Connectome, spikes: Sequence) -> list[Finding]:
    """Check that spike times are ascending, of the same neurons, and in their order."""
    arrays = [train.detach().cpu().numpy() if isinstance(train, torch.Tensor) else train for train in spikes]
    trains = [np.asarray(train, dtype=np.float64).ravel() for train in arrays]
    N = graph.num_neurons
    if len(trains) != N:
        text = f"there must be one spike train per neuron: expected {N}, got {len(trains)}"
        remedy = "select the trains of these neurons, by unit id"
        return [Finding("spikes", "error", text, {"neurons": N, "trains": len(trains)}, remedy)]
    bad = sum(bool((~np.isfinite(train)).any() or (train < 0).any()) for train in trains)
    unsorted = sum(bool((np.diff(train) < 0).any()) for train in trains)
    found = []
    if bad:
        remedy = "drop what is not a time, and count time from the start of the recording"
        found.append(Finding("spikes", "error", "spike times must be finite and at least 0 s", {"trains": bad}, remedy))
    if unsorted:
        remedy = "sort each train: coincidences are counted along ascending times"
        found.append(Finding("spikes", "error", "spike times must ascend", {"unsorted trains": unsorted}, remedy))
    if bad:
        return found
    twice = sum(int((np.diff(np.sort(train)) == 0).sum()) for train in trains)
    if twice:
        remedy = "drop the repeated ones"
        found.append(Finding("spikes", "warning", "spikes stand twice in one train", {"spikes": twice}, remedy))
    found += _same_order(graph, [np.unique(train) for train in trains])
    silent = sum(train.size == 0 for train in trains)
    return found or [Finding("spikes", "passed", "spike times ascend", {"trains": N, "silent": silent})]


def _same_order(graph: Connectome, trains: list[np.ndarray]) -> list[Finding]:
    """Compare the stored correlation with that of the spikes, which agree if both list the neurons in one order."""
    if not graph.has_coactivity or "correlation" not in graph.coactivity or "recording" in graph.coactivity:
        return []
    active = [k for k, train in enumerate(trains) if train.size > 1][:_MAX_TRAINS]
    if len(active) < 12:
        return []
    again = spike_correlation([torch.from_numpy(trains[k]) for k in active], bin_s=0.2).numpy()
    place = np.full(graph.num_neurons, -1)
    place[active] = np.arange(len(active))
    source, target = place[graph.coactivity.edge_index.cpu().numpy()]
    kept = (source >= 0) & (target >= 0)
    stored, fresh = graph.coactivity["correlation"].cpu().numpy()[kept], again[source[kept], target[kept]]
    usable = np.isfinite(fresh)
    stored, fresh = stored[usable], fresh[usable]
    if len(stored) < 100 or not np.ptp(stored) > 0 or not np.ptp(fresh) > 0:
        return []
    r = float(np.corrcoef(stored, fresh)[0, 1])
    evidence = {"r": r, "pairs": len(stored)}
    if r < 0.2:
        text = "the correlation of these spikes is not the stored one, as if the arrays listed the neurons in another order"
        remedy = "match spikes and matrices by unit id"
        return [Finding("spikes", "error", text, evidence, remedy)]
    return [Finding("spikes", "passed", "spikes give the stored correlation back", evidence)] if r > 0.9 else []
