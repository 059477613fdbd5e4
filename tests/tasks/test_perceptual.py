from __future__ import annotations

import math
import statistics

import pytest
import torch

from graphcortex.tasks import PerceptualDecision


def naive_noiseless_trial(target: int, coherence: float, fixation: int, stimulus: int, delay: int) -> list[list[float]]:
    """Write one trial step by step, without its noise."""
    steps = []
    for step in range(fixation + stimulus + delay):
        shown = [1.0, 0.0, 0.0]
        if fixation <= step < fixation + stimulus:
            shown[1] = 0.5 + coherence / 200 if target == 0 else 0.5 - coherence / 200
            shown[2] = 0.5 + coherence / 200 if target == 1 else 0.5 - coherence / 200
        steps.append(shown)
    return steps


@pytest.mark.parametrize("durations", [(1, 30, 10), (0, 1, 0), (3, 2, 1)], ids=str)
def test_without_noise_matches_naive(durations, device, dtype):
    trials = PerceptualDecision(*durations, noise_sd=0.0).sample(60, rng=1, device=device, dtype=dtype)
    for b in range(60):
        naive = naive_noiseless_trial(int(trials.targets[b]), float(trials.info["coherence"][b]), *durations)
        torch.testing.assert_close(trials.inputs[:, b].cpu(), torch.tensor(naive, dtype=dtype), rtol=0, atol=1e-6)


def test_noise_is_added_to_the_evidence_alone_white_and_of_the_given_size(device):
    task = PerceptualDecision(2, 30, 5, noise_sd=0.1)
    noisy = task.sample(4000, rng=1, device=device, dtype=torch.float64)
    clean = PerceptualDecision(2, 30, 5, noise_sd=0.0).sample(4000, rng=1, device=device, dtype=torch.float64)
    assert torch.equal(noisy.targets, clean.targets)  # the same draws: only the size of the noise differs
    noise = noisy.inputs - clean.inputs
    evidence = noise[2:32, :, 1:]
    assert float(noise.abs().sum()) == pytest.approx(float(evidence.abs().sum()))
    assert float(evidence.std()) == pytest.approx(0.1, rel=0.01)
    assert abs(float(evidence.mean())) < 5 * 0.1 / evidence.numel() ** 0.5
    assert float((evidence.abs() < 0.1).double().mean()) == pytest.approx(math.erf(2**-0.5), abs=0.005)
    lag = (evidence[1:] * evidence[:-1]).mean() / evidence.var()
    across = (evidence[..., 0] * evidence[..., 1]).mean() / evidence.var()
    assert abs(float(lag)) < 0.015
    assert abs(float(across)) < 0.015


def test_agrees_with_the_table_of_the_study():
    task = PerceptualDecision()
    found = (task.num_steps, task.input_size, task.num_classes, task.chance, task.floor, round(task.ceiling, 3))
    assert found == (41, 3, 2, 0.5, 0.5, 0.899)


def test_answers_and_coherences_are_uniform_and_independent():
    trials = PerceptualDecision(0, 1, 0).sample(50_000, rng=0, dtype=torch.float64)
    for coherence in (0.0, 6.4, 12.8, 25.6, 51.2):
        for target in (0, 1):
            count = int(((trials.info["coherence"] == coherence) & (trials.targets == target)).sum())
            assert abs(count - 5000) < 5 * (50_000 * 0.1 * 0.9) ** 0.5


def accuracy_of_the_ideal_observer(task: PerceptualDecision, num_trials: int) -> float:
    right = 0
    generator = torch.Generator().manual_seed(0)
    for _ in range(num_trials // 20_000):
        trials = task.sample(20_000, rng=generator)
        evidence = trials.inputs[..., 1:].sum(0)
        right += int((evidence.argmax(1) == trials.targets).sum())
    return right / num_trials


def test_the_ideal_observer_reaches_the_ceiling_of_the_study():
    accuracy = accuracy_of_the_ideal_observer(PerceptualDecision(), 200_000)
    assert accuracy == pytest.approx(0.899, abs=0.005)
    assert accuracy == pytest.approx(PerceptualDecision().ceiling, abs=0.0035)  # five standard errors


@pytest.mark.parametrize(
    "task",
    [
        PerceptualDecision(stimulus_steps=1, delay_steps=0),
        PerceptualDecision(stimulus_steps=4, noise_sd=0.5),
        PerceptualDecision(coherences=(3.0,), noise_sd=0.3),
    ],
    ids=["one step", "much noise", "one coherence"],
)
def test_the_ceiling_follows_the_settings(task):
    normal = statistics.NormalDist()
    by_hand = statistics.mean(
        normal.cdf(task.stimulus_steps * c / 100 / (task.noise_sd * math.sqrt(2 * task.stimulus_steps)))
        for c in task.coherences
    )
    assert task.ceiling == pytest.approx(by_hand, abs=1e-12)
    assert accuracy_of_the_ideal_observer(task, 40_000) == pytest.approx(task.ceiling, abs=0.0125)


def test_without_noise_only_zero_coherence_is_left_to_chance():
    assert PerceptualDecision(noise_sd=0.0).ceiling == pytest.approx(0.9)
    assert PerceptualDecision(coherences=(0.0,)).ceiling == 0.5


def test_a_constant_answer_reaches_the_floor():
    task = PerceptualDecision(0, 1, 0)
    trials = task.sample(40_000, rng=0)
    assert (trials.targets == 0).double().mean() == pytest.approx(task.floor, abs=0.0125)


BAD_SETTINGS = {
    "no stimulus": {"stimulus_steps": 0},
    "negative delay": {"delay_steps": -1},
    "half a fixation": {"fixation_steps": 0.5},
    "negative noise": {"noise_sd": -0.1},
    "noise is NaN": {"noise_sd": math.nan},
    "no coherence": {"coherences": ()},
    "a list of coherences": {"coherences": [0.0]},
    "more than everything": {"coherences": (120.0,)},
}


@pytest.mark.parametrize("settings", BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_rejects(settings):
    with pytest.raises(ValueError, match=r"must .*got"):
        PerceptualDecision(**settings)
