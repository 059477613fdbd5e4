from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
import torch
from scipy import stats

from graphcortex.kernels import complete_edge_index
from graphcortex.nn import GraphRNN, TaskClassifier
from graphcortex.tasks import GoNoGo, NeuroGym, PerceptualDecision, Task, get_task

neurogym = pytest.importorskip("neurogym", reason="NeuroGym is not installed: pip install 'graphcortex-rnn[neurogym]'")
from neurogym.core import TrialEnv  # noqa: E402
from neurogym.utils import spaces  # noqa: E402

CONTEXT = "ContextDecisionMaking-v0"
ANNUBES = {"session": {"v": 1, "a": 1}, "catch_prob": 0.5}

# One of each kind: a fixed length, drawn durations, a ring of answers, a generator of its own, layers, several inner environments.
ACCEPTED = {
    "PerceptualDecisionMaking-v0": {},
    CONTEXT: {},
    "AntiReach-v0": {},
    "AnnubesEnv-v0": ANNUBES,
    "perceptualdecisionmaking.ibl20-v0": {},
    "yang19.go-v0": {},
}

REFUSED = {
    "Bandit-v0": "no ground truth.*reinforcement",
    "DawTwoStep-v0": "shows nothing.*reinforcement",
    "EconomicDecisionMaking-v0": "no ground truth",
    "ReachingDelayResponse-v0": "no discrete answer.*Box",
    "Reaching1D-v0": "no discrete answer.*none of its 3 actions",
    "ReadySetGo-v0": r"no single answer.*\[0, 1\] within the period 'production'",
    "OneTwoThreeGo-v0": "at least two answers",
    "HierarchicalReasoning-v0": "does not follow from a seed",
    "AnnubesEnv-v0": "cannot be made.*session",
    "CartPole-v1": "must be an environment of NeuroGym with trials",
    "Nothing-v0": "must name an environment.*GoNogo-v0",
    "os:Nothing-v0": "must be the name of an environment",
}


class Counted(TrialEnv):
    """Show the number of the step, from 1 on, on the one channel; the trial's length and the answer are drawn."""

    def __init__(self, fixation=2, lengths=(1, 2, 3), uses="rng", actions=(1, 2), rest=0):
        super().__init__(dt=1)
        self.timing = {"fixation": fixation, "wait": ("choice", lengths), "decision": 2, "rest": rest}
        self.actions, self.uses = actions, uses
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(1,), dtype=np.float32)
        self.action_space = spaces.Discrete(9)

    def _new_trial(self, **_):
        self.add_period(list(self.timing))
        steps = self.end_ind["rest"]
        self.add_ob(np.arange(1, steps + 1)[:, None])
        drawn = self.rng if self.uses == "rng" else np.random.RandomState()
        answer = drawn.choice(self.actions)
        self.set_groundtruth(answer, "decision")
        return {"ground_truth": answer, "wait": self.end_ind["wait"] - self.start_ind["wait"], "word": "no number"}


def global_states() -> tuple:
    _, keys, place, *rest = np.random.get_state()  # noqa: NPY002
    return keys.tobytes(), place, rest, random.getstate(), torch.get_rng_state().tolist()


class Sometimes(TrialEnv):
    """Some trials have a second test, which is then the last period, and its answer another."""

    def __init__(self):
        super().__init__(dt=1)
        self.timing = {"test1": 2, "test2": 1}
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(1,), dtype=np.float32)
        self.action_space = spaces.Discrete(2)

    def _new_trial(self, **_):
        periods = list(self.timing)[: self.rng.choice([1, 2])]
        self.add_period(periods)
        self.add_ob(1)
        self.set_groundtruth(len(periods) - 1, periods[-1])
        return {}


neurogym.register("Sometimes-v0", entry_point=Sometimes)
neurogym.register("Counted-v0", entry_point=Counted)


@pytest.mark.parametrize("env_id", ACCEPTED)
def test_an_environment_keeps_the_protocol_of_a_task(env_id, device, dtype):
    task = NeuroGym(env_id, ACCEPTED[env_id])
    assert isinstance(task, Task)
    assert task.name == f"neurogym:{env_id}"
    assert task.chance == 1 / task.num_classes
    assert 0 < task.chance <= task.floor <= task.ceiling <= 1
    for count in (0, 1, 7):
        trials = task.sample(count, rng=0, device=device, dtype=dtype)
        assert trials.inputs.shape == (task.num_steps, count, task.input_size)
        assert trials.inputs.dtype == dtype
        assert trials.inputs.device.type == trials.targets.device.type == device.type
        assert sorted(trials.info) == sorted(task.info_names)
        assert all(values.shape == (count,) for values in trials.info.values())
        assert bool((trials.targets < task.num_classes).all())
        assert torch.isfinite(trials.inputs).all()


@pytest.mark.parametrize("env_id", ACCEPTED)
def test_a_seed_decides_the_trials_and_no_global_generator_is_touched(env_id):
    before = global_states()
    task = NeuroGym(env_id, ACCEPTED[env_id])
    first, again, other = (task.sample(64, rng=seed) for seed in (3, 3, 4))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.targets, other.targets)
    assert before == global_states()


def test_the_global_generator_does_not_change_the_trials():
    np.random.seed(1)  # noqa: NPY002
    first = NeuroGym(CONTEXT).sample(16, rng=0)
    np.random.seed(2)  # noqa: NPY002
    assert torch.equal(first.inputs, NeuroGym(CONTEXT).sample(16, rng=0).inputs)


def test_a_generator_goes_on():
    task, generator = NeuroGym("GoNogo-v0"), torch.Generator().manual_seed(3)
    first, second = task.sample(64, rng=generator), task.sample(64, rng=generator)
    assert torch.equal(first.targets, task.sample(64, rng=torch.Generator().manual_seed(3)).targets)
    assert not torch.equal(first.targets, second.targets)


def test_a_task_can_be_pickled_and_compared():
    task = NeuroGym("GoNogo-v0", {"dt": 50})
    again = pickle.loads(pickle.dumps(task))
    assert task == again != NeuroGym("GoNogo-v0")
    assert hash(task) == hash(again)
    assert torch.equal(task.sample(5, rng=1).inputs, again.sample(5, rng=1).inputs)


@pytest.mark.parametrize("env_id", REFUSED)
def test_refuses_what_has_no_single_discrete_answer_and_says_why(env_id):
    with pytest.raises(ValueError, match=REFUSED[env_id]):
        NeuroGym(env_id)


@pytest.mark.parametrize("fixation", [0, 2])
def test_the_shorter_trials_begin_later_and_all_end_with_the_decision(fixation):
    task = NeuroGym("Counted-v0", {"fixation": fixation, "rest": 4})
    assert task.num_steps == fixation + 3 + 2
    assert task.info_names == ("wait", "steps")
    trials = task.sample(50, rng=0, dtype=torch.float64)
    assert set(trials.info["wait"].tolist()) == {1, 2, 3}
    for b in range(50):
        steps = fixation + int(trials.info["wait"][b]) + 2
        assert trials.info["steps"][b] == steps
        held = 1.0 if fixation else 0.0
        before = [held] * (task.num_steps - steps)
        assert trials.inputs[:, b, 0].tolist() == before + list(range(1, steps + 1))


def test_targets_are_places_among_the_answers():
    options = {"actions": (7, 3, 7, 7)}
    task = NeuroGym("Counted-v0", options)
    assert task.answers == (3, 7)
    assert task.floor == pytest.approx(0.75, abs=5 * (0.75 * 0.25 / 2000) ** 0.5)
    targets = task.sample(200, rng=0).targets
    turned = NeuroGym("Counted-v0", options, answers=(7, 3, 8))
    assert (turned.num_classes, turned.chance) == (3, 1 / 3)
    assert torch.equal(turned.sample(200, rng=0).targets, 1 - targets)


def test_trials_that_are_too_long_are_drawn_again():
    task = NeuroGym("Counted-v0", num_steps=6)
    trials = task.sample(400, rng=0)
    assert trials.inputs.shape[0] == 6
    counts = [int((trials.info["wait"] == wait).sum()) for wait in (1, 2, 3)]
    assert counts[2] == 0
    assert stats.chisquare(counts[:2]).pvalue > 0.001


def test_more_steps_than_the_longest_trial_are_filled():
    trials = NeuroGym("Counted-v0", num_steps=20).sample(3, rng=0)
    assert bool((trials.inputs[:13] == 1).all())


def test_floor_and_ceiling_may_be_given():
    task = NeuroGym("GoNogo-v0", floor=0.5, ceiling=0.9)
    assert (task.floor, task.ceiling) == (0.5, 0.9)


BAD_ARGUMENTS = {
    "no such period": ({"period": "lunch"}, r"period must .*'lunch'.*decision \(2 steps\)"),
    "a period without steps": ({"period": "rest"}, r"period must .*got 'rest'"),
    "a period without an answer": ({"period": "fixation"}, "at least two answers"),
    "too few steps": ({"num_steps": 4}, "num_steps must .*up to 7 steps; got 4"),
    "no steps": ({"num_steps": 0}, "num_steps must .*got 0"),
    "an answer is missing": ({"answers": (1, 3)}, r"answers must .*\[1, 2\]; got \(1, 3\)"),
    "an answer twice": ({"answers": (1, 2, 2)}, "answers must .*got"),
    "floor": ({"floor": 1.5}, "floor must .*got 1.5"),
    "ceiling below floor": ({"floor": 0.7, "ceiling": 0.6}, "ceiling must .*got 0.6"),
    "no such option": ({"options": {"colour": 1}}, "cannot be made with options .*colour"),
    "a generator that no seed reaches": ({"options": {"uses": "its own"}}, "does not follow from a seed"),
    "one answer": ({"options": {"actions": (4,)}}, r"at least two answers, got \(4,\)"),
    "no action": ({"options": {"actions": (4, 11)}}, "ground truth 11 is none of its 9 actions"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(arguments, message):
    with pytest.raises(ValueError, match=message):
        NeuroGym("Counted-v0", **arguments)


def test_a_rare_answer_that_was_not_named_is_an_error_and_no_wrong_class():
    task = NeuroGym("Counted-v0", {"actions": (1, 2)})
    object.__setattr__(task, "options", {"actions": (1, 2, 5)})
    with pytest.raises(ValueError, match="answers must name every action"):
        task.sample(50, rng=0)


def test_durations_that_are_drawn_are_independent_of_each_other():
    """Of one seed, as NeuroGym seeds them, two durations of one law would be one and the same."""
    from neurogym.utils.ngym_random import TruncExp

    timing = {"stimulus": TruncExp(600, 0, 6000), "delay": TruncExp(600, 0, 6000)}
    before = timing["delay"].rng.get_state()[1].tolist()
    task = NeuroGym("PerceptualDecisionMaking-v0", {"timing": timing, "dt": 20, "sigma": 0.0, "cohs": [51.2]})
    trials = task.sample(400, rng=0, dtype=torch.float64)
    stimulus = (trials.inputs[:, :, 1] > 0).sum(0)
    delay = trials.info["steps"] - stimulus - 5 - 5
    assert abs(stats.spearmanr(stimulus, delay).statistic) < 0.2
    assert delay.min() >= 0
    assert timing["delay"].rng.get_state()[1].tolist() == before  # the caller's are not seeded


def test_the_environments_within_one_do_not_draw_the_same():
    """A wrapper that goes from one environment to another seeds all of them alike."""
    trials = NeuroGym("yang19.go-v0").sample(400, rng=0)
    second = trials.inputs[:, :, 17:].abs().sum((0, 2)) > trials.inputs[:, :, 1:17].abs().sum((0, 2))
    a, b = trials.targets[~second], trials.targets[second]
    count = min(len(a), len(b))
    assert count > 150
    assert float((a[:count] == b[:count]).double().mean()) < 0.2


def test_a_period_that_a_trial_lacks_is_not_left_over_from_another():
    task = NeuroGym("Sometimes-v0")
    trials = task.sample(40, rng=0)
    assert set(trials.info["steps"].tolist()) == {2, 3}
    assert torch.equal(trials.targets, (trials.info["steps"] == 3).long())


def test_a_network_learns_an_environment():
    options = {"timing": {"fixation": 100, "stimulus": 600, "decision": 100}, "cohs": [51.2]}
    task = NeuroGym("PerceptualDecisionMaking-v0", options)
    rnn = GraphRNN(task.input_size, complete_edge_index(16), 16)
    model = TaskClassifier(rnn, task.num_classes, rng=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    train, test = task.sample(256, rng=1), task.sample(400, rng=2)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(train.inputs), train.targets).backward()
        optimizer.step()
    accuracy = float((model(test.inputs).argmax(1) == test.targets).double().mean())
    assert accuracy > task.floor + 0.3


# The two tasks of the study that NeuroGym has as well, at the same durations, coherences and noise.
NUM_TRIALS = 3000


@pytest.fixture(scope="module")
def perceptual():
    native = PerceptualDecision()
    timing = {"fixation": 100, "stimulus": 3000, "delay": 1000, "decision": 100}
    theirs = NeuroGym("PerceptualDecisionMaking-v0", {"dt": 100, "sigma": 1.0, "timing": timing})
    return native, theirs, native.sample(NUM_TRIALS, rng=1), theirs.sample(NUM_TRIALS, rng=2)


def test_perceptual_decision_has_the_sizes_of_neurogyms(perceptual):
    native, theirs, *_ = perceptual
    assert theirs.input_size == native.input_size
    assert theirs.num_classes == native.num_classes
    # By design: theirs ends with a step of decision that shows nothing, the study's answers after the last step.
    assert theirs.num_steps == native.num_steps + 1


def test_perceptual_decision_shows_the_same_evidence_as_neurogyms(perceptual):
    *_, ours, theirs = perceptual
    a, b = (
        trials.inputs[1:31, torch.arange(NUM_TRIALS), 1 + trials.targets].double().flatten().numpy()
        for trials in (ours, theirs)
    )
    c, d = (
        trials.inputs[1:31, torch.arange(NUM_TRIALS), 2 - trials.targets].double().flatten().numpy()
        for trials in (ours, theirs)
    )
    for x, y in ((a, b), (c, d)):
        # A trial's coherence is shared by its steps, so whole trials are compared where a test assumes independence.
        trial_means = [values.reshape(30, -1).mean(0) for values in (x, y)]
        assert stats.ks_2samp(*trial_means).pvalue > 0.001
        assert stats.mannwhitneyu(*trial_means).pvalue > 0.001
        noise = [values.reshape(30, -1) - values.reshape(30, -1).mean(0) for values in (x, y)]
        assert stats.ks_2samp(*(n[0] for n in noise)).pvalue > 0.001
        assert noise[0].std() == pytest.approx(noise[1].std(), rel=0.01)
        lags = [(n[1:] * n[:-1]).mean() / n.var() for n in noise]
        assert lags[0] == pytest.approx(lags[1], abs=0.015)
    assert float(ours.inputs[31:, :, 1:].abs().sum()) == float(theirs.inputs[31:, :, 1:].abs().sum()) == 0
    assert float(ours.inputs[:1, :, 1:].abs().sum()) == float(theirs.inputs[:1, :, 1:].abs().sum()) == 0


def test_perceptual_decision_draws_coherences_and_answers_as_neurogym_does(perceptual):
    native, _, ours, theirs = perceptual
    tables = []
    for trials, name in ((ours, "coherence"), (theirs, "coh")):
        shown = trials.info[name].double().round(decimals=1)
        tables.append([int(((shown == c) & (trials.targets == t)).sum()) for c in native.coherences for t in (0, 1)])
    assert sum(tables[0]) == sum(tables[1]) == NUM_TRIALS
    assert stats.chi2_contingency(tables).pvalue > 0.001


def test_the_ideal_observer_is_right_as_often_in_both(perceptual):
    native, _, ours, theirs = perceptual
    right = []
    for trials in (ours, theirs):
        evidence = trials.inputs[:, :, 1:].sum(0)
        right.append(int((evidence.argmax(1) == trials.targets).sum()))
    for count in right:
        assert stats.binomtest(count, NUM_TRIALS, native.ceiling).pvalue > 0.001
    assert stats.fisher_exact([right, [NUM_TRIALS - count for count in right]]).pvalue > 0.001


def test_perceptual_decision_differs_in_the_fixation_channel_by_design(perceptual):
    *_, ours, theirs = perceptual
    assert bool((ours.inputs[:, :, 0] == 1).all())
    assert theirs.inputs[:, 0, 0].tolist() == [1.0] + [0.0] * 41


def test_go_nogo_shows_what_neurogyms_does_but_for_fixation_during_the_stimulus():
    native = GoNoGo()
    timing = {"fixation": 500, "stimulus": 2000, "delay": 1000, "decision": 500}
    theirs = NeuroGym("GoNogo-v0", {"dt": 100, "timing": timing})
    sizes = (theirs.num_steps, theirs.input_size, theirs.num_classes, theirs.chance, theirs.answers)
    assert sizes == (native.num_steps, native.input_size, native.num_classes, native.chance, (0, 1))
    a, b = native.sample(2000, rng=1), theirs.sample(2000, rng=2)
    for answer in (0, 1):
        shown, shown_there = (trials.inputs[:, trials.targets == answer] for trials in (a, b))
        assert bool((shown == shown[:, :1]).all() and (shown_there == shown_there[:, :1]).all())
        difference = shown_there[:, 0] - shown[:, 0]
        by_design = torch.zeros_like(difference)
        by_design[5:25, 0] = 1
        assert torch.equal(difference, by_design)
    counts = [trials.targets.bincount(minlength=2).tolist() for trials in (a, b)]
    assert stats.fisher_exact(counts).pvalue > 0.001


def test_one_is_found_by_its_name_and_kept():
    task = get_task(f"neurogym:{CONTEXT}")
    assert task is get_task(task.name)
    assert get_task(task.name, num_steps=20) == NeuroGym(CONTEXT, num_steps=20)
