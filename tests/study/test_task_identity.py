"""A task that was changed does not join the runs of the old one, and the same task on another machine does."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcortex.study import StoreError, Study, load_results
from graphcortex.study.manifest import agree
from graphcortex.study.store import MANIFEST
from graphcortex.study.task_identity import describe_task, describe_trials
from graphcortex.tasks import GoNoGo, Trials, get_task
from tests.study._small import SHORT, connectome


class Silent:
    """A task whose text says nothing of it; ``change`` is what its user edits between two calls."""

    def __init__(self, change=lambda trials: trials):
        self._change = change

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(GoNoGo(), name)

    def sample(self, *arguments, **options):
        return self._change(GoNoGo().sample(*arguments, **options))


def study(task, **changed) -> Study:
    return Study({"tiny": connectome(12)}, ("WD",), {"mine": task}, 1, {"published": SHORT}, **changed)


CHANGES = {
    "the answers are swapped": lambda trials: Trials(trials.inputs, 1 - trials.targets),
    "one answer differs": lambda trials: Trials(trials.inputs, (trials.targets + (torch.arange(len(trials)) == 3)) % 2),
    "the inputs are twice as large": lambda trials: Trials(2 * trials.inputs, trials.targets),
    "the inputs are 1 % larger": lambda trials: Trials(1.01 * trials.inputs, trials.targets),
    "two channels change places": lambda trials: Trials(trials.inputs[:, :, [1, 0, 2]], trials.targets),
    "two steps change places": lambda trials: Trials(trials.inputs[[4, 5, *range(2, 4), 0, 1, *range(6, 40)]], trials.targets),
    "the last step is longer": lambda trials: Trials(torch.cat([trials.inputs, trials.inputs[-1:]]), trials.targets),
    "a small offset": lambda trials: Trials(trials.inputs + 0.001, trials.targets),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_task_does_not_join_the_old_one(tmp_path, change):
    assert repr(Silent()).split(" at ")[0] == repr(Silent(change)).split(" at ")[0]
    study(Silent()).run(tmp_path, progress=False)
    before = (tmp_path / MANIFEST).read_bytes()
    with pytest.raises(
        StoreError, match=r"another study.*: tasks\.mine\.trials: the task draws other trials than it did"
    ):
        study(Silent(change)).run(tmp_path, progress=False)
    assert (tmp_path / MANIFEST).read_bytes() == before
    study(Silent()).run(tmp_path, progress=False)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.sampled_from([1e-30, 1e-3, 1.0, 1e6, 1e30]))
def test_the_last_digits_of_another_machine_change_nothing(seed, size):
    """Rounding by up to 4 units in the last place of float32, wherever the values lie: also at the edge of any grid."""
    rng = torch.Generator().manual_seed(seed)
    inputs = torch.randn(7, 32, 3, generator=rng) * size
    other = inputs * (1 + 4 * torch.finfo(torch.float32).eps * (2 * torch.rand(inputs.shape, generator=rng) - 1))
    targets = torch.randint(2, (32,), generator=rng)
    here, there = describe_trials(Trials(inputs, targets)), describe_trials(Trials(other, targets))
    assert agree(here, there)
    assert agree(json.loads(json.dumps(here)), there)
    assert not agree(here, describe_trials(Trials(inputs * 1.001, targets)))


def test_a_study_goes_on_with_the_rounding_of_another_machine(tmp_path):
    study(Silent()).run(tmp_path, progress=False)
    before = json.loads((tmp_path / MANIFEST).read_text())
    rounded = Silent(lambda trials: Trials(trials.inputs * (1 + 3e-7), trials.targets))
    results = replace(study(rounded), seeds=(0, 1)).run(tmp_path, progress=False)
    assert len(results.runs) == 2
    assert json.loads((tmp_path / MANIFEST).read_text())["settings"] == before["settings"], (
        "what was there stays, to the digit"
    )


@pytest.mark.parametrize("size", [0.0, 1e-40, float("inf"), float("nan")])
def test_inputs_that_are_no_numbers_have_an_identity(size):
    trials = Trials(torch.full((3, 4, 2), size), torch.zeros(4).long())
    json.dumps(describe_trials(trials), allow_nan=False)
    assert agree(describe_trials(trials), describe_trials(trials))


def test_a_task_that_does_not_keep_to_its_seed_is_refused(tmp_path):
    task = Silent(lambda trials: Trials(trials.inputs + torch.rand(1), trials.targets))
    with pytest.raises(ValueError, match=r"the task mine must draw the same trials for the same seed"):
        study(task).run(tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_a_task_that_fails_has_failed_runs_and_may_be_mended(tmp_path):
    def fail(trials):
        raise ArithmeticError("too much")

    assert len(study(Silent(fail)).run(tmp_path, progress=False).failures) == 1
    assert len(study(Silent()).run(tmp_path, progress=False).runs) == 1
    assert len(study(Silent(fail)).run(tmp_path, progress=False).runs) == 1, "nothing is left to run"
    with pytest.raises(StoreError, match="other trials"):
        study(Silent(CHANGES["a small offset"])).run(tmp_path, progress=False)


def test_a_task_of_ones_own_does_not_join_the_task_of_its_name(tmp_path):
    named = Study({"tiny": connectome(12)}, ("WD",), ("go_nogo",), 1, {"published": SHORT})
    named.run(tmp_path, progress=False)
    own = replace(named, tasks={"go_nogo": Silent()})
    with pytest.raises(StoreError, match=r"tasks\.go_nogo: None there"):
        own.run(tmp_path, progress=False)
    assert load_results(tmp_path).task_of("WD") == get_task("go_nogo")


def test_a_task_that_is_changed_in_place_is_drawn_again(tmp_path):
    """Its trials are not taken from what was drawn before, whatever its hash is."""

    @dataclass
    class Changing(Silent):
        scale: float = 1.0

        __hash__ = object.__hash__

        def sample(self, *arguments, **options):
            trials = GoNoGo().sample(*arguments, **options)
            return Trials(self.scale * trials.inputs, trials.targets)

    task = Changing()
    first = study(task).run(tmp_path / "first", progress=False)
    task.scale = 3.0
    second = study(task).run(tmp_path / "second", progress=False)
    alone = study(Changing(scale=3.0)).run(tmp_path / "alone", progress=False)
    weights = [one.learned_graph("WD").edge_weight for one in (first, second, alone)]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
    assert torch.equal(second.trials("WD").inputs, alone.trials("WD").inputs)


def test_the_identity_of_a_task_names_its_fields():
    assert describe_task("mine", GoNoGo(delay_steps=3))["object"].startswith("GoNoGo(fixation_steps=5")
    assert describe_task("mine", Silent())["object"] == "<tests.study.test_task_identity.Silent object>"
