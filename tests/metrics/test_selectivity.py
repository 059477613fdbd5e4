from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from graphcortex.metrics import selectivity
from graphcortex.metrics._multiple_tests import benjamini_hochberg, holm
from graphcortex.testing import assert_bounds
from tests.metrics.recordings import BAD_STATES, recording

METHODS = ("eta_squared", "dprime", "auc")


def naive(method: str, x: list[float], labels: list[int]) -> float:
    """Follow the formula of one neuron, trial by trial."""
    groups = [[a for a, k in zip(x, labels, strict=True) if k == label] for label in sorted(set(labels))]
    mean = [sum(group) / len(group) for group in groups]
    if method == "eta_squared":
        middle = sum(x) / len(x)
        total = sum((a - middle) ** 2 for a in x)
        between = sum(len(group) * (m - middle) ** 2 for group, m in zip(groups, mean, strict=True))
        return between / total if total else 0.0
    first, second = groups
    if method == "auc":
        return sum((b > a) + (b == a) / 2 for a in first for b in second) / (len(first) * len(second))
    variance = [sum((a - m) ** 2 for a in group) / (len(group) - 1) for group, m in zip(groups, mean, strict=True)]
    if mean[0] == mean[1]:
        return 0.0
    return (
        (mean[1] - mean[0]) / math.sqrt(sum(variance) / 2)
        if any(variance)
        else math.copysign(math.inf, mean[1] - mean[0])
    )


@st.composite
def small_activities(draw):
    B = draw(st.integers(4, 8))
    N = draw(st.integers(1, 3))
    eighths = st.lists(st.integers(-8, 8), min_size=B * N, max_size=B * N)
    labels = draw(st.permutations([0, 0, 1, 1] + [draw(st.integers(0, 1)) for _ in range(B - 4)]))
    return torch.tensor(draw(eighths)).double().view(B, N) / 8, torch.tensor(labels)


@pytest.mark.parametrize("method", METHODS)
@given(drawn=small_activities())
def test_follows_its_formula(method, drawn):
    activity, labels = drawn
    found = selectivity(activity, labels, method=method)
    expected = [naive(method, column.tolist(), labels.tolist()) for column in activity.T]
    np.testing.assert_allclose(found.per_neuron, expected, rtol=1e-9, atol=1e-9)
    if method != "dprime":
        assert_bounds(found.per_neuron, 0, 1, tolerance=1e-12)
    sizes = {"eta_squared": lambda v: v, "dprime": abs, "auc": lambda v: max(v, 1 - v)}[method]
    assert found.value == pytest.approx(np.mean([sizes(v) for v in expected]), rel=1e-9, abs=1e-9)
    assert ("same in all trials of a label" in found.reason) == math.isinf(found.value)


def test_agrees_with_scipy_and_scikit_learn():
    states, labels = recording(1, 50, 8)[0], torch.arange(50) % 3
    states[:, :4] += labels[:, None]
    found = selectivity(states, labels).per_neuron
    groups = [states[labels == k].numpy() for k in range(3)]
    f = scipy.stats.f_oneway(*groups).statistic
    np.testing.assert_allclose(found, 2 * f / (2 * f + 47), rtol=1e-9)
    two = labels < 2
    areas = selectivity(states[two], labels[two], method="auc").per_neuron
    np.testing.assert_allclose(
        areas, [roc_auc_score(labels[two], column) for column in states[two].T.numpy()], rtol=1e-12
    )


def test_the_window_is_a_mean_over_its_steps():
    states, labels = recording(6, 20, 4), torch.arange(20) % 2
    for method in METHODS:
        windowed = selectivity(states, labels, window=(2, 5), method=method).per_neuron
        by_hand = selectivity(states[2:5].mean(0), labels, method=method).per_neuron
        np.testing.assert_allclose(windowed, by_hand, rtol=1e-9)
        np.testing.assert_allclose(
            selectivity(states, labels, method=method).per_neuron,
            selectivity(states.mean(0), labels, method=method).per_neuron,
            rtol=1e-9,
        )


@pytest.mark.parametrize(("method", "nothing"), [("eta_squared", 0.0), ("dprime", 0.0), ("auc", 0.5)])
def test_silent_neurons_tell_nothing(method, nothing):
    states = recording(4, 20, 3)
    states[..., 1] = torch.tensor([0.1, 0.7, 1e9, 0.3])[:, None]
    found = selectivity(states, torch.arange(20) % 2, method=method, num_permutations=30)
    assert found.per_neuron[1] == nothing
    assert found.p_value[1] == 1
    assert found.per_neuron[0] != nothing


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("correction", ["fdr", "holm", "max", "none"])
def test_finds_the_selective_neurons(method, correction):
    labels = torch.arange(40) % 2
    activity = recording(1, 40, 8, seed=3)[0]
    activity[:, :2] += 4 * labels[:, None] * activity.std(0)[:2] * torch.tensor([1, -1])
    found = selectivity(activity, labels, method=method, correction=correction, num_permutations=400, rng=1)
    assert found.significant.tolist()[:2] == [True, True]
    assert found.share_significant == pytest.approx(float(found.significant.double().mean()))
    if correction != "none":
        assert found.share_significant == 0.25
    assert_bounds(found.p_value, 1 / 401, 1)
    assert found.z > 3
    assert found.null == "permuted labels"
    if method != "eta_squared":
        middle = 0.0 if method == "dprime" else 0.5
        assert found.per_neuron[0] > middle > found.per_neuron[1]


@pytest.mark.parametrize("method", METHODS)
def test_p_values_are_those_of_all_permutations(method):
    """Six trials have few labellings: the drawn ones must be as large as often as all of them are."""
    activity = torch.tensor([[0.0, 1.0], [1.0, 0.5], [2.5, 4.0], [3.0, 0.0], [5.0, 1.0], [8.0, 2.0]]).double()
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    found = selectivity(activity, labels, method=method, correction="none", num_permutations=20000)
    labellings = [[int(i in chosen) for i in range(6)] for chosen in itertools.combinations(range(6), 3)]
    for neuron in range(2):
        x = activity[:, neuron].tolist()
        size = (lambda v: max(v, 1 - v)) if method == "auc" else abs
        sizes = np.array([size(naive(method, x, one)) for one in labellings])
        exact = np.mean(sizes >= size(naive(method, x, labels.tolist())) - 1e-9)
        assert float(found.p_value[neuron]) == pytest.approx(
            exact, abs=5 * math.sqrt(exact * (1 - exact) / 20000) + 1e-4
        )
    # The expected share of variance between K labels is (K - 1) / (B - 1) where they say nothing.
    if method == "eta_squared":
        assert found.null_mean == pytest.approx(1 / 5, abs=0.01)


def test_the_largest_of_all_neurons_corrects_for_their_number():
    labels = torch.arange(30) % 2
    activity = recording(1, 30, 6)[0]
    plain = selectivity(activity, labels, correction="none", num_permutations=200).p_value
    highest = selectivity(activity, labels, correction="max", num_permutations=200).p_value
    assert bool((highest >= plain).all())
    assert bool((highest <= (6 * plain).clamp(max=1) + 1e-12).all())
    one = selectivity(activity[:, :1], labels, correction="none", num_permutations=200).p_value
    assert torch.equal(one, selectivity(activity[:, :1], labels, correction="max", num_permutations=200).p_value)


@given(values=st.lists(st.integers(1, 100).map(lambda n: n / 100), min_size=1, max_size=8))
def test_corrections_follow_their_definitions(values):
    p = torch.tensor(values, dtype=torch.float64)
    np.testing.assert_allclose(benjamini_hochberg(p), scipy.stats.false_discovery_control(p.numpy()), rtol=1e-12)
    M, ascending = len(values), sorted(values)
    for value, corrected in zip(values, holm(p).tolist(), strict=True):
        # Equal p-values have one corrected p-value, that of the last of them to be reached by the running maximum.
        smaller = [min(1.0, (M - j) * ascending[j]) for j in range(M) if ascending[j] <= value]
        assert corrected == pytest.approx(max(smaller))


def test_parts_change_nothing(monkeypatch):
    activity, labels = recording(1, 20, 5)[0], torch.arange(20) % 2
    options = {"num_permutations": 23, "rng": 5, "correction": "max"}
    whole = selectivity(activity, labels, **options)
    monkeypatch.setattr(sys.modules["graphcortex.metrics.selectivity"], "_ENTRIES", 400)
    parts = selectivity(activity, labels, **options)
    assert torch.equal(parts.p_value, whole.p_value)
    assert parts.null_sd == pytest.approx(whole.null_sd)


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_numbers_and_no_global_generator(method):
    activity, labels = recording(1, 20, 5)[0], torch.arange(20) % 2
    before = torch.get_rng_state()
    first = selectivity(activity, labels, method=method, num_permutations=50, rng=3)
    assert first.seed == 3
    assert torch.equal(selectivity(activity, labels, method=method, num_permutations=50, rng=3).p_value, first.p_value)
    drawn = selectivity(activity, labels, method=method, num_permutations=50, rng=torch.Generator().manual_seed(3))
    again = selectivity(activity, labels, method=method, num_permutations=50, rng=drawn.seed)
    assert torch.equal(drawn.p_value, again.p_value)
    assert torch.equal(torch.get_rng_state(), before)
    assert selectivity(activity, labels, method=method).seed is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change", ["shift", "scale", "huge", "trials"])
def test_what_does_not_matter(method, change):
    activity, labels = recording(1, 20, 5)[0], torch.arange(20) % 2
    plain = selectivity(activity, labels, method=method).per_neuron
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    changed = {"shift": activity + 3, "scale": 2 * activity, "huge": 1e200 * activity, "trials": activity[order]}[
        change
    ]
    labels = labels[order] if change == "trials" else labels
    np.testing.assert_allclose(selectivity(changed, labels, method=method).per_neuron, plain, rtol=1e-9)


@pytest.mark.parametrize("high", [0.3, -1e7, 1e-9])
def test_labels_without_variance_of_their_own_have_an_infinite_dprime(high):
    labels = (torch.arange(9) < 3).long()  # numbers at which rounding leaves a variance
    activity = torch.where(labels == 1, high, 0.1).double()[:, None]
    found = selectivity(activity, labels, method="dprime", num_permutations=20)
    assert found.per_neuron[0] == math.copysign(math.inf, high - 0.1)
    assert found.value == math.inf
    assert found.reason == "the activity of 1 neurons is the same in all trials of a label"
    assert found.p_value[0] == pytest.approx(1 / 21, abs=2 / 21)
    assert selectivity(activity, labels).per_neuron[0] == pytest.approx(1, rel=1e-12)


def test_the_order_of_labels_is_the_sign():
    activity, labels = recording(1, 20, 5)[0], torch.arange(20) % 2
    for method, middle in (("dprime", 0.0), ("auc", 0.5)):
        plain = selectivity(activity, labels, method=method)
        flipped = selectivity(activity, -labels, method=method)
        np.testing.assert_allclose(plain.per_neuron - middle, middle - flipped.per_neuron, rtol=1e-9, atol=1e-12)
        assert flipped.value == pytest.approx(plain.value)


def test_labels_that_are_no_question():
    activity = recording(1, 5, 3)[0]
    alone = selectivity(activity, torch.zeros(5).long(), num_permutations=3)
    assert math.isnan(alone.value)
    assert alone.reason == "all trials have the same label"
    assert alone.p_value is alone.significant is None
    assert math.isnan(alone.share_significant)
    single = selectivity(activity, [3, 3, 3, 3, 8], method="dprime")
    assert single.reason == "the label 8 has a single trial, and no variance"
    assert not math.isnan(selectivity(activity, [3, 3, 3, 3, 8], method="auc").value)


ACTIVITY, LABELS = recording(1, 20, 5)[0], torch.arange(20) % 2
BAD_ARGUMENTS = {
    **{name: (states, LABELS, {}) for name, states in BAD_STATES.items()},
    "a label is missing": (ACTIVITY, LABELS[1:], {}),
    "fractions": (ACTIVITY, LABELS / 2, {}),
    "three labels for d'": (ACTIVITY, torch.arange(20) % 3, {"method": "dprime"}),
    "three labels for the AUC": (ACTIVITY, torch.arange(20) % 3, {"method": "auc"}),
    "an unknown method": (ACTIVITY, LABELS, {"method": "omega"}),
    "an unknown correction": (ACTIVITY, LABELS, {"correction": "bonferroni"}),
    "too few permutations for Holm": (ACTIVITY, LABELS, {"correction": "holm", "num_permutations": 98}),
    "a negative number": (ACTIVITY, LABELS, {"num_permutations": -1}),
    "alpha": (ACTIVITY, LABELS, {"alpha": 2}),
    "an empty window": (recording(3, 20, 5), LABELS, {"window": (2, 2)}),
    "a window beyond the end": (recording(3, 20, 5), LABELS, {"window": (0, 4)}),
    "a window of one": (recording(3, 20, 5), LABELS, {"window": 2}),
    "a window of three": (recording(3, 20, 5), LABELS, {"window": (0, 1, 2)}),
    "a word for a seed": (ACTIVITY, LABELS, {"rng": "now"}),
}


@pytest.mark.parametrize(("states", "labels", "options"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(states, labels, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        selectivity(states, labels, **options)


def test_just_enough_permutations_for_holm():
    assert selectivity(ACTIVITY, LABELS, correction="holm", num_permutations=99).p_value is not None


@pytest.mark.parametrize("method", METHODS)
def test_runs_where_the_states_are(method, device):
    here = selectivity(ACTIVITY, LABELS, method=method, num_permutations=20)
    there = selectivity(ACTIVITY.to(device), LABELS.to(device), method=method, num_permutations=20)
    np.testing.assert_allclose(there.per_neuron, here.per_neuron, rtol=1e-9)
    assert torch.equal(there.p_value, here.p_value)
