from __future__ import annotations

import sys

import pytest

from graphcortex._optional import MissingDependencyError
from graphcortex.tasks import (
    TASKS,
    GoNoGo,
    OneChoiceInference,
    PerceptualDecision,
    check_task_name,
    get_task,
)


def test_the_registry_names_the_tasks_of_the_study():
    assert dict(TASKS) == {
        "one_choice_inference": OneChoiceInference,
        "go_nogo": GoNoGo,
        "perceptual_decision": PerceptualDecision,
    }


def test_a_task_by_name_has_the_settings_given():
    assert get_task("go_nogo") == GoNoGo()
    assert get_task("perceptual_decision", stimulus_steps=3) == PerceptualDecision(stimulus_steps=3)


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"'one_choice_inference', 'go_nogo', 'perceptual_decision', .*; got 'nback'"):
        get_task("nback")


def test_an_environment_of_neurogym_is_a_name_without_neurogym(monkeypatch):
    monkeypatch.setitem(sys.modules, "neurogym", None)
    name = "neurogym:yang19.go-v0"
    assert check_task_name(name) == name
    with pytest.raises(MissingDependencyError, match=r"'Absent-v0' needs neurogym.*graphcortex-rnn\[neurogym\]"):
        get_task("neurogym:Absent-v0")


@pytest.mark.parametrize(
    "name", ["neurogym:", "neurogym:../x", "neurogym:a b", "neurogym:a:b", "neurogym:.a", "neurogym:é", None, 3]
)
def test_what_has_another_form_is_no_name(name):
    with pytest.raises(ValueError, match=r"name of a task must be one of .*'neurogym:<environment>'; got"):
        check_task_name(name)
