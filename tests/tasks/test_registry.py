from __future__ import annotations

import pytest

from graphcortex.tasks import TASKS, GoNoGo, OneChoiceInference, PerceptualDecision, get_task


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
    with pytest.raises(ValueError, match=r"'one_choice_inference', 'go_nogo', 'perceptual_decision'; got 'nback'"):
        get_task("nback")
