"""From spikes or traces of one's own to the co-activity edges of a connectome.

    python examples/recordings_to_coactivity.py --help
    python examples/recordings_to_coactivity.py
    python examples/recordings_to_coactivity.py --nwb sub-17797_ses-4-scan-7_behavior+image+ophys.nwb

The spikes are those of a released MICrONS field (``--data-root``, or ``microns-fields`` in the folder that $GRAPHCORTEX_DATA names)
or, where there is none, of a synthetic cortex. Both come with co-activity, so that what is computed here is compared with it.
With ``--nwb`` the traces of a file of DANDI 000402 are read and correlated as well.
"""

# %% What to run
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from graphcortex import Connectome, MicronsFields, SyntheticCortex
from graphcortex.cli import parse_options
from graphcortex.data import Coactivity, MicronsRecordings
from graphcortex.ops import binned_counts, correlation, noise_correlation, precision, signal_correlation, sttc

Trains = list[torch.Tensor]


@dataclass(frozen=True)
class Config:
    """Measure the co-activity of recorded neurons."""

    field: str = "5_3_8"
    """Released field; 5_3_8, 4_7_2 and 5_3_2 come with spikes here."""
    data_root: Path | None = None
    """Folder of the released fields."""
    neurons: int = 80
    """Neurons of the synthetic cortex."""
    population: int = 5_000
    """Neurons of the large recording, which is drawn."""
    nwb: Path | None = None
    """File or folder of DANDI 000402."""
    seed: int = 0
    """Seed of what is drawn."""


# %% A connectome and the spikes of its neurons
def recorded(config: Config) -> tuple[Connectome, Trains, float | None]:
    """Return a connectome with co-activity, its spikes, and how long they were recorded (None: as the fields have it)."""
    root = config.data_root
    if root is None and "GRAPHCORTEX_DATA" in os.environ:
        root = Path(os.environ["GRAPHCORTEX_DATA"]).expanduser() / "microns-fields"
    if root is not None and (root.is_dir() or config.data_root is not None):
        fields = MicronsFields(root, download=False)
        return fields[config.field], fields.spike_times(config.field), None
    cortex = SyntheticCortex(config.neurons, rng=config.seed, duration_s=600.0)
    return cortex["synthetic_0"], cortex.spike_times("synthetic_0"), 600.0


# %% All pairs: what was stored comes back
def all_pairs(connectome: Connectome, spikes: Trains, duration_s: float | None) -> Connectome:
    measured = Coactivity(spike_times=spikes, duration_s=duration_s)(connectome)
    for name in ("correlation", "sttc"):
        gap = (measured.coactivity_matrix(name) - connectome.coactivity_matrix(name)).abs().max()
        print(f"{name}: {measured.coactivity.num_edges:,} pairs, at most {gap:.1e} from what was stored")
        assert gap < 1e-12, f"{name} must come back, got a difference of {gap}"
    return measured


# %% Only along the synapses: the same numbers, and nothing of size N x N
def along_synapses(connectome: Connectome, spikes: Trains, duration_s: float | None) -> Connectome:
    along = Coactivity(spike_times=spikes, duration_s=duration_s, along="synapses")(connectome)
    source, target = along.coactivity.edge_index
    everything = connectome.coactivity_matrix("sttc")
    assert (along.coactivity.sttc - everything[source, target]).abs().max() < 1e-12
    off = ~torch.eye(len(spikes), dtype=torch.bool)
    connected, overall = float(along.coactivity.sttc.mean()), float(everything[off].mean())
    print(
        f"STTC along {along.coactivity.num_edges:,} synaptic pairs: {connected:.4f} on average; of all pairs: {overall:.4f}"
    )
    return along


# %% What a measure must not depend on
def laws(spikes: Trains) -> None:
    few = [train[:400] for train in spikes[:12]]
    end = max(float(train[-1]) for train in few if train.numel()) + 0.25
    found = sttc([train + 1 for train in few], window=0.1, duration=5000 + end)
    later = sttc([train + 4097 for train in few], window=0.1, duration=5000 + end)
    assert (found - later).abs().max() < 1e-9, "STTC must not depend on when the recording was made"
    in_ms = sttc([1000 * (train + 1) for train in few], window=100, duration=1000 * (5000 + end))
    assert (found - in_ms).abs().max() < 1e-9, "STTC must not depend on the unit of time"
    try:
        sttc([train.flip(0) for train in few], window=0.1, duration=end)
    except ValueError as error:
        print(f"spikes out of order: {error}")
    else:
        raise AssertionError("spikes out of order must be refused")


# %% Traces, and who is left when the others are accounted for
def from_traces(spikes: Trains, duration_s: float | None) -> None:
    end = duration_s or max(float(train[-1]) for train in spikes if train.numel()) + 0.1
    traces = binned_counts(spikes, bin_s=0.2, duration_s=end)  # any trace will do: dF/F, deconvolved events, rates
    plain, partial = correlation(traces), precision(traces)
    scale = partial.diagonal().rsqrt()
    partial = -partial * scale[:, None] * scale  # partial correlations
    off = ~torch.eye(len(spikes), dtype=torch.bool)
    print(
        f"mean |correlation| {plain[off].abs().mean():.4f}, mean |partial correlation| {partial[off].abs().mean():.4f}"
    )
    assert partial[off].abs().max() < 1


# %% Trials: signal and noise
def trials(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tuning = torch.tensor([[-1.0, 1.0], [0.0, 0.0], [1.0, -1.0]])  # three stimuli, two neurons of opposite preference
    shared = torch.randn(200, 3, 1, generator=generator)  # that fluctuate together
    responses = tuning + 0.5 * shared + 0.1 * torch.randn(200, 3, 2, generator=generator)
    signal, noise = float(signal_correlation(responses)[0, 1]), float(noise_correlation(responses)[0, 1])
    print(f"two neurons: signal correlation {signal:.2f}, noise correlation {noise:.2f}")
    assert signal < -0.9
    assert noise > 0.9


# %% A whole population at its synapses
def population(config: Config) -> None:
    N = config.population
    generator = torch.Generator().manual_seed(config.seed)
    source = torch.arange(N)
    graph = Connectome.from_arrays(
        torch.rand(N, 3, generator=generator) * 500,
        torch.stack([source, (source + 1 + torch.randint(N - 1, (N,), generator=generator)) % N]),
        torch.ones(N, dtype=torch.int64),
    )
    spikes = [torch.rand(60, generator=generator, dtype=torch.float64).mul(600).sort().values for _ in range(N)]
    out = Coactivity(spike_times=spikes, along="synapses")(graph)
    print(f"{N:,} neurons: {out.coactivity.num_edges:,} pairs of {N * (N - 1):,}")
    assert out.coactivity.num_edges == N
    # Spikes that were drawn apart tile alike by chance alone.
    assert abs(float(out.coactivity.sttc.mean())) < 0.01


# %% A recording in NWB
def from_nwb(path: Path) -> None:
    recordings = MicronsRecordings(path)
    print(f"{recordings}: {', '.join(recordings.names)}")
    recording = recordings[recordings.names[0]]
    found = correlation(recording.traces)
    print(f"{recording}: mean correlation {found[~torch.eye(len(found), dtype=torch.bool)].mean():.3f}")
    assert torch.equal(found, found.T)


def main(config: Config) -> None:
    connectome, spikes, duration_s = recorded(config)
    print(connectome)
    all_pairs(connectome, spikes, duration_s)
    along_synapses(connectome, spikes, duration_s)
    laws(spikes)
    from_traces(spikes, duration_s)
    trials(config.seed)
    population(config)
    if config.nwb is not None:
        from_nwb(config.nwb)


if __name__ == "__main__":
    main(parse_options(Config, description=__doc__))
