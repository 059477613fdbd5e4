"""All runs of a folder, the name of one run, and the trained network that gives the numbers of the table."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch

from graphcortex.nn import GraphRNN
from graphcortex.study import (
    Ensembles,
    InProcess,
    Processes,
    Protocol,
    RunKey,
    StoreError,
    Study,
    StudyResults,
    evaluate,
    load_results,
    load_study,
    write_paper_layout,
)
from graphcortex.tasks import get_task
from tests.study._small import SHORT, connectome
from tests.study.test_run import Mirrored

VALIDATED = replace(
    Protocol.corrected(), num_train=64, num_validation=48, num_test=32, batch_size=16, epochs=3, num_nulls=5
)


def study(**changed) -> Study:
    given = {"connectomes": {"tiny": connectome(12)}, "variants": ("WD", "W*D*C"), "tasks": ("go_nogo",), "seeds": 2}
    return Study(**{**given, "protocols": {"published": SHORT}, **changed})


def accuracies(results: StudyResults, key: RunKey) -> list[float]:
    """Return what the network of a run gets right of its validation and of its test trials."""
    network = results.network(key)
    return [evaluate(network, results.trials(key, split))[1] for split in ("validation", "test")]


# --- all runs of a folder


def test_results_of_a_folder_are_those_of_all_calls(tmp_path):
    """Each call differs from the others in everything that a key has; the last one names none of the first."""
    calls = [
        study(),
        study(variants=("W",), seeds=(7,), recurrence=("nonnegative",)),
        study(
            connectomes={"other": connectome(10, seed=1)}, tasks=("perceptual_decision",), seeds=1,
            protocols={"corrected": VALIDATED},
        ),
    ]  # fmt: skip
    for one in calls:
        last = one.run(tmp_path, progress=False)
        assert last.keys == one.keys(), "a call returns what it was asked for"
    results = load_results(tmp_path)
    expected = [*calls[2].keys(), *calls[0].keys(), *calls[1].keys()]
    assert set(results.keys) == set(expected)
    assert len(results.keys) == len(results.runs) == len(expected)
    assert results.keys[:2] == calls[2].keys(), "those of the last call come first"
    assert results.missing == []
    written = pd.read_csv(tmp_path / "runs.csv", float_precision="round_trip")
    names = ["connectome", "protocol", "recurrence", "task", "variant", "seed"]
    pd.testing.assert_frame_equal(
        results.runs.sort_values(names, ignore_index=True), written.sort_values(names, ignore_index=True), check_dtype=False
    )  # fmt: skip
    assert len(results.history()) == sum(results.runs["epochs"])
    for key in results.keys:
        assert results.learned_graph(key).num_nodes == (10 if key.connectome == "other" else 12)
        assert accuracies(results, key)[1] == results.store.load(key).accuracies["test"]
    assert results.connectome_of(calls[0].keys()[0]).num_neurons == 12
    (folder,) = write_paper_layout(results, tmp_path / "paper", protocol="corrected")
    assert folder.name.startswith("other")
    assert set(last.of_folder().keys) == set(expected)


def test_runs_that_failed_in_an_earlier_call_are_listed(tmp_path):
    class Broken(Mirrored):
        def sample(self, *arguments, **options):
            raise ArithmeticError("too much")

    study(tasks={"broken": Broken()}, seeds=1).run(tmp_path, progress=False)
    study().run(tmp_path, progress=False)
    results = load_results(tmp_path)
    assert [failure.key.task for failure in results.failures] == ["broken"] * 2
    assert set(results.runs["task"]) == {"go_nogo"}


# --- the name of one run


NAMES = {
    "its key": (lambda key: key, {}),
    "its name": (str, {}),
    "its slug": (lambda key: key.slug, {}),
    "its variant and its seed": (lambda key: str(key.variant), {"seed": 1}),
    "a variant that is parsed": (lambda key: key.variant, {"seed": 1}),
    "fields alone": (lambda key: None, {"variant": "W*D*C", "seed": 1}),
}


@pytest.mark.parametrize(("name", "where"), NAMES.values(), ids=NAMES)
def test_a_run_may_be_named_in_every_way(results, name, where):
    key = RunKey("go_nogo", "W*D*C", seed=1, connectome="tiny")
    assert results.find(name(key), **where) == key
    graph = results.learned_graph(name(key), **where)
    assert torch.equal(graph.edge_weight, results.store.load(key).weights["rnn.edge_weight"])
    assert torch.equal(results.network(name(key), **where).rnn.edge_weight, graph.edge_weight)
    assert results.summary(name(key), **where, only=["reciprocity"]).to_dataframe().shape[0] >= 1


REFUSED = {
    "a variant of several runs": (("W*D*C",), {}, ValueError, r"got 'W\*D\*C', which 2 runs fit. Choose one by seed: 0, 1\."),
    "nothing": ((), {}, ValueError, r"got nothing, which 4 runs fit. Choose one by variant: WD, W\*D\*C; seed: 0, 1\."),
    "a variant that was not run": (("W!D",), {}, StoreError, r"got 'W!D'\. Finished runs have .*variant: WD, W\*D\*C"),
    "another name": (("the best",), {}, StoreError, r"got 'the best'\. Finished runs have"),
    "a seed that was not run": (("WD",), {"seed": 9}, StoreError, r"got 'WD', seed=9\. Finished runs have .*seed: 0, 1\."),
    "a key that was not run": ((RunKey("go_nogo", "W"),), {}, StoreError, r"go_nogo W free seed 0 is not in .*Finished runs have"),
    "an unknown field": (("WD",), {"epoch": 3}, ValueError, r"a field of a run must be one of 'connectome'.*; got 'epoch'"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "where", "error", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("method", ["network", "learned_graph", "task_of"])
def test_what_names_no_run_or_several_is_refused(results, method, arguments, where, error, message):
    with pytest.raises(error, match=message):
        getattr(results, method)(*arguments, **where)


def test_a_history_of_an_unknown_field_is_refused(results):
    with pytest.raises(ValueError, match=r"a field of a run must be one of .*; got 'sead'"):
        results.history(sead=0)
    assert set(results.history(variant="W*D*C", seed=1)["seed"]) == {1}


def test_a_folder_without_runs_says_so(tmp_path):
    class Stopped:
        def run(self, runner, keys, *, progress):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study().run(tmp_path, engine=Stopped(), progress=False)
    with pytest.raises(StoreError, match=r"got 'WD'\. No run is finished\."):
        load_results(tmp_path).network("WD")


def test_a_network_whose_weights_were_not_kept_is_refused(tmp_path):
    results = study(seeds=1).run(tmp_path, keep_weights=False, progress=False)
    with pytest.raises(StoreError, match="was not kept; run the study with keep_weights"):
        results.network("WD")


# --- the trained network


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> StudyResults:
    return study().run(tmp_path_factory.mktemp("study"), progress=False)


KINDS = {
    "all pairs, published": {"protocols": {"published": SHORT}},
    "all pairs, with validation trials": {"protocols": {"corrected": VALIDATED}},
    "synapses": {"variants": ("WD+sparse", "W*D*C+sparse"), "protocols": {"corrected": VALIDATED}},
    "synapses that are rewired": {"variants": ("WD+sparse@degree",), "connectomes": {"tiny": connectome(14, seed=3)}},
    "edges that move": {
        "variants": ("WD+sparse",),
        "protocols": {"corrected": replace(VALIDATED, plasticity="set", plasticity_share=0.3)},
    },
    "edges that move, the last epoch": {
        "variants": ("WD+sparse",),
        "protocols": {"published": replace(SHORT, plasticity="deep-r", epochs=3)},
    },
    "weights at or above 0": {"recurrence": ("nonnegative",), "protocols": {"corrected": VALIDATED}},
    "noise on the inputs": {"protocols": {"corrected": replace(VALIDATED, input_noise=1.0)}},
    "half precision in training": {"protocols": {"corrected": replace(VALIDATED, autocast="bfloat16")}},
    "a run that diverged": {"protocols": {"published": replace(SHORT, learning_rate=1e30)}, "variants": ("W",)},
    "a task of several answers": {"tasks": ("one_choice_inference",), "protocols": {"corrected": VALIDATED}},
    "a task of the user's": {"tasks": {"mine": Mirrored()}, "protocols": {"corrected": VALIDATED}},
}
ENGINES = {"one by one": InProcess(), "side by side": Ensembles(always=True), "processes": Processes(2)}


@pytest.mark.parametrize("engine", ["one by one", "side by side"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_network_gives_the_accuracies_of_its_run(tmp_path, kind, engine):
    given = study(**kind)
    given.run(tmp_path, engine=ENGINES[engine], progress=False)
    results = load_results(tmp_path, tasks=given.own_tasks)
    assert results.keys == given.keys()
    for row, key in zip(results.runs.to_dict("records"), results.keys, strict=True):
        assert accuracies(results, key) == [row["validation_accuracy"], row["test_accuracy"]]
        if results.protocol_of(key).reported_accuracy == "test":
            assert row["accuracy"] == row["test_accuracy"]


def test_a_network_of_another_process_gives_its_accuracies(tmp_path):
    results = study(seeds=1).run(tmp_path, engine=ENGINES["processes"], progress=False)
    for row, key in zip(results.runs.to_dict("records"), results.keys, strict=True):
        assert accuracies(results, key)[1] == row["test_accuracy"]


def test_a_network_is_ready_to_run(results):
    network = results.network("WD", seed=0)
    assert isinstance(network.rnn, GraphRNN)
    assert not network.training
    assert network.rnn.nonlinearity == "relu"
    trials = results.trials("WD", seed=0)
    assert len(trials) == SHORT.num_test
    assert torch.equal(network(trials.inputs), network(trials.inputs)), "no noise"
    saved = results.store.load(results.find("WD", seed=0)).weights
    assert set(dict(network.named_parameters())) <= set(saved)
    for name, value in network.named_parameters():
        assert torch.equal(value, saved[name]), name


def test_trials_are_those_of_the_run(results):
    key = results.find("WD", seed=0)
    assert len(results.trials(key, "train")) == SHORT.num_train
    assert torch.equal(results.trials(key, "validation").inputs, results.trials(key, "test").inputs), "as published"
    with pytest.raises(ValueError, match=r"split must be one of 'train', 'validation', 'test'; got 'dev'"):
        results.trials(key, "dev")


# --- tasks of one's own


def test_results_of_a_task_of_ones_own_are_read_without_it(tmp_path):
    given = study(tasks={"mine": Mirrored()}, seeds=1)
    made = given.run(tmp_path, progress=False)
    results = load_results(tmp_path)
    pd.testing.assert_frame_equal(results.runs, made.runs)
    assert torch.equal(results.network("WD").rnn.edge_weight, made.network("WD").rnn.edge_weight)
    assert results.levels("mine") == {}
    with pytest.raises(StoreError, match=r"the task mine of .* is an object of its user's.*tasks=\{'mine': TASK\}"):
        results.trials("WD")
    assert load_results(tmp_path, tasks={"mine": Mirrored()}).levels("mine") == made.levels("mine") != {}
    with pytest.raises(StoreError, match=r"load_study\(folder, tasks=\{NAME: TASK\}\)"):
        load_study(tmp_path)
    assert load_study(tmp_path, tasks={"mine": Mirrored()}).settings() == given.settings()


def test_levels_are_those_of_the_task(results):
    task = get_task("perceptual_decision")
    assert results.levels("perceptual_decision") == {
        name: getattr(task, name) for name in ("chance", "floor", "ceiling")
    }
    assert results.levels("neurogym:NoSuchTask-v0") == {}
