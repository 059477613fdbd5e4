from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.data import Connectome, ConnectomeError, Finding, MicronsFields, SyntheticCortex, audit
from graphcortex.data._audit_space import check_axes
from graphcortex.kernels import complete_edge_index
from graphcortex.study import Protocol, Variant
from graphcortex.study.lengths import edge_lengths
from tests.data._graphs import arrays, connectome

ROOTS = torch.from_numpy(np.random.default_rng(0).integers(864691134885658618, 864691137199115073, 60))


@pytest.fixture(scope="module")
def cortex() -> tuple[Connectome, list]:
    data = SyntheticCortex(90, 1, duration_s=600, rng=11)
    return data[0], data.spike_times("synthetic_0")


def changed(graph: Connectome, pos) -> Connectome:
    out = graph.clone()
    out.pos = torch.as_tensor(pos, dtype=torch.float32).contiguous()
    return out


def published(graph: Connectome) -> Connectome:
    """Do to the positions what the released code does: reshape voxels, scale each row to [0, 1]."""
    voxels = (graph.pos.double() / torch.tensor([0.004, 0.004, 0.04], dtype=torch.float64)).round().numpy()
    rows = voxels.reshape(3, -1)
    rows = np.stack([(row - row.min()) / (row.max() - row.min()) for row in rows])
    return changed(graph, rows.T)


def checks(found, severity: str = "error") -> set[str]:
    return {finding.check for finding in found.of(severity)}


MIXED = {
    "published": published,
    "reshaped in um": lambda graph: changed(graph, graph.pos.reshape(3, -1).T),
    "one axis after the other": lambda graph: changed(graph, graph.pos.T.reshape(-1, 3)),
}


@pytest.mark.parametrize("mix", MIXED.values(), ids=MIXED.keys())
def test_mixed_axes_are_flagged(cortex, mix):
    graph, _ = cortex
    assert audit(graph).ok
    assert "axes" in checks(audit(mix(graph)))


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["4_7_2", "5_3_2", "5_3_8", "6_6_2", "9_3_2"])
def test_released_fields_pass_and_their_scrambles_do_not(microns_root, name):
    fields = MicronsFields(microns_root, names=[name], download=False)
    graph = fields[0]
    found = audit(graph, spikes=fields.spike_times(name) if name in ("4_7_2", "5_3_2", "5_3_8") else None)
    assert found.ok, found
    assert not found.warnings, found
    assert {"ids", "units", "axes", "distance", "symmetry", "self"} <= checks(found, "passed")
    for mix in MIXED.values():
        # The axes alone: what is around is the same.
        assert check_axes(mix(graph))[0].severity == "error"
    assert {"axes", "units"} <= checks(audit(published(graph)))
    # The mixing can be undone, as the remedies say.
    assert torch.equal(MIXED["reshaped in um"](graph).pos.T.reshape(-1, 3), graph.pos)
    assert torch.equal(MIXED["one axis after the other"](graph).pos.reshape(3, -1).T, graph.pos)


@pytest.mark.real_data
def test_the_distances_of_the_study_are_flagged_on_its_field(microns_root):
    graph = MicronsFields(microns_root, names=["6_6_2"], download=False)[0]
    lengths = edge_lengths(
        graph, Variant.parse("WD*"), Protocol.published(), complete_edge_index(graph.num_neurons), seed=0
    )
    found = audit(graph, lengths=lengths)
    assert checks(found) == {"lengths"}
    assert abs(found.errors[0].evidence["r"]) < 0.02
    assert "lengths" in checks(audit(graph, lengths=torch.cdist(graph.pos, graph.pos)), "passed")
    shuffled = changed(graph, graph.pos[torch.randperm(312, generator=torch.Generator().manual_seed(0))])
    assert checks(audit(shuffled)) == {"distance"}
    turned = graph.clone()
    turned.synapses.edge_index = graph.synapses.edge_index.flip(0)
    assert checks(audit(turned), "warning") == {"orientation"}


def test_no_false_alarm_on_synthetic_cortex():
    for seed in range(12):
        graph = SyntheticCortex(50 + 5 * seed, 1, duration_s=300, rng=seed)[0]
        found = audit(graph, rng=seed)
        assert found.ok, found
        assert not checks(found, "warning") - {"distance"}, found


def test_shuffled_positions_are_flagged_where_there_are_pairs_enough():
    flagged = 0
    for seed in range(8):
        graph = SyntheticCortex(100, 1, duration_s=300, rng=seed)[0]
        order = torch.randperm(100, generator=torch.Generator().manual_seed(seed))
        flagged += "distance" in checks(audit(changed(graph, graph.pos[order])))
    assert flagged == 8


def test_axes_of_true_positions_are_not_flagged_in_a_simulation():
    rng = np.random.default_rng(5)
    for _ in range(600):
        N = int(rng.integers(12, 90))
        pos = rng.normal([900, 450, 800], [230, 25, 120], (N, 3))
        if rng.random() < 0.5:  # sorted along an axis
            pos = pos[np.argsort(pos[:, rng.integers(3)])]
        elif rng.random() < 0.5:  # three planes in turn
            pos[:, 1] += 100 * (np.arange(N) % 3)
        graph = connectome(2)
        graph.pos = torch.from_numpy(pos).float()
        assert check_axes(graph)[0].severity == "passed"


# --- units


UNITS = {
    "voxels": (1 / np.array([0.004, 0.004, 0.04]), "error"),
    "coarse voxels": (1 / np.array([0.064, 0.064, 0.04]), "error"),
    "nm": (np.full(3, 1e3), "error"),
    "mm": (np.full(3, 1e-3), "error"),
    "whole um": (np.ones(3), "warning"),
}


@pytest.mark.parametrize(("scale", "severity"), UNITS.values(), ids=UNITS.keys())
def test_wrong_units_are_flagged(cortex, scale, severity):
    pos = cortex[0].pos.double().numpy() * scale
    found = audit(changed(cortex[0], pos if scale[0] < 1 else np.round(pos)))
    assert "units" in checks(found, severity), found


def test_shared_positions_are_a_warning(cortex):
    pos = cortex[0].pos.clone()
    pos[1] = pos[0]
    found = audit(changed(cortex[0], pos))
    assert "units" in checks(found, "warning")


# --- ids


def with_ids(**ids) -> Connectome:
    N = len(next(iter(ids.values())))
    graph = Connectome.from_arrays(np.random.default_rng(0).normal(500, 100, (N, 3)), np.zeros((2, 0)), np.zeros(0))
    for name, value in ids.items():
        graph["neuron"][name] = value
    return graph


ROUNDED = {
    "float64": ROOTS.double().long(),
    "float32": ROOTS.float().long(),
    "a spreadsheet": ROOTS // 1000 * 1000,
    "half of them": torch.where(torch.arange(60) % 2 == 0, ROOTS, ROOTS.double().long()),
}


@pytest.mark.parametrize(("kind", "ids"), ROUNDED.items(), ids=ROUNDED.keys())
def test_rounded_ids_are_flagged(kind, ids):
    found = audit(with_ids(root_id=ids))
    said = [finding for finding in found.errors if "last digits" in finding.message]
    assert len(said) == 1
    if "half" not in kind:
        assert kind in said[0].message
    assert said[0].evidence["rounded ids"] >= 30


@given(seed=st.integers(0, 10**6), low=st.sampled_from([1, 10**5, 2**40, 2**54, 8 * 10**17]), n=st.integers(1, 80))
def test_whole_ids_are_not_flagged(seed, low, n):
    ids = np.random.default_rng(seed).choice(np.arange(low, low + 10**6), n, replace=False)
    assert "ids" not in checks(audit(with_ids(nucleus_id=torch.from_numpy(ids)))) or low > 2**53
    assert audit(with_ids(root_id=torch.from_numpy(ids))).ok


def test_repeated_swapped_and_float_ids_are_flagged():
    ids = torch.arange(20) + 5
    twice = ids.clone()
    twice[3] = twice[4]
    for name in ("root_id", "nucleus_id"):
        found = audit(with_ids(**{name: twice}))
        assert any("more than once" in f.message for f in found.errors if f.check == "ids")
    found = audit(with_ids(root_id=ids.double()))
    assert checks(found) == {"schema", "ids"}
    assert "swapped" in audit(with_ids(root_id=ids, nucleus_id=ROOTS[:20])).errors[0].remedy
    ones = torch.ones(20, dtype=torch.int64)
    assert "ids" in checks(audit(with_ids(unit_id=twice, session=ones, scan=ones)))
    assert audit(with_ids(unit_id=twice)).ok
    half = ids.clone()
    half[0] = 0
    assert "ids" in checks(audit(with_ids(root_id=ids, nucleus_id=half)), "note")


# --- edges


def test_asymmetric_coactivity_is_flagged(cortex):
    graph = cortex[0].clone()
    store = graph.coactivity
    upper = store.edge_index[0] < store.edge_index[1]
    differing = 2 * int((store["sttc"][upper].abs() > 1e-6).sum())
    store["sttc"] = torch.where(upper, 0.0, store["sttc"])
    found = audit(graph)
    said = [finding for finding in found.errors if finding.check == "symmetry"]
    assert len(said) == 1
    assert "one triangle" in said[0].message
    assert said[0].evidence["edges that differ"] == differing > 7000
    graph = cortex[0].clone()
    for name in ("edge_index", "correlation", "sttc", "precision"):
        graph.coactivity[name] = graph.coactivity[name][..., 1:]
    (error,) = audit(graph).errors
    assert error.evidence["edges without their reverse"] == 1


def test_symmetry_matches_a_naive_count():
    for seed in range(5):
        graph = connectome(5, seed)
        values = {
            (s, t): v
            for (s, t), v in zip(graph.coactivity.edge_index.T.tolist(), graph.coactivity["sttc"].tolist(), strict=True)
        }
        wrong = sum(abs(v - values[t, s]) > 1e-6 for (s, t), v in values.items())
        said = [f for f in audit(graph).errors if f.check == "symmetry" and "sttc" in f.message]
        assert said[0].evidence["edges that differ"] == wrong


def test_self_connections_that_dominate_are_flagged():
    N = 10
    loops = torch.arange(N).repeat(2, 1)
    others = torch.stack([torch.arange(N), (torch.arange(N) + 1) % N])
    graph = connectome(
        N, synapse_index=torch.cat([loops, others], 1), count=torch.ones(2 * N, dtype=torch.int64), size=None
    )
    error = next(finding for finding in audit(graph).errors if finding.check == "self")
    assert error.evidence["share of synapses"] == 0.5
    assert "self" not in checks(audit(connectome(N)))


def test_the_diagonal_of_correlation_is_a_note(cortex):
    assert "self" in checks(audit(cortex[0]), "note")


def axons(N: int, seed: int, few: int) -> torch.Tensor:
    """Draw connections of few presynaptic neurons."""
    rng = torch.Generator().manual_seed(seed)
    pairs = (torch.rand(N, N, generator=rng) < 0.3).float()
    pairs[few:] = 0
    pairs.fill_diagonal_(0)
    return pairs.nonzero().T


def test_orientation_is_told_where_few_axons_are_complete():
    for seed in range(5):
        edges = axons(60, seed, 8)
        ones = torch.ones(edges.size(1), dtype=torch.int64)
        right = {**arrays(60, seed), "synapse_index": edges, "count": ones, "size": None}
        assert "orientation" in checks(audit(Connectome.from_arrays(**right)), "passed")
        wrong = {**right, "synapse_index": edges.flip(0)}
        assert "orientation" in checks(audit(Connectome.from_arrays(**wrong)), "warning")


# --- spikes


def test_spikes(cortex):
    graph, spikes = cortex
    trains = [torch.as_tensor(train).numpy() for train in spikes]
    passed = [finding for finding in audit(graph, spikes=trains).findings if finding.check == "spikes"]
    assert [finding.severity for finding in passed] == ["passed"]
    assert passed[0].evidence["r"] > 0.99
    unsorted = [train[::-1] if k == 3 else train for k, train in enumerate(trains)]
    assert audit(graph, spikes=unsorted).errors[0].evidence == {"unsorted trains": 1}
    assert "another order" in audit(graph, spikes=trains[::-1]).errors[0].message
    assert audit(graph, spikes=trains[:-1]).errors[0].evidence == {"neurons": 90, "trains": 89}
    assert "finite" in audit(graph, spikes=[-train for train in trains]).errors[0].message
    twice = [np.sort(np.append(train, train[:1])) for train in trains]
    assert "spikes" in checks(audit(graph, spikes=twice), "warning")
    assert "spikes" in checks(audit(graph, spikes=["no"] * 90), "skipped")


# --- the audit itself


def test_the_worst_comes_first_and_everything_is_printed(cortex):
    found = audit(published(cortex[0]))
    text = str(found)
    assert text.splitlines()[0].startswith("Audit of 90 neurons: 3 error")
    assert text.splitlines()[1].startswith("error")
    table = found.to_dataframe()
    assert list(table.columns) == ["check", "severity", "message", "evidence", "remedy"]
    assert len(table) == len(found.findings)
    assert all(error.remedy and error.evidence for error in found.errors)
    assert json.loads(json.dumps(found.to_dict()))["ok"] is False
    assert found.exit_code == 1
    assert isinstance(found.errors[0], Finding)
    with pytest.raises(ValueError, match="severity must be one of"):
        found.of("bad")


def test_the_same_seed_gives_the_same_audit(cortex):
    before = torch.random.get_rng_state()
    assert audit(cortex[0], rng=4) == audit(cortex[0], rng=4)
    assert audit(cortex[0], rng=4) != audit(cortex[0], rng=5)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("N", [1, 2, 3, 12])
def test_small_connectomes_are_audited(N):
    bare = Connectome.from_arrays(np.random.default_rng(0).normal(500, 99, (N, 3)), np.zeros((2, 0)), np.zeros(0))
    assert audit(bare).ok
    assert audit(connectome(N)).num_neurons == N


def broken(**fields) -> Connectome:
    graph = connectome(5)
    for name, value in fields.items():
        store, key = name.split("__")
        {"neuron": graph["neuron"], "synapses": graph.synapses, "coactivity": graph.coactivity}[store][key] = value
    return graph


BROKEN = {
    "positions (3, N)": {"neuron__pos": torch.zeros(3, 5)},
    "no positions": {"neuron__pos": None},
    "edges out of range": {"synapses__edge_index": torch.tensor([[0], [9]])},
    "counts of other edges": {"synapses__count": torch.ones(1, dtype=torch.int64)},
    "text": {"neuron__nucleus_id": "abc"},
    "coactivity of other pairs": {"coactivity__sttc": torch.zeros(2)},
    "NaN": {"neuron__pos": torch.full((5, 3), torch.nan)},
}


@pytest.mark.parametrize("fields", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_valid_connectome_is_an_error_of_the_schema(fields):
    assert "schema" in checks(audit(broken(**fields)))


@pytest.mark.parametrize("thing", [None, "6_6_2", torch.zeros(3, 3)])
def test_rejects_what_is_no_connectome(thing):
    with pytest.raises(ConnectomeError, match="audit needs a Connectome, got"):
        audit(thing)


def test_lengths_of_other_neurons_are_an_error(cortex):
    assert "lengths" in checks(audit(cortex[0], lengths=torch.zeros(7)))
    assert "lengths" in checks(audit(cortex[0], lengths=torch.zeros(90, 90)), "skipped")
