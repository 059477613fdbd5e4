from __future__ import annotations

import pytest

from graphcortex.tasks import GoNoGo

NOGO, GO = [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
FIXATION, NOTHING = [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]


def naive_trial(target: int, fixation: int, stimulus: int, delay: int, decision: int) -> list[list[float]]:
    """Write one trial step by step."""
    steps = []
    for _ in range(fixation):
        steps.append(FIXATION)
    for _ in range(stimulus):
        steps.append(GO if target == 1 else NOGO)
    for _ in range(delay):
        steps.append(FIXATION)
    for _ in range(decision):
        steps.append(NOTHING)
    return steps


@pytest.mark.parametrize("durations", [(5, 20, 10, 5), (0, 1, 0, 0), (1, 2, 3, 4), (2, 1, 0, 1)], ids=str)
def test_matches_naive(durations, device, dtype):
    trials = GoNoGo(*durations).sample(20, rng=2, device=device, dtype=dtype)
    assert set(trials.targets.tolist()) == {0, 1}
    for b in range(20):
        assert trials.inputs[:, b].tolist() == naive_trial(int(trials.targets[b]), *durations)


def test_agrees_with_the_table_of_the_study():
    task = GoNoGo()
    found = (task.num_steps, task.input_size, task.num_classes, task.chance, task.floor, task.ceiling)
    assert found == (40, 3, 2, 0.5, 0.5, 1.0)


def test_floor_is_a_constant_answer_and_ceiling_is_reading_the_stimulus():
    task = GoNoGo()
    trials = task.sample(40_000, rng=0)
    assert (trials.targets == 1).double().mean() == pytest.approx(task.floor, abs=0.0125)  # five standard deviations
    assert ((trials.inputs[10, :, 2] > 0).long() == trials.targets).double().mean() == task.ceiling


BAD_SETTINGS = {
    "no stimulus": {"stimulus_steps": 0},
    "negative fixation": {"fixation_steps": -1},
    "negative delay": {"delay_steps": -1},
    "half a decision": {"decision_steps": 0.5},
}


@pytest.mark.parametrize("settings", BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_rejects(settings):
    with pytest.raises(ValueError, match=r"steps must .*got"):
        GoNoGo(**settings)
