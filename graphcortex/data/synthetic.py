"""Synthetic cortex: connectomes with recorded activity, drawn from a model, for when the real ones are not at hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphcortex._checks import check_count, check_number
from graphcortex._random import derive_seed, draw_seed
from graphcortex._typing import RandomSource
from graphcortex.data import _slab as slab
from graphcortex.data._named import NamedDataset
from graphcortex.data._slab import CortexParameters
from graphcortex.data.connectome import Connectome
from graphcortex.graphs.simple import check_positions
from graphcortex.ops.correlation import binned_counts, spike_correlation
from graphcortex.ops.precision import precision
from graphcortex.ops.sttc import sttc

_BIN_S = 0.2


class SyntheticCortex(NamedDataset):
    """Connectomes drawn from a model of a piece of cortex, each a :class:`~graphcortex.data.Connectome`.

    It stands in for :class:`~graphcortex.data.MicronsFields`, with the same interface and statistics like theirs. Neurons
    lie in a slab and have the cell types of their layer; connections become rare with distance; near neurons, and
    those of like preference, share fluctuations of their firing rate, from which spikes are drawn, and neurons of like
    preference connect more, so that connected ones are more alike. Correlation (.2 s bins),
    spike time tiling (window .1 s) and precision (shrunk covariance) are computed from these spikes as from real ones.

    Graphs are named ``synthetic_0``, ``synthetic_1``, ...; each is drawn when it is first asked for, and kept. A graph
    depends on the seed, its number and the parameters, but not on how many others there are.

    It is a model of statistics, not of a circuit: there are no inhibitory cells, no layer-specific pathways, and
    spikes do not travel along the connections.

    Args:
        num_neurons: Neurons of each graph, at least 2.
        num_graphs: Number of graphs.
        rng: A generator (one draw is taken) or an int seed.
        duration_s: Duration of the recording in s, at least 60. Shorter recordings give noisier co-activity; the real
            ones last 6,347 s.
        parameters: What is drawn from; the defaults follow MICrONS.
        transform: Applied to each graph as it is asked for.

    Raises:
        ValueError: If a number is out of range.

    References:
        The MICrONS Consortium (2025). Functional connectomics spanning multiple areas of mouse visual cortex. Nature
        640. https://doi.org/10.1038/s41586-025-08790-w

        Ding et al. (2025). Functional connectomics reveals general wiring rule in mouse visual cortex. Nature 640.
        https://doi.org/10.1038/s41586-025-08840-3 (connected neurons are alike in function)

        Shakiba, Rokni, Mohammadi & Dehghani (2026). Harnessing cortical geometry, wiring, and function as inductive
        biases for recurrent neural networks. https://arxiv.org/abs/2606.14975 (the fields)

    Example:
        >>> cortex = SyntheticCortex(num_neurons=50, num_graphs=2, rng=0, duration_s=300.0)
        >>> cortex.names
        ('synthetic_0', 'synthetic_1')
        >>> connectome = cortex["synthetic_0"]
        >>> connectome.num_neurons, connectome.synapses.num_edges
        (50, 10)
        >>> len(cortex.spike_times("synthetic_0"))
        50
    """

    def __init__(
        self,
        num_neurons: int = 120,
        num_graphs: int = 1,
        *,
        rng: RandomSource = 0,
        duration_s: float = 1800.0,
        parameters: CortexParameters | None = None,
        transform: Callable[[Connectome], Any] | None = None,
    ):
        super().__init__(None, transform=transform)
        self.num_neurons = check_count(num_neurons, "num_neurons", minimum=2)
        self.duration_s = check_number(duration_s, "duration_s", minimum=60.0)
        self.parameters = _check_parameters(parameters)
        self._num_graphs = check_count(num_graphs, "num_graphs")
        self._seed = draw_seed(rng)
        self._drawn: dict[int, tuple[Connectome, list[np.ndarray]]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the graphs, in order."""
        return tuple(f"synthetic_{i}" for i in self.indices())

    def len(self) -> int:
        """Return the number of graphs of the whole dataset; ``len(cortex)`` counts a selection."""
        return self._num_graphs

    def get(self, idx: int) -> Connectome:
        """Return the graph of this number in the whole dataset, as a copy that may be changed."""
        return self._draw(idx)[0].clone()

    def spike_times(self, name: str) -> list[Tensor]:
        """Return the spikes that the co-activity of a graph was computed from.

        Args:
            name: The graph.

        Returns:
            For each neuron, its spike times in s, ascending, float64.

        Raises:
            ValueError: If there is no such graph.
        """
        drawn = self._draw(list(self.indices())[self._position(name)])
        return [torch.from_numpy(train.copy()) for train in drawn[1]]

    def __repr__(self) -> str:
        return f"SyntheticCortex({len(self)} graphs of {self.num_neurons} neurons, {self.duration_s:g} s of spikes)"

    def _position(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"name must be one of {', '.join(self.names)}; got {name!r}.")
        return self.names.index(name)

    def _draw(self, number: int) -> tuple[Connectome, list[np.ndarray]]:
        if number not in self._drawn:
            seed = derive_seed("synthetic cortex", self._seed, number)
            self._drawn[number] = _draw_connectome(
                f"synthetic_{number}", self.num_neurons, self.duration_s, self.parameters, seed
            )
        return self._drawn[number]


def simulate_spikes(
    pos: Tensor, *, rng: RandomSource, duration_s: float = 1800.0, parameters: CortexParameters | None = None
) -> list[Tensor]:
    """Draw the spikes of neurons at given places, as those of a :class:`SyntheticCortex` are drawn.

    Near neurons, and those of like preference, share fluctuations of their rate. For neurons whose places are known and whose
    activity is not: 12,000 of them take some minutes and 9 GB for half an hour of spikes.

    Args:
        pos: Positions in um, floating point and finite, shape ``(N, 3)``.
        rng: A generator (one draw is taken) or an int seed.
        duration_s: Duration of the recording in s, at least 60.
        parameters: What is drawn from; the defaults follow MICrONS.

    Returns:
        For each neuron, its spike times in s, ascending, float64.

    Raises:
        ValueError: If positions do not have this shape or are not finite, or a number is out of range.

    References:
        As for :class:`SyntheticCortex`.

    Example:
        >>> spikes = simulate_spikes(torch.tensor([[0.0, 0.0, 0.0], [50.0, 0.0, 0.0]]), rng=0, duration_s=600.0)
        >>> len(spikes), 100 < len(spikes[0]) < 1000
        (2, True)
    """
    if not isinstance(pos, Tensor) or pos.dim() != 2 or len(pos) == 0:
        got = f"shape {tuple(pos.shape)}" if isinstance(pos, Tensor) else type(pos).__name__
        raise ValueError(f"pos must be a tensor of positions in um, shape (N, 3) with N at least 1, got {got}.")
    places = check_positions(pos, len(pos))
    duration_s, parameters = check_number(duration_s, "duration_s", minimum=60.0), _check_parameters(parameters)
    generator = np.random.default_rng(derive_seed("simulated spikes", draw_seed(rng)))
    preference = slab.draw_preferences(len(pos), generator)
    trains = slab.draw_spikes(places, preference, duration_s, parameters, generator)
    return [torch.from_numpy(train) for train in trains]


def _check_parameters(parameters: CortexParameters | None) -> CortexParameters:
    if parameters is not None and not isinstance(parameters, CortexParameters):
        raise ValueError(f"parameters must be CortexParameters, got {type(parameters).__name__}.")
    return parameters or CortexParameters()


def _draw_connectome(
    name: str, num_neurons: int, duration_s: float, parameters: CortexParameters, seed: int
) -> tuple[Connectome, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    pos = slab.draw_positions(num_neurons, parameters, rng)
    layer, cell_type = slab.draw_types(pos, rng)
    preference = slab.draw_preferences(num_neurons, rng)
    synapse_index, count = slab.draw_synapses(pos, preference, parameters, rng)
    spikes = slab.draw_spikes(pos, preference, duration_s, parameters, rng)
    matrices = {
        "correlation": spike_correlation(spikes, bin_s=_BIN_S, duration_s=duration_s),
        "sttc": sttc(spikes, duration=duration_s),
        "precision": precision(binned_counts(spikes, bin_s=_BIN_S, duration_s=duration_s)),
    }
    source, target = (~torch.eye(num_neurons, dtype=torch.bool)).nonzero().T
    measures = {key: matrix[source, target] for key, matrix in matrices.items()}
    measures |= {f"self_{key}": matrix.diagonal().clone() for key, matrix in matrices.items()}
    drawn_from = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(parameters).items()}
    connectome = Connectome.from_arrays(
        pos,
        synapse_index,
        count,
        coactivity_index=torch.stack([source, target]),
        layer=layer,
        cell_type=cell_type,
        names={"layer": slab.LAYERS, "cell_type": slab.CELL_TYPES},
        provenance={
            "source": "SyntheticCortex",
            "licence": "MIT",
            "version": f"graphcortex {sys.modules['graphcortex'].__version__}",
            "citation": "synthetic: drawn by graphcortex, no measured data",
            "field": name,
            "seed": seed,
            "duration_s": duration_s,
            "parameters": drawn_from,
        },
        **measures,
    )
    return connectome, spikes
