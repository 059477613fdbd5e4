"""What is computed: differentiable maths on (edge_index, edge_weight, num_nodes), without state."""

from graphcortex.ops.coactivity import coactivity
from graphcortex.ops.communicability import communicability, communicability_matrix, spatial_communicability
from graphcortex.ops.communicability_sample import sample_communicability
from graphcortex.ops.correlation import binned_counts, correlation, spike_correlation
from graphcortex.ops.edge_length import edge_length, grid_positions
from graphcortex.ops.precision import precision
from graphcortex.ops.spectrum import SpectrumNotFoundError, rescale_to_radius, spectral_radius
from graphcortex.ops.strength import in_strength, out_strength
from graphcortex.ops.sttc import sttc
from graphcortex.ops.total_communicability import edge_traffic, total_communicability
from graphcortex.ops.trial_correlation import noise_correlation, signal_correlation
from graphcortex.ops.wasserstein import quantile_function, quantiles_at, wasserstein_1d

__all__ = [
    "SpectrumNotFoundError",
    "binned_counts",
    "coactivity",
    "communicability",
    "communicability_matrix",
    "correlation",
    "edge_length",
    "edge_traffic",
    "grid_positions",
    "in_strength",
    "noise_correlation",
    "out_strength",
    "precision",
    "quantile_function",
    "quantiles_at",
    "rescale_to_radius",
    "sample_communicability",
    "signal_correlation",
    "spatial_communicability",
    "spectral_radius",
    "spike_correlation",
    "sttc",
    "total_communicability",
    "wasserstein_1d",
]
