from __future__ import annotations

import pytest
import torch

from graphcortex.tasks import TASKS, GoNoGo, Task, Trials


def make_trials(count: int = 5) -> Trials:
    inputs = torch.arange(3.0 * count * 2).reshape(3, count, 2)
    return Trials(inputs, torch.arange(count), {"coherence": torch.arange(count) * 0.5})


CHOSEN = {
    "a slice": (slice(1, 4), [1, 2, 3]),
    "a slice with a step": (slice(None, None, 2), [0, 2, 4]),
    "indices in an order of their own": (torch.tensor([4, 0, 0]), [4, 0, 0]),
    "a list": ([3, 1], [3, 1]),
    "a mask": (torch.tensor([True, False, False, False, True]), [0, 4]),
    "no trial": (torch.tensor([], dtype=torch.int64), []),
    "an empty list": ([], []),
}


@pytest.mark.parametrize(("index", "expected"), CHOSEN.values(), ids=CHOSEN.keys())
def test_choosing_trials_chooses_inputs_targets_and_info_alike(index, expected):
    trials = make_trials()
    chosen = trials[index]
    assert len(chosen) == len(expected)
    assert chosen.targets.tolist() == expected
    assert chosen.inputs.shape == (3, len(expected), 2)
    for place, trial in enumerate(expected):
        assert torch.equal(chosen.inputs[:, place], trials.inputs[:, trial])
        assert chosen.info["coherence"][place] == trials.info["coherence"][trial]


def test_moving_keeps_everything(device):
    moved = make_trials().to(device)
    assert {moved.inputs.device.type, moved.targets.device.type, moved.info["coherence"].device.type} == {device.type}
    assert torch.equal(moved.inputs.cpu(), make_trials().inputs)
    assert len(moved[torch.tensor([0, 1])]) == 2


BAD_INDICES = {"a number": 2, "two axes": torch.zeros(1, 1).long(), "floats": torch.zeros(2)}


@pytest.mark.parametrize("index", BAD_INDICES.values(), ids=BAD_INDICES.keys())
def test_rejects_index(index):
    with pytest.raises(ValueError, match=r"chosen by a slice.*got"):
        make_trials()[index]


BAD_TRIALS = {
    "inputs without channels": (torch.zeros(3, 5), torch.zeros(5).long(), {}),
    "inputs of whole numbers": (torch.zeros(3, 5, 2).long(), torch.zeros(5).long(), {}),
    "one target is missing": (torch.zeros(3, 5, 2), torch.zeros(4).long(), {}),
    "targets are floats": (torch.zeros(3, 5, 2), torch.zeros(5), {}),
    "info of another length": (torch.zeros(3, 5, 2), torch.zeros(5).long(), {"coherence": torch.zeros(3)}),
    "info without an axis": (torch.zeros(3, 5, 2), torch.zeros(5).long(), {"coherence": torch.zeros(())}),
}


@pytest.mark.parametrize("arguments", BAD_TRIALS.values(), ids=BAD_TRIALS.keys())
def test_rejects_trials(arguments):
    with pytest.raises(ValueError, match=r"must .*got"):
        Trials(*arguments)


def test_trials_are_frozen():
    with pytest.raises(AttributeError):
        make_trials().targets = torch.zeros(5)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_keeps_the_protocol(name):
    task = TASKS[name]()
    assert isinstance(task, Task)
    assert task.name == name
    assert task.chance == 1 / task.num_classes
    assert 0 < task.chance <= task.floor <= task.ceiling <= 1


def test_a_class_with_a_member_missing_is_no_task():
    assert not isinstance(object(), Task)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("count", [0, 1, 7])
def test_shapes_and_types(name, count, device, dtype):
    task = TASKS[name]()
    trials = task.sample(count, rng=0, device=device, dtype=dtype)
    assert len(trials) == count
    assert trials.inputs.shape == (task.num_steps, count, task.input_size)
    assert trials.inputs.dtype == dtype
    assert trials.targets.dtype == torch.int64
    assert {trials.inputs.device.type, trials.targets.device.type} == {device.type}
    assert all(values.shape == (count,) and values.device.type == device.type for values in trials.info.values())
    assert bool((trials.targets < task.num_classes).all())
    assert torch.isfinite(trials.inputs).all()


@pytest.mark.parametrize("name", TASKS)
def test_float32_is_the_default(name):
    assert TASKS[name]().sample(2, rng=0).inputs.dtype == torch.float32


@pytest.mark.parametrize("name", TASKS)
def test_same_seed_same_numbers_and_another_seed_others(name, device):
    task = TASKS[name]()
    first, again, other = (task.sample(64, rng=seed, device=device) for seed in (3, 3, 4))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.targets, other.targets)


@pytest.mark.parametrize("name", TASKS)
def test_a_generator_goes_on(name):
    task, generator = TASKS[name](), torch.Generator().manual_seed(3)
    first, second = task.sample(64, rng=generator), task.sample(64, rng=generator)
    assert torch.equal(first.targets, task.sample(64, rng=3).targets)
    assert not torch.equal(first.targets, second.targets)


@pytest.mark.parametrize("name", TASKS)
def test_the_global_generator_is_left_alone(name):
    before = torch.get_rng_state()
    TASKS[name]().sample(16, rng=0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("count", [-1, 2.5, "many", True], ids=repr)
@pytest.mark.parametrize("name", TASKS)
def test_rejects_a_number_of_trials(name, count):
    with pytest.raises(ValueError, match=r"num_trials must .*got"):
        TASKS[name]().sample(count, rng=0)


def test_rejects_what_is_no_source_of_randomness():
    with pytest.raises(ValueError, match=r"rng must .*got"):
        GoNoGo().sample(1, rng=None)
