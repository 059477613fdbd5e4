"""A model of one recorded piece of cortex: where neurons lie, whom they contact, and when they fire."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.signal import lfilter
from scipy.spatial.distance import cdist

from graphcortex._checks import check_number
from graphcortex.ops._spikes import ROUNDING

LAYERS = ("L2/3", "L4", "L5", "L6")
LAYER_TOPS_UM = (590.0, 690.0, 870.0)
"""Where L4, L5 and L6 begin, in um along y (downwards) in the coordinates of the released MICrONS volume."""

CELL_TYPES = ("23P", "4P", "5P-IT", "5P-ET", "5P-NP", "6P-IT", "6P-CT")
TYPES_OF_LAYER = np.array(
    [
        [0.86, 0.14, 0.00, 0.00, 0.00, 0.00, 0.00],
        [0.08, 0.82, 0.10, 0.00, 0.00, 0.00, 0.00],
        [0.00, 0.10, 0.58, 0.09, 0.03, 0.16, 0.04],
        [0.00, 0.00, 0.03, 0.02, 0.01, 0.58, 0.36],
    ]
)
"""Share of every cell type (column) in every layer (row), counted over 56,209 excitatory cells of MICrONS."""


@dataclass(frozen=True)
class CortexParameters:
    """What a :class:`~graphcortex.data.SyntheticCortex` is drawn from. The defaults follow MICrONS.

    They were measured on the excitatory cells and proofread axons of the MICrONS volume (MICrONS Consortium 2025), and
    on five of its fields as released with Shakiba et al. (2026): see the references of
    :class:`~graphcortex.data.SyntheticCortex`.

    Args:
        low_um: Lower corner of the slab along x, y, z, in um; y is the depth, downwards. MICrONS holds L2/3 from 400.
        high_um: Upper corner of the slab, in um.
        density: Proportion of ordered pairs that are connected. Fields: .0023 to .0050.
        reach_um: Distance over which the probability of a connection falls by a factor of e. Proofread axons: 160 um
            (.029 below 50 um, .008 at 150-200 um, .001 at 400-500 um).
        out_spread: Standard deviation of the logarithm of a neuron's tendency to have outputs, and
        in_spread: to have inputs. Axons are proofread to different lengths, so outputs differ more.
        count_median: Median of the log-normal that is rounded, and raised to at least 1, to a number of synapses, and
        count_spread: the standard deviation of its logarithm. Of the pairs in fields, 5-11 % have several synapses.
        rate_hz: Median firing rate, in Hz. Fields: .21 to .48.
        rate_spread: Standard deviation of the logarithm of the firing rate. Fields: .24 to .38.
        frame_s: Duration of a frame in s; a spike lies at the start of its frame. The scans: .1587.
        drive_spread: Standard deviation of the logarithm of the rate over time. This and the following were chosen so
            that mean, spread and skew of the correlations, and their fall with distance, are those of the fields.
        drive_s: Time over which the drive is correlated, in s.
        drive_um: Distance over which the drive of two neurons grows unlike, in um.
        tuned_share: Share of the drive that neurons of like preference have in common, and
        state_share: that follows the state of the animal, which raises some neurons and lowers others (Stringer et al.
            2019, https://doi.org/10.1126/science.aav7893); both in [0, 1], and at most 1 together.
        like_to_like: By how much the logarithm of the probability of a connection is higher for neurons of the same
            preference than for those of unrelated ones (Ding et al. 2025 found such a rule).
    """

    low_um: tuple[float, float, float] = (500.0, 400.0, 600.0)
    high_um: tuple[float, float, float] = (1300.0, 800.0, 1050.0)
    density: float = 0.004
    reach_um: float = 160.0
    out_spread: float = 0.8
    in_spread: float = 0.5
    count_median: float = 0.65
    count_spread: float = 0.65
    rate_hz: float = 0.45
    rate_spread: float = 0.3
    frame_s: float = 0.1587
    drive_spread: float = 1.4
    drive_s: float = 0.5
    drive_um: float = 180.0
    tuned_share: float = 0.2
    state_share: float = 0.15
    like_to_like: float = 1.0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("low_um", "high_um"):
                if len(value) != 3:
                    raise ValueError(f"{field.name} must hold one value for each of x, y and z, got {value!r}.")
                object.__setattr__(self, field.name, tuple(check_number(v, field.name) for v in value))
            elif field.name.endswith("share"):
                check_number(value, field.name, minimum=0.0, maximum=1.0)
            elif field.name == "density":
                check_number(value, field.name, above=0.0, maximum=1.0)
            elif field.name.endswith("spread") or field.name == "like_to_like":
                check_number(value, field.name, minimum=0.0)
            else:
                check_number(value, field.name, above=0.0)
        if not all(low < high for low, high in zip(self.low_um, self.high_um, strict=True)):
            raise ValueError(f"high_um must lie above low_um along x, y and z, got {self.high_um} and {self.low_um}.")
        if self.tuned_share + self.state_share > 1:
            raise ValueError(
                "tuned_share and state_share must be at most 1 together, "
                f"got {self.tuned_share} and {self.state_share}."
            )


def draw_positions(num_neurons: int, cortex: CortexParameters, rng: np.random.Generator) -> np.ndarray:
    """Draw positions in um, uniform in the slab, shape ``(N, 3)``."""
    return rng.uniform(cortex.low_um, cortex.high_um, size=(num_neurons, 3))


def draw_preferences(num_neurons: int, rng: np.random.Generator) -> np.ndarray:
    """Draw preferred orientations, shape ``(N,)``, in rad, uniform in [0, pi) and, as in mice, without a map in space."""
    return rng.uniform(0.0, np.pi, num_neurons)


def likeness(preference: np.ndarray) -> np.ndarray:
    """Return how alike preferences are, ``(N, N)``: 1 for the same orientation, -1 for orthogonal ones."""
    return np.cos(2 * (preference[:, None] - preference))


def draw_types(pos: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the layer of every neuron, from its depth, and draw a cell type of that layer, each ``(N,)``."""
    layer = np.searchsorted(LAYER_TOPS_UM, pos[:, 1], side="right")
    below = np.cumsum(TYPES_OF_LAYER / TYPES_OF_LAYER.sum(1, keepdims=True), axis=1)[layer]
    # The last sum may be just below 1; no draw may pass it.
    below[:, -1] = 1.0
    return layer, (rng.random((len(pos), 1)) >= below).sum(1)


def draw_synapses(
    pos: np.ndarray, preference: np.ndarray, cortex: CortexParameters, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw connected pairs ``(2, E)``, sorted by source and then target, and the synapses of each ``(E,)``.

    Pairs are drawn one after the other, without putting back, each with a probability in proportion to
    :math:`o_i \, n_j \, e^{-d_{ij} / \lambda + \kappa \cos 2 (\theta_i - \theta_j)}`.
    Their number is the one of the density, so that small graphs have it too.
    """
    num_neurons = len(pos)
    out = rng.normal(0.0, cortex.out_spread, num_neurons)
    into = rng.normal(0.0, cortex.in_spread, num_neurons)
    log_weight = out[:, None] + into - cdist(pos, pos) / cortex.reach_um + cortex.like_to_like * likeness(preference)
    # The largest of weights on a log scale with Gumbel noise added are such a draw (Efraimidis & Spirakis 2006).
    score = log_weight + rng.gumbel(size=log_weight.shape)
    np.fill_diagonal(score, -np.inf)
    num_pairs = max(1, round(cortex.density * num_neurons * (num_neurons - 1)))
    chosen = np.sort(np.argpartition(score.ravel(), -num_pairs)[-num_pairs:])
    count = np.exp(np.log(cortex.count_median) + cortex.count_spread * rng.normal(size=num_pairs))
    return np.stack(np.divmod(chosen, num_neurons)), np.maximum(np.rint(count), 1).astype(np.int64)


def draw_spikes(
    pos: np.ndarray, preference: np.ndarray, duration_s: float, cortex: CortexParameters, rng: np.random.Generator
) -> list[np.ndarray]:
    r"""Draw the spike times of every neuron in s, ascending.

    Neuron :math:`i` fires in a frame as a Poisson process of rate :math:`r_i \exp(\sigma z_i - \sigma^2 C_{ii} / 2)` would,
    and never in two frames in a row. The drive :math:`z` is Gaussian, and what it was fades exponentially with time.
    Between neurons its covariance is

    .. math::
        C_{ij} = (1 - s - g) \, e^{-d_{ij} / \lambda} + s \cos 2 (\theta_i - \theta_j) + g \, b_i b_j,

    where :math:`\theta` are preferred orientations, and :math:`b` (standard normal) says how the state of the animal acts
    on each neuron; :math:`s` and :math:`g` are the shares. Connected neurons are alike more than others at their
    distance because :math:`\theta` shapes their connections too.
    """
    num_neurons, num_frames = len(pos), int(duration_s / cortex.frame_s * (1 + ROUNDING))
    of_tuning, of_state = cortex.tuned_share, cortex.state_share
    covariance = (1 - of_tuning - of_state) * np.exp(-cdist(pos, pos) / cortex.drive_um)
    covariance += of_tuning * likeness(preference)
    state = rng.normal(size=num_neurons)
    covariance += of_state * np.outer(state, state)
    # All parts are positive semi-definite, and rounding may leave them just short of it.
    mixing = np.linalg.cholesky(covariance + 1e-9 * np.eye(num_neurons))

    keep = np.exp(-cortex.frame_s / cortex.drive_s)
    noise = rng.normal(size=(num_neurons, num_frames))
    noise[:, 1:] *= np.sqrt(1 - keep**2)
    drive = lfilter([1.0], [1.0, -keep], mixing @ noise, axis=1)
    rate = np.log(cortex.rate_hz) + cortex.rate_spread * rng.normal(size=(num_neurons, 1))
    sigma = cortex.drive_spread
    expected = np.exp(rate + sigma * drive - sigma**2 * covariance.diagonal()[:, None] / 2) * cortex.frame_s
    fires = rng.random(expected.shape) < -np.expm1(-expected)
    fires[:, 1:] &= ~fires[:, :-1]
    return [np.flatnonzero(row) * cortex.frame_s for row in fires]
