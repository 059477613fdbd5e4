from __future__ import annotations

from collections import Counter, defaultdict

import pytest
import torch

from graphcortex.tasks import OneChoiceInference

# Written apart from the library's table: goal, choices -> answer.
RULES = "9 ul u, 9 rd r, 19 ld d, 17 rd d, 17 ul l, 7 ur u, 19 lr r, 7 lr l"
PROBLEMS = [(int(goal), choices, answer) for goal, choices, answer in (rule.split() for rule in RULES.split(", "))]


def naive_trial(problem: int, goal_steps: int, delay_steps: int, choice_steps: int) -> tuple[list[list[float]], int]:
    """Write one trial step by step."""
    goal, choices, answer = PROBLEMS[problem]
    steps = []
    for _ in range(goal_steps):
        shown = [0.0] * 8
        shown[[7, 9, 17, 19].index(goal)] = 1.0
        steps.append(shown)
    for _ in range(delay_steps):
        steps.append([0.0] * 8)
    for _ in range(choice_steps):
        shown = [0.0] * 8
        for choice in choices:
            shown[4 + "lurd".index(choice)] = 1.0
        steps.append(shown)
    return steps, "lurd".index(answer)


@pytest.mark.parametrize("durations", [(20, 10, 20), (1, 0, 1), (3, 2, 1)], ids=str)
def test_matches_naive(durations, device, dtype):
    task = OneChoiceInference(*durations)
    trials = task.sample(50, rng=1, device=device, dtype=dtype)
    for b in range(50):
        inputs, target = naive_trial(int(trials.info["problem"][b]), *durations)
        assert trials.inputs[:, b].tolist() == inputs
        assert trials.targets[b] == target


def test_agrees_with_the_table_of_the_study():
    task = OneChoiceInference()
    found = (task.num_steps, task.input_size, task.num_classes, task.chance, task.floor, task.ceiling)
    assert found == (50, 8, 4, 0.25, 0.625, 1.0)


def test_problems_are_drawn_uniformly():
    counts = OneChoiceInference().sample(40_000, rng=0).info["problem"].bincount(minlength=8)
    # Five standard deviations of a binomial count.
    assert (counts - 5000).abs().max() < 5 * (40_000 * 7 / 64) ** 0.5


def best_accuracy_of_seeing(trials, steps, channels) -> float:
    """Answer each distinct view with its most frequent answer."""
    answers = defaultdict(Counter)
    for view, target in zip(trials.inputs[steps][..., channels].transpose(0, 1), trials.targets, strict=True):
        answers[tuple(view.flatten().tolist())][int(target)] += 1
    return sum(max(counts.values()) for counts in answers.values()) / len(trials)


def test_floor_is_what_a_half_blind_observer_reaches_and_ceiling_what_a_seeing_one_does():
    task = OneChoiceInference(1, 0, 1)
    trials = task.sample(20_000, rng=0)
    both = slice(None)
    by_choices = best_accuracy_of_seeing(trials, both, slice(4, 8))
    assert by_choices == pytest.approx(task.floor, abs=0.02)
    assert best_accuracy_of_seeing(trials, both, slice(0, 4)) == pytest.approx(0.5, abs=0.02)
    assert best_accuracy_of_seeing(trials, both, slice(0, 8)) == task.ceiling


BAD_SETTINGS = {"no goal": {"goal_steps": 0}, "negative delay": {"delay_steps": -1}, "half": {"choice_steps": 0.5}}


@pytest.mark.parametrize("settings", BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_rejects(settings):
    with pytest.raises(ValueError, match=r"steps must .*got"):
        OneChoiceInference(**settings)


def test_a_task_is_a_value():
    assert OneChoiceInference() == OneChoiceInference(20, 10, 20)
    assert len({OneChoiceInference(), OneChoiceInference(20, 10, 20), OneChoiceInference(1, 1, 1)}) == 2
    assert torch.equal(
        OneChoiceInference().sample(9, rng=5).targets, OneChoiceInference(1, 1, 1).sample(9, rng=5).targets
    )
