from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from graphcortex.metrics import decoding_time_course
from graphcortex.metrics.decoding import _count_right, _permute_within, _stratified_folds
from tests.metrics.recordings import BAD_STATES, recording


def told(T: int, B: int, N: int, K: int, seed: int = 0, size: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return states that tell labels more and more, and the labels, in no order and not equally many."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(B) * (K + 1) // B % K)[torch.randperm(B, generator=generator)]
    means = torch.randn(K, N, generator=generator, dtype=torch.float64)
    ramp = torch.arange(T, dtype=torch.float64)[:, None, None] / max(T - 1, 1)
    return recording(T, B, N, seed) + size * ramp * means[labels], labels


def naive_right(x: np.ndarray, labels: np.ndarray, fold: np.ndarray, shrinkage: float) -> list[int]:
    """Decode each fold of one step from the others, by the formula, trial by trial."""
    N, K = x.shape[1], labels.max() + 1
    counts = []
    for held_out in range(fold.max() + 1):
        train, of = x[fold != held_out], labels[fold != held_out]
        mean = [train[of == k].mean(0) for k in range(K)]
        within = np.zeros((N, N))
        for row, k in zip(train, of, strict=True):
            within += np.outer(row - mean[k], row - mean[k]) / len(train)
        total = ((train - train.mean(0)) ** 2).mean(0).sum()
        inverse = np.linalg.inv((1 - shrinkage) * within + shrinkage * total / N * np.eye(N))
        right = 0
        for row, k in zip(x[fold == held_out], labels[fold == held_out], strict=True):
            scores = [m @ inverse @ row - m @ inverse @ m / 2 + np.log((of == c).mean()) for c, m in enumerate(mean)]
            right += int(np.argmax(scores) == k)
        counts.append(right)
    return counts


# More trials than neurons, and fewer; two labels, and more; every weight of the sphere.
CASES = [(3, 40, 6, 2, 0.1), (3, 40, 6, 3, 1.0), (2, 20, 50, 2, 0.1), (2, 24, 60, 3, 0.5), (3, 30, 1, 2, 0.01)]


@pytest.mark.parametrize(("T", "B", "N", "K", "shrinkage"), CASES)
def test_follows_the_formula(T, B, N, K, shrinkage):
    states, labels = told(T, B, N, K)
    fold = _stratified_folds(labels, 4, torch.Generator().manual_seed(1))
    found = _count_right(states, labels[None], fold, shrinkage)[0].T.tolist()
    assert found == [naive_right(x, labels.numpy(), fold.numpy(), shrinkage) for x in states.numpy()]
    whole = decoding_time_course(states, labels, num_folds=4, shrinkage=shrinkage)
    assert whole.accuracy.shape == whole.sd.shape == (T,)
    assert whole.value == whole.accuracy.max() == whole.accuracy[whole.peak_step]


@pytest.mark.parametrize(("B", "N", "K"), [(60, 8, 2), (60, 8, 3), (30, 60, 2)])
def test_decodes_as_scikit_learn(B, N, K):
    states = recording(1, B, N)[0]
    labels = torch.arange(B) % K
    states[:, 0] += labels
    fold = _stratified_folds(labels, 5, torch.Generator().manual_seed(0))
    found = _count_right(states[None], labels[None], fold, 0.1)[0, :, 0].tolist()
    for held_out in range(5):
        train, test = fold != held_out, fold == held_out
        x, of = states[train].numpy(), labels[train].numpy()
        # Theirs shrinks to the variance within labels and ours to that of all: the same, up to a factor, with another weight.
        within = sum(((x[of == k] - x[of == k].mean(0)) ** 2).sum() for k in range(K)) / len(x)
        sphere = 0.1 * ((x - x.mean(0)) ** 2).sum() / len(x)
        theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=sphere / (sphere + 0.9 * within)).fit(x, of)
        assert found[held_out] == int((theirs.predict(states[test].numpy()) == labels[test].numpy()).sum())


def test_permuted_labels_share_the_factors():
    states, labels = told(3, 30, 5, 3)
    generator = torch.Generator().manual_seed(0)
    fold = _stratified_folds(labels, 3, generator)
    labellings = _permute_within(fold, labels, 6, generator)
    together = _count_right(states, labellings, fold, 0.2)
    for one, counts in zip(labellings, together, strict=True):
        assert counts.T.tolist() == [naive_right(x, one.numpy(), fold.numpy(), 0.2) for x in states.numpy()]


@pytest.mark.parametrize(("B", "K", "folds"), [(20, 2, 5), (23, 3, 4), (12, 2, 6)])
def test_folds_are_even_and_permutations_keep_them_so(B, K, folds):
    labels = told(1, B, 1, K)[1]
    generator = torch.Generator().manual_seed(3)
    fold = _stratified_folds(labels, folds, generator)
    sizes = fold.bincount(minlength=folds)
    assert int(sizes.max() - sizes.min()) <= 1
    for k in range(K):
        each = fold[labels == k].bincount(minlength=folds)
        assert int(each.max() - each.min()) <= 1
    permuted = _permute_within(fold, labels, 50, generator)
    assert len({tuple(one) for one in permuted.tolist()}) > 10
    for one in permuted:
        for f in range(folds):
            assert sorted(one[fold == f].tolist()) == sorted(labels[fold == f].tolist())


def test_finds_when_a_label_is_told_and_when_not():
    labels = torch.arange(60) % 3
    states = recording(6, 60, 10)
    states[3] += 8 * torch.eye(10, dtype=torch.float64)[labels] * states.std()
    found = decoding_time_course(states, labels, num_permutations=60, rng=2)
    assert found.value == 1.0
    assert found.peak_step == 3
    assert found.null_accuracy.shape == (60, 6)
    assert found.num_nulls == 60
    assert found.null_mean == pytest.approx(float(found.null_accuracy.amax(1).mean()))
    assert found.z > 5
    assert found.p_value[3] == pytest.approx(1 / 61)
    assert bool((found.p_value[[0, 1, 2, 4, 5]] > 0.05).all())
    low, high = found.null_band(0.9)
    assert bool((low < high).all())
    assert bool((high < 0.6).all())
    # Without information, held-out accuracy is chance on average: a decoder that saw the test trials would be above.
    assert float(found.null_accuracy.mean()) == pytest.approx(1 / 3, abs=0.02)


def test_states_without_information_reach_chance():
    labels = torch.tensor([0] * 14 + [5] * 6)
    same = torch.full((4, 20, 3), 0.1)
    found = decoding_time_course(same, labels, num_folds=2)
    assert found.chance == 0.7
    assert found.accuracy.tolist() == [0.7] * 4
    assert found.classes.tolist() == [0, 5]
    # One neuron that varies, beside others that do not, however large: the mean of equal numbers must be that number.
    for value in (0.1, 1.1e20, -7.3e5):
        beside = torch.full((4, 20, 3), value, dtype=torch.float64)
        assert decoding_time_course(beside, labels, num_folds=2).accuracy.tolist() == [0.7] * 4
        beside[:, :, 0] = labels
        assert decoding_time_course(beside, labels, num_folds=2).value == 1.0


def test_one_label_is_no_question():
    found = decoding_time_course(recording(3, 10, 2), torch.full((10,), 4))
    assert math.isnan(found.value)
    assert found.reason == "all trials have the same label"
    assert bool(found.accuracy.isnan().all())
    assert found.peak_step == 0
    assert found.p_value is found.null_band() is None


@pytest.mark.parametrize("change", ["scale", "huge", "tiny", "shift", "neurons", "labels"])
def test_what_does_not_matter(change):
    states, labels = told(3, 30, 6, 3)
    plain = decoding_time_course(states, labels).accuracy
    if change == "labels":
        other = decoding_time_course(states, 10 * labels - 7)
        assert other.classes.tolist() == [-7, 3, 13]
    else:
        order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
        changed = {"scale": -2 * states, "huge": states * 1e200, "tiny": states * 1e-200, "shift": states + 9}
        other = decoding_time_course(changed.get(change, states[..., order]), labels)
    assert torch.equal(other.accuracy, plain)


def test_every_step_is_decoded_alone(monkeypatch):
    states, labels = told(7, 24, 5, 2)
    whole = decoding_time_course(states, labels, num_permutations=5, rng=4)
    monkeypatch.setattr(sys.modules["graphcortex.metrics.decoding"], "_ENTRIES", 300)
    parts = decoding_time_course(states, labels, num_permutations=5, rng=4)
    assert torch.equal(parts.accuracy, whole.accuracy)
    assert torch.equal(parts.null_accuracy, whole.null_accuracy)
    assert torch.equal(decoding_time_course(states[2:3], labels, rng=4).accuracy, whole.accuracy[2:3])


def test_same_seed_same_folds_and_no_global_generator():
    states, labels = told(3, 30, 4, 2)
    before = torch.get_rng_state()
    first = decoding_time_course(states, labels, num_permutations=4, rng=7)
    again = decoding_time_course(states, labels, num_permutations=4, rng=7)
    assert first.seed == 7
    assert torch.equal(first.accuracy, again.accuracy)
    assert torch.equal(first.null_accuracy, again.null_accuracy)
    drawn = decoding_time_course(states, labels, num_permutations=4, rng=torch.Generator().manual_seed(1))
    assert torch.equal(
        decoding_time_course(states, labels, num_permutations=4, rng=drawn.seed).null_accuracy, drawn.null_accuracy
    )
    assert not torch.equal(drawn.null_accuracy, first.null_accuracy)
    assert torch.equal(torch.get_rng_state(), before)


LABELS = torch.arange(20) % 2
STATES = recording(2, 20, 3)
BAD_ARGUMENTS = {
    **{name: (states, LABELS, {}) for name, states in BAD_STATES.items()},
    "a label is missing": (STATES, LABELS[1:], {}),
    "fractions": (STATES, LABELS / 2, {}),
    "words": (STATES, ["go"] * 20, {}),
    "a rare label": (STATES, torch.arange(20) // 17, {}),
    "one fold": (STATES, LABELS, {"num_folds": 1}),
    "no shrinkage": (STATES, LABELS, {"shrinkage": 0}),
    "too much shrinkage": (STATES, LABELS, {"shrinkage": 1.1}),
    "fewer than no permutations": (STATES, LABELS, {"num_permutations": -1}),
    "a word for a seed": (STATES, LABELS, {"rng": "now"}),
}


@pytest.mark.parametrize(("states", "labels", "options"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(states, labels, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        decoding_time_course(states, labels, **options)


@pytest.mark.parametrize("level", [-0.1, 1.1])
def test_rejects_a_level(level):
    with pytest.raises(ValueError, match=r"must .*got"):
        decoding_time_course(STATES, LABELS).null_band(level)


def test_runs_where_the_states_are(device):
    states, labels = told(3, 30, 6, 3)
    here = decoding_time_course(states, labels, num_permutations=3)
    there = decoding_time_course(states.to(device), labels.to(device), num_permutations=3)
    assert torch.equal(there.accuracy, here.accuracy)
    assert torch.equal(there.null_accuracy, here.null_accuracy)
