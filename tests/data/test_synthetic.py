import time

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from scipy.stats import skew

from graphcortex.data import (
    Connectome,
    CortexParameters,
    MicronsFields,
    SyntheticCortex,
    _slab,
    simulate_spikes,
    synthetic,
)
from graphcortex.ops.correlation import binned_counts, spike_correlation
from graphcortex.ops.precision import precision
from graphcortex.ops.sttc import sttc
from tests.conftest import real_data

FIELDS = ["4_7_2", "5_3_2", "5_3_8", "6_6_2", "9_3_2"]

# Least and most over the five fields above, from 42 to 632 neurons each (test_the_ranges_are_those_of_the_real_fields
# computes them anew).
REAL = {
    "density": (0.002323, 0.004963),
    "mean correlation": (0.01621, 0.03305),
    "sd of correlation": (0.02328, 0.03282),
    "skew of correlation": (0.1911, 0.8331),
    "mean STTC": (-0.05129, 0.00862),
    "STTC with correlation": (0.6918, 0.9744),
    "correlation below 100 um": (0.0492, 0.0596),
    "correlation above 400 um": (0.000694, 0.02081),
    "pairs with several synapses": (0.0506, 0.25),
}
# Proportion of the ordered pairs of the 303 proofread excitatory axons of MICrONS v117 that are connected. The fields
# themselves show no fall with distance, at 4 to 1,070 pairs each: near to far, the ratio is 0.3 to 2.3.
REAL_AXONS_BELOW_100, REAL_AXONS_ABOVE_400 = 0.0199, 0.00147


def statistics(connectome):
    correlation, tiling = (connectome.coactivity_matrix(name).numpy() for name in ("correlation", "sttc"))
    pos = connectome.pos.double().numpy()
    distance = cdist(pos, pos)
    lower = np.tril_indices(len(pos), -1)
    c, t, d = correlation[lower], tiling[lower], distance[lower]
    return {
        "density": connectome.synapses.num_edges / (len(pos) * (len(pos) - 1)),
        "mean correlation": c.mean(),
        "sd of correlation": c.std(),
        "skew of correlation": skew(c),
        "mean STTC": t.mean(),
        "STTC with correlation": np.corrcoef(c, t)[0, 1],
        "correlation below 100 um": c[d < 100].mean(),
        "correlation above 400 um": c[d > 400].mean(),
        "pairs with several synapses": float((connectome.synapses["count"] > 1).double().mean()),
    }


def connected(pos, synapse_index, low, high):
    distance = cdist(pos, pos)
    np.fill_diagonal(distance, np.nan)
    inside = (distance >= low) & (distance < high)
    return inside[synapse_index[0], synapse_index[1]].sum(), inside.sum()


@pytest.fixture(scope="module", params=[42, 120, 400])
def cortices(request):
    return [SyntheticCortex(request.param, rng=seed) for seed in range(2 if request.param == 400 else 5)]


def test_statistics_are_those_of_real_fields(cortices):
    table = pd.DataFrame([statistics(cortex[0]) for cortex in cortices])
    for name, (low, high) in REAL.items():
        # Single graphs scatter around what their mean must hit; few pairs of a small one are near or connected.
        margin = 0.1 * (high - low)
        assert low - margin <= table[name].mean() <= high + margin, (name, table[name].tolist())
        if name not in ("pairs with several synapses", "correlation below 100 um"):
            assert table[name].between(low - 5 * margin, high + 5 * margin).all(), (name, table[name].tolist())


@pytest.mark.real_data
def test_the_ranges_are_those_of_the_real_fields(microns_root):
    fields = MicronsFields(microns_root, names=FIELDS, download=False)
    table = pd.DataFrame([statistics(field) for field in fields])
    for name, (low, high) in REAL.items():
        assert_allclose([table[name].min(), table[name].max()], [low, high], rtol=0.01, err_msg=name)


@pytest.mark.real_data
def test_the_distance_rule_is_that_of_proofread_axons():
    folder = real_data("minnie65-functional-graph")
    nodes, edges = pd.read_csv(folder / "nodes.csv"), pd.read_csv(folder / "edges.csv")
    axons = nodes[nodes.proofread_axon == 1].reset_index(drop=True)
    number = pd.Series(axons.index, index=axons.root_id)
    recurrent = edges[edges.recurrent == 1]
    synapse_index = np.stack([number[recurrent.pre], number[recurrent.post]])
    pos = axons[["x_nm", "y_nm", "z_nm"]].to_numpy() / 1000
    near, far = connected(pos, synapse_index, 0, 100), connected(pos, synapse_index, 400, np.inf)
    assert_allclose(near[0] / near[1], REAL_AXONS_BELOW_100, rtol=0.01)
    assert_allclose(far[0] / far[1], REAL_AXONS_ABOVE_400, rtol=0.01)


def test_connections_become_rare_with_distance_as_those_of_real_axons_do(cortices):
    near, far = np.zeros(2), np.zeros(2)
    for cortex in cortices:
        pos, synapse_index = cortex[0].pos.double().numpy(), cortex[0].synapses.edge_index.numpy()
        near += connected(pos, synapse_index, 0, 100)
        far += connected(pos, synapse_index, 400, np.inf)
    ratio = (near[0] / near[1]) / max(far[0] / far[1], 1e-9)
    real = REAL_AXONS_BELOW_100 / REAL_AXONS_ABOVE_400
    assert real / 2 < ratio
    if near[0] > 30:
        assert ratio < 2 * real


def test_connected_neurons_are_more_alike_than_others_at_their_distance():
    def excess(parameters):
        """Correlation of connected pairs above that of the other pairs of their ring of distances, over all rings."""
        cortex = SyntheticCortex(400, rng=0, parameters=parameters)[0]
        correlation, distance = cortex.coactivity_matrix("correlation"), torch.cdist(cortex.pos, cortex.pos)
        linked = cortex.count_matrix() > 0
        total = 0.0
        for low in range(0, 400, 50):
            ring = (distance > low) & (distance <= low + 50)
            total += float((correlation[ring & linked] - correlation[ring & ~linked].mean()).sum())
        return total / int(linked[distance <= 400].sum())

    # The standard error is .0015.
    assert 0.006 < excess(CortexParameters()) < 0.03
    assert abs(excess(CortexParameters(like_to_like=0.0))) < 0.005


def test_coactivity_follows_from_the_spikes():
    cortex = SyntheticCortex(30, 2, rng=3, duration_s=200.0)
    connectome, spikes = cortex[1], cortex.spike_times("synthetic_1")
    assert all(train.dtype == torch.float64 for train in spikes)
    counts = binned_counts(spikes, bin_s=0.2, duration_s=200.0)
    for name, matrix in {
        "correlation": spike_correlation(spikes, duration_s=200.0),
        "sttc": sttc(spikes, duration=200.0),
        "precision": precision(counts),
    }.items():
        assert torch.equal(connectome.coactivity_matrix(name), matrix)


def test_spikes_lie_on_frames_at_rates_like_the_real_ones():
    cortex = SyntheticCortex(200, rng=1)
    spikes, frame = cortex.spike_times("synthetic_0"), cortex.parameters.frame_s
    rates = np.array([train.numel() / cortex.duration_s for train in spikes])
    # Medians of the three fields with spikes: .21, .43 and .48 Hz; standard deviation of the logarithm .24 to .38.
    assert 0.21 < np.median(rates) < 0.48
    assert 0.24 < np.log(rates).std() < 0.38
    for train in spikes:
        assert_allclose(train / frame, (train / frame).round(), atol=1e-6)
        assert train.diff().min() > 1.5 * frame
        assert train[-1] < cortex.duration_s


def test_positions_layers_and_types_belong_together():
    parameters = CortexParameters(low_um=(0.0, 400.0, 0.0), high_um=(500.0, 1000.0, 500.0))
    connectome = SyntheticCortex(400, rng=0, duration_s=60.0, parameters=parameters)[0]
    pos, layer, kind = connectome.pos.double().numpy(), connectome["neuron"].layer, connectome["neuron"].cell_type
    assert ((pos >= parameters.low_um) & (pos <= parameters.high_um)).all()
    for code, (top, bottom) in enumerate([(0, 590), (590, 690), (690, 870), (870, 2000)]):
        assert ((pos[:, 1] >= top) & (pos[:, 1] < bottom) == (layer == code).numpy()).all()
        found = np.bincount(kind[layer == code], minlength=7) / int((layer == code).sum())
        assert_allclose(found, _slab.TYPES_OF_LAYER[code], atol=0.15)
        assert (found[_slab.TYPES_OF_LAYER[code] == 0] == 0).all()
    assert connectome.names["layer"] == ("L2/3", "L4", "L5", "L6")
    assert_allclose(_slab.TYPES_OF_LAYER.sum(1), 1.0)


def test_synapses_follow_the_stated_probability():
    # Three neurons on a line, one pair drawn: its probability is its share of the weights.
    pos = np.array([[0.0, 0, 0], [100.0, 0, 0], [300.0, 0, 0]])
    preference = np.array([0.0, 1.0, 2.0])
    cortex = CortexParameters(density=1 / 6, reach_um=100.0, out_spread=0.0, in_spread=0.0, like_to_like=0.5)
    rng = np.random.default_rng(0)
    drawn = np.zeros((3, 3))
    for _ in range(6000):
        (source,), (target,) = _slab.draw_synapses(pos, preference, cortex, rng)[0]
        drawn[source, target] += 1
    weight = np.exp(-cdist(pos, pos) / 100 + 0.5 * np.cos(2 * (preference[:, None] - preference)))
    np.fill_diagonal(weight, 0.0)
    assert_allclose(drawn / 6000, weight / weight.sum(), atol=0.02)


def test_synapses_are_sorted_and_counted():
    pos = np.random.default_rng(0).uniform(0, 500, (60, 3))
    synapse_index, count = _slab.draw_synapses(
        pos, np.zeros(60), CortexParameters(density=0.5), np.random.default_rng(0)
    )
    assert (np.diff(synapse_index[0] * 60 + synapse_index[1]) > 0).all()
    assert len(count) == round(0.5 * 60 * 59)
    assert count.min() == 1
    # Log-normal: its median is rounded to 1, and 1 - Phi(log(1.5 / .65) / .65) of the pairs have 2 or more.
    assert_allclose((count > 1).mean(), 0.099, atol=0.02)


def test_without_a_common_drive_neurons_are_independent():
    cortex = CortexParameters(drive_spread=0.0, frame_s=0.2)
    matrix = SyntheticCortex(60, rng=0, parameters=cortex)[0].coactivity_matrix("correlation")
    off = matrix[~torch.eye(60, dtype=torch.bool)]
    assert abs(float(off.mean())) < 0.001
    assert_allclose(off.std(), 1 / np.sqrt(9000), rtol=0.1)


def test_same_seed_same_graphs_whatever_their_number_and_order():
    few, many = SyntheticCortex(20, 2, rng=5, duration_s=90), SyntheticCortex(20, 9, rng=5, duration_s=90)
    assert_same(many[1], few["synthetic_1"])
    assert_same(few[0], many["synthetic_0"])
    for left, right in zip(few.spike_times("synthetic_1"), many.spike_times("synthetic_1"), strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(few[0].pos, few[1].pos)
    assert not torch.equal(few[0].pos, SyntheticCortex(20, rng=6, duration_s=90)[0].pos)


def assert_same(left, right):
    assert torch.equal(left.pos, right.pos)
    assert torch.equal(left.synapses.edge_index, right.synapses.edge_index)
    assert torch.equal(left.synapses["count"], right.synapses["count"])
    for name in ("correlation", "sttc", "precision"):
        assert torch.equal(left.coactivity[name], right.coactivity[name])


def test_spikes_at_given_places_are_alike_where_neurons_are_near():
    """Two clusters 2 mm apart, of neurons that share their drive within 180 um and not their preference nor state."""
    rng = np.random.default_rng(0)
    pos = torch.from_numpy(np.concatenate([rng.uniform(0, 60, (20, 3)), rng.uniform(2000, 2060, (20, 3))]))
    alone = CortexParameters(tuned_share=0.0, state_share=0.0)
    spikes = simulate_spikes(pos, rng=3, parameters=alone)
    # By frames: bins of another width hold more frames at some times than at others, for all neurons alike.
    fires = np.zeros((40, int(1800.0 / alone.frame_s)))
    for row, train in zip(fires, spikes, strict=True):
        row[np.rint(train.numpy() / alone.frame_s).astype(int)] = 1
    found = np.corrcoef(fires)
    same = np.arange(40)[:, None] // 20 == np.arange(40) // 20
    np.fill_diagonal(found, np.nan)
    assert np.nanmean(found[same]) > 0.03
    assert abs(np.nanmean(found[~same])) < 0.005
    rates = [len(train) / 1800.0 for train in spikes]
    assert 0.3 < np.median(rates) < 0.6
    again = simulate_spikes(pos, rng=3, parameters=alone)
    other = simulate_spikes(pos, rng=4, parameters=alone)
    assert all(torch.equal(a, b) for a, b in zip(spikes, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(spikes, other, strict=True))


def test_a_generator_moves_on_and_the_global_ones_do_not():
    generator = torch.Generator().manual_seed(0)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = SyntheticCortex(10, rng=generator, duration_s=60)[0]
    assert not torch.equal(first.pos, SyntheticCortex(10, rng=generator, duration_s=60)[0].pos)
    assert_same(first, SyntheticCortex(10, rng=torch.Generator().manual_seed(0), duration_s=60)[0])
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1] == np.random.get_state()[1]).all()  # noqa: NPY002


def test_it_is_a_dataset_like_the_real_fields():
    cortex = SyntheticCortex(12, 4, rng=0, duration_s=60)
    assert cortex.names == ("synthetic_0", "synthetic_1", "synthetic_2", "synthetic_3")
    assert len(cortex) == len(list(cortex)) == 4
    assert all(isinstance(connectome, Connectome) for connectome in cortex)
    chosen = cortex[["synthetic_3", 1]]
    assert chosen.names == ("synthetic_3", "synthetic_1")
    assert_same(chosen[0], cortex[3])
    assert_same(cortex[-1], cortex[3])
    assert torch.equal(chosen.spike_times("synthetic_1")[0], cortex.spike_times("synthetic_1")[0])
    assert cortex[1:3].names == ("synthetic_1", "synthetic_2")
    assert repr(cortex) == "SyntheticCortex(4 graphs of 12 neurons, 60 s of spikes)"
    assert cortex[2].provenance["field"] == "synthetic_2"
    assert SyntheticCortex(12, transform=lambda graph: graph.num_neurons, duration_s=60)[0] == 12


@pytest.mark.parametrize("name", ["synthetic_2", "6_6_2", ""])
def test_an_unknown_name_is_refused(name):
    cortex = SyntheticCortex(12, 2, duration_s=60)
    for ask in (cortex.__getitem__, cortex.spike_times):
        with pytest.raises(ValueError, match=r"must be one of synthetic_0, synthetic_1; got"):
            ask(name)


def test_a_graph_is_drawn_once_and_a_user_may_change_it(monkeypatch):
    drawn = []
    original = synthetic._draw_connectome
    monkeypatch.setattr(synthetic, "_draw_connectome", lambda *args: drawn.append(args[0]) or original(*args))
    cortex = SyntheticCortex(12, 3, duration_s=60)
    assert drawn == []
    connectome, spikes = cortex[1], cortex.spike_times("synthetic_1")
    connectome.pos.zero_()
    connectome.coactivity["sttc"].zero_()
    spikes[0].zero_()
    assert cortex[1].pos.abs().sum() > 0
    assert cortex[1].coactivity["sttc"].abs().sum() > 0
    assert cortex.spike_times("synthetic_1")[0].sum() > 0
    assert drawn == ["synthetic_1"]


def test_saved_and_loaded(tmp_path):
    connectome = SyntheticCortex(12, duration_s=60)[0]
    connectome.save(tmp_path / "cortex.pt")
    loaded = Connectome.load(tmp_path / "cortex.pt")
    assert_same(loaded, connectome)
    assert loaded.provenance == connectome.provenance


@pytest.mark.parametrize("num_neurons", [2, 3, 1000])
def test_small_and_large(num_neurons):
    connectome = SyntheticCortex(num_neurons, duration_s=60)[0]
    assert connectome.num_neurons == num_neurons
    assert connectome.synapses.num_edges == max(1, round(0.004 * num_neurons * (num_neurons - 1)))


def test_120_neurons_take_less_than_2_s():
    start = time.perf_counter()
    SyntheticCortex(120)[0]
    assert time.perf_counter() - start < 2  # measured: .2 to .3 s on one core


BAD = {
    "one neuron": lambda: SyntheticCortex(1),
    "half a neuron": lambda: SyntheticCortex(10.5),
    "no graphs": lambda: SyntheticCortex(10, 0),
    "a short recording": lambda: SyntheticCortex(10, duration_s=1.0),
    "NaN seconds": lambda: SyntheticCortex(10, duration_s=float("nan")),
    "a name as seed": lambda: SyntheticCortex(10, rng="seed"),
    "spikes of positions in a plane": lambda: simulate_spikes(torch.zeros(4, 2), rng=0),
    "spikes of no neuron": lambda: simulate_spikes(torch.zeros(0, 3), rng=0),
    "spikes of a list of positions": lambda: simulate_spikes([[0.0, 0.0, 0.0]], rng=0),
    "spikes at a place that is not known": lambda: simulate_spikes(torch.full((4, 3), float("nan")), rng=0),
    "spikes of a moment": lambda: simulate_spikes(torch.zeros(4, 3), rng=0, duration_s=1.0),
    "spikes by a dict of parameters": lambda: simulate_spikes(torch.zeros(4, 3), rng=0, parameters={"rate_hz": 1.0}),
    "a dict of parameters": lambda: SyntheticCortex(10, parameters={"density": 0.1}),
    "density of 0": lambda: CortexParameters(density=0.0),
    "density above 1": lambda: CortexParameters(density=1.1),
    "negative spread": lambda: CortexParameters(rate_spread=-1.0),
    "no reach": lambda: CortexParameters(reach_um=0.0),
    "share above 1": lambda: CortexParameters(state_share=1.5),
    "shares above 1 together": lambda: CortexParameters(state_share=0.7, tuned_share=0.7),
    "flat slab": lambda: CortexParameters(low_um=(0.0, 0.0, 0.0), high_um=(1.0, 0.0, 1.0)),
    "slab of two dimensions": lambda: CortexParameters(high_um=(1.0, 2.0)),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_rejects(make):
    with pytest.raises(ValueError, match=r"must .*got"):
        make()
