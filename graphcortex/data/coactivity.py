"""Co-activity edges of a connectome from a recording of its neurons."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.transforms import BaseTransform

from graphcortex._checks import check_edge_index, check_number
from graphcortex.data.connectome import Connectome
from graphcortex.data.schema import COACTIVITY, NEURON, fields_of
from graphcortex.ops._spikes import SpikeTimes, as_activity
from graphcortex.ops.coactivity import check_measures, coactivity


class Coactivity(BaseTransform):
    """Compute the co-activity edges of a connectome from spikes or traces, for all pairs or only along given edges.

    Co-activity that the connectome held before is replaced, the ``self_`` fields of its neurons included. What was done
    is added to the provenance. Along given edges nothing of size ``N * N`` is made, so that a whole co-registered
    population can be measured at its synapses.

    A neuron whose trace is NaN (or masked) in every frame was not recorded: its pairs have no edge, since their co-activity
    is unknown, not zero, and a warning and the provenance say how many there are. The diagonals of the measures
    (``self_correlation``, ...) are then left out, for they have no value for such a neuron.

    Args:
        spike_times: Spike times of each neuron of the connectome, in its order, in s, ascending, from the start of the
            recording; or a function that returns them for a connectome.
        traces: Instead of spikes, the activity of each neuron, shape ``(N, T)``; or a function that returns it.
        measures: Some of ``"correlation"``, ``"sttc"`` (spikes only) and ``"precision"`` (all pairs only). By default
            correlation, and STTC of spikes.
        along: ``"all"`` ordered pairs of neurons, ``"synapses"`` (the connected pairs, autapses left out), or pairs,
            int64, shape ``(2, P)``, no neuron with itself and none twice.
        bin_s: Width of a bin for correlation and precision of spikes, in s.
        window_s: Window of the spike time tiling coefficient, in s.
        duration_s: Duration of the recording, in s; see :func:`graphcortex.ops.coactivity.coactivity` for the default.
        tolerance_s: How far a spike time may lie from its true value, in s; by default it is read from the times, as
            :func:`graphcortex.ops.binned_counts` says.
        precision_method: ``"shrinkage"``, ``"graphical-lasso"`` or ``"auto"``; see :func:`graphcortex.ops.precision`.

    Raises:
        ValueError: If not just one recording is given, a measure cannot be had of it, or an option is out of range; as
            it is applied, if the recording is not of as many neurons as the connectome has.

    Example:
        >>> connectome = Connectome.from_arrays(torch.rand(3, 3), [[0, 1], [1, 2]], [2, 5])
        >>> spikes = [[0.1, 0.5], [0.15, 0.7], [0.9]]
        >>> measured = Coactivity(spike_times=spikes, along="synapses")(connectome)
        >>> measured.coactivity.edge_index.tolist(), measured.coactivity.sttc.shape
        ([[0, 1], [1, 2]], torch.Size([2]))
    """

    def __init__(
        self,
        *,
        spike_times: SpikeTimes | Callable[[Connectome], SpikeTimes] | None = None,
        traces: Tensor | Callable[[Connectome], Tensor] | None = None,
        measures: Sequence[str] | None = None,
        along: str | Tensor = "all",
        bin_s: float = 0.2,
        window_s: float = 0.1,
        duration_s: float | None = None,
        tolerance_s: float | None = None,
        precision_method: str = "shrinkage",
    ):
        if measures is None:
            measures = ("correlation",) if spike_times is None else ("correlation", "sttc")
        if not isinstance(along, Tensor) and along not in ("all", "synapses"):
            raise ValueError(f"along must be 'all', 'synapses' or a tensor of pairs, got {along!r}.")
        given = isinstance(along, Tensor) or along != "all"
        self.measures = check_measures(measures, spike_times is not None, traces is not None, given)
        self.spike_times, self.traces, self.along = spike_times, traces, along
        self.bin_s = check_number(bin_s, "bin_s", above=0.0)
        self.window_s = check_number(window_s, "window_s", above=0.0)
        self.duration_s = None if duration_s is None else check_number(duration_s, "duration_s", above=0.0)
        self.tolerance_s = None if tolerance_s is None else check_number(tolerance_s, "tolerance_s", minimum=0.0)
        self.precision_method = precision_method

    def forward(self, data: Connectome) -> Connectome:
        """Measure the co-activity of one connectome."""
        if not isinstance(data, Connectome) or isinstance(data, Batch):
            raise ValueError(
                f"Coactivity must be given one Connectome, got {type(data).__name__}; apply it to each graph before "
                "they are batched."
            )
        N, device = data.num_neurons, data.pos.device
        recording = {
            name: found(data) if callable(found) else found
            for name, found in (("spike_times", self.spike_times), ("traces", self.traces))
            if found is not None
        }
        for name, found in recording.items():
            if len(found) != N:
                raise ValueError(
                    f"{name} must hold one row for each of the {N} neurons of the connectome, in its order, got "
                    f"{len(found)}; select the rows by unit id first."
                )
        pairs = self._pairs(data)
        options = {
            "bin_s": self.bin_s,
            "window_s": self.window_s,
            "duration_s": self.duration_s,
            "tolerance_s": self.tolerance_s,
        }
        if "traces" in recording:
            recording["traces"] = as_activity(recording["traces"], "traces")
        recorded = _recorded(recording.get("traces"), N)
        silent = N - int(recorded.sum())
        if silent:
            recording["traces"] = recording["traces"][recorded]
            pairs = _among(recorded, pairs)
            warnings.warn(
                f"{silent} of {N} neurons have NaN in every frame of their trace: they have no co-activity.",
                stacklevel=2,
            )
        found = coactivity(
            **recording,
            measures=self.measures,
            pairs=pairs,
            precision_method=self.precision_method,
            **options,
        )
        if COACTIVITY in data.edge_types:
            del data[COACTIVITY]
            if "names" in data._global_store and "recording" in data.names:
                data.names = {name: words for name, words in data.names.items() if name != "recording"}
        for name in fields_of(NEURON):
            if name.startswith("self_") and name in data[NEURON]:
                del data[NEURON][name]
        source, target = pairs if pairs is not None else (~torch.eye(N - silent, dtype=torch.bool)).nonzero().T
        number = recorded.nonzero().flatten()
        data[COACTIVITY].edge_index = number[torch.stack([source, target])].to(device)
        for name, values in found.items():
            data[COACTIVITY][name] = (values[source, target] if pairs is None else values).to(device)
            if not silent:
                # A neuron agrees with itself: only the precision has more to say on its diagonal.
                own = values.diagonal().clone() if pairs is None else torch.ones(N, dtype=torch.float64)
                data[NEURON][f"self_{name}"] = own.to(device)
        used = {
            "of": next(iter(recording)),
            "measures": list(self.measures),
            "along": self.along if isinstance(self.along, str) else "given pairs",
        }
        if "spike_times" in recording:
            used |= options
        if silent:
            used["neurons_not_recorded"] = silent
        if "precision" in self.measures:
            used["precision_method"] = self.precision_method
        before = dict(data.provenance) if "provenance" in data._global_store else {}
        data.provenance = {**before, "coactivity": used}
        return data.validate()

    def _pairs(self, data: Connectome) -> Tensor | None:
        if isinstance(self.along, Tensor):
            check_edge_index(self.along, data.num_neurons, "along")
            return self.along.cpu()
        if self.along == "all":
            return None
        edges = data.synapses.edge_index.cpu()
        return edges[:, edges[0] != edges[1]]

    def __repr__(self) -> str:
        of = "traces" if self.spike_times is None else "spike_times"
        along = repr(self.along) if isinstance(self.along, str) else f"{self.along.size(1)} pairs"
        return f"Coactivity({of}, measures={list(self.measures)}, along={along})"


def _recorded(traces: Tensor | None, num_neurons: int) -> Tensor:
    """Return which neurons have a value in some frame, a mask of shape ``(N,)``."""
    if traces is None or not traces.is_floating_point() or not bool(traces[:, 0].isnan().any()):
        return torch.ones(num_neurons, dtype=torch.bool)
    return ~traces.isnan().all(1)


def _among(recorded: Tensor, pairs: Tensor | None) -> Tensor | None:
    """Return the pairs of recorded neurons, as numbers among these."""
    if pairs is None:
        return None
    return (recorded.cumsum(0) - 1)[pairs[:, recorded[pairs].all(0)]]
