"""The examples run as a user runs them, and what they assert can fail."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis.errors import NoSuchExample

from graphcortex.cli import run_example
from graphcortex.study import METRICS, Protocol, Study, StudyConfig
from graphcortex.tasks import TASKS
from tests.data._tiny_nwb import scan_name, write_scan
from tests.study._small import connectome

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = ["one_choice_inference", "go_nogo", "perceptual_decision"]
FIELDS = ["4_7_2", "5_3_2", "5_3_8", "6_6_2", "9_3_2"]


def example(name: str) -> ModuleType:
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))  # as for a script that is run
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_folder(out: Path, task: str, slugs: list[str], variants: list[str]) -> None:
    """Check that a study of one seed wrote all it should, whole."""
    runs = pd.read_csv(out / "runs.csv")
    assert runs["variant"].tolist() == variants
    assert set(runs["task"]) == {task}
    assert runs["accuracy"].between(0, 1).all()
    table = pd.read_csv(out / "table.csv")
    assert len(table) == len(variants) * len(METRICS)
    assert table.query("metric == 'accuracy'")["mean"].notna().all()
    for slug in slugs:
        with np.load(next(out.glob(f"weights/*/published/{task}/{slug}-free-seed0.npz"))) as arrays:
            assert np.isfinite(arrays["rnn.edge_weight"]).all()
            assert not np.array_equal(arrays["rnn.edge_weight"], arrays["initial_edge_weight"])
    figures = {path.name for path in out.glob(f"figures/*/published/{task}/free/*")}
    assert figures == {"learning-curves.png"} | {f"{slug}-{kind}.png" for slug in slugs for kind in ("space", "matrix")}


def test_there_is_one_example_per_task():
    assert sorted(NAMES) == sorted(TASKS)
    assert set(NAMES) <= {path.stem for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_may_be_imported_without_running(path, capsys):
    assert example(path.stem).__doc__
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_as_a_script_on_the_default(name, tmp_path):
    """Run away from the checkout, so that nothing is read from it and nothing is left in it."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--epochs", "1", "--seeds", "1", "--variants", "W"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{name}, free recurrence (chance" in done.stdout
    assert "1/1 runs, 0 failed" in done.stderr
    check_folder(tmp_path / "results" / name, name, ["W"], ["W"])


@pytest.mark.real_data
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", FIELDS)
def test_an_example_runs_on_a_real_field(name, field, microns_root, tmp_path, monkeypatch, capsys):
    """All that a user's command does, with fewer trials and nulls; and with both variants for one task, to save time."""
    variants = {"W*D*C": "WstarDstarC", "W*D*C*": "WstarDstarCstar"}
    if name != "go_nogo":
        del variants["W*D*C"]
    few = Protocol(num_train=128, num_test=64, num_nulls=5)
    monkeypatch.setattr(StudyConfig, "protocols", lambda self: {"published": replace(few, epochs=self.epochs)})
    module = example(name)
    arguments = ["--connectome", field, "--data-root", str(microns_root), "--variants", *variants, "--seeds", "1"]
    results = run_example(module.DEFAULT, module.__doc__, [*arguments, "--epochs", "1", "--out", str(tmp_path / "out")])
    module.check(results)
    check_folder(tmp_path / "out", name, list(variants.values()), list(variants))
    assert "W*D*C*" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_the_defaults_are_of_one_task_and_ten_epochs(name):
    module = example(name)
    assert replace(StudyConfig(), tasks=(name,), out=Path("results") / name) == module.DEFAULT
    assert name == module.TASK
    assert f"examples/{name}.py --help" in module.__doc__


# --- what they assert


def results(name: str, runs: dict[str, list[float]], **config) -> SimpleNamespace:
    """Return results of one task: accuracies of each variant."""
    rows = [
        {"variant": variant, "accuracy": accuracy, "test_accuracy": accuracy}
        for variant, accuracies in runs.items()
        for accuracy in accuracies
    ]
    seeds = len(next(iter(runs.values())))
    given = StudyConfig(**{"tasks": (name,), "variants": tuple(runs), "seeds": seeds, **config})
    study = Study({given.connectome[0]: connectome(12)}, given.variants, given.tasks, given.seeds, given.protocols())
    return SimpleNamespace(study=study, runs=pd.DataFrame(rows))


GOOD = {"W*D*C": [0.8, 0.85], "W": [0.5, 0.5]}


@pytest.mark.parametrize("name", NAMES)
def test_the_claims_hold_of_good_results(name):
    example(name).check(results(name, GOOD, connectome="6_6_2"))
    example(name).check(results(name, {"W": [0.1]}, epochs=1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("runs", "config"),
    {
        "a run is missing": (GOOD, {"seeds": 3}),
        "no accuracy": ({"W": [1.5]}, {}),
        "NaN": ({"W": [float("nan")]}, {}),
    }.values(),
    ids=["a run is missing", "no accuracy", "NaN"],
)
def test_the_claims_fail_of_results_that_are_none(name, runs, config):
    with pytest.raises(AssertionError):
        example(name).check(results(name, runs, **config))


def test_each_claim_can_fail():
    with pytest.raises(AssertionError, match="W"):
        example("go_nogo").check(results("go_nogo", {"W*D*C": [0.6], "W": [0.5]}, connectome="6_6_2"))
    example("go_nogo").check(results("go_nogo", {"W*D*C": [0.6], "W": [0.5]}))  # claimed of that field alone
    with pytest.raises(AssertionError, match="better than guess"):
        example("one_choice_inference").check(results("one_choice_inference", {"W*D*C": [0.3, 0.5]}))
    with pytest.raises(AssertionError):
        example("perceptual_decision").check(results("perceptual_decision", {"W": [0.95]}))


def recordings(*options: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(EXAMPLES / "recordings_to_coactivity.py"), *options]
    inherited = {name: value for name, value in os.environ.items() if name != "GRAPHCORTEX_DATA"}
    return subprocess.run(
        command, env={**inherited, "OMP_NUM_THREADS": "1", **environment}, capture_output=True, text=True, timeout=200
    )


def test_recordings_become_co_activity_of_a_synthetic_cortex_and_of_an_nwb_file(tmp_path):
    pytest.importorskip("h5py", reason="the extra [nwb] is not installed")
    path = write_scan(tmp_path / scan_name())
    text = said(recordings("--neurons", "30", "--population", "500", "--nwb", str(path)))
    assert "source': 'SyntheticCortex'" in text
    assert "sttc: 870 pairs, at most" in text
    assert "500 neurons: 500 pairs of 249,500" in text
    assert "spikes out of order: spike_times[0] must be strictly ascending" in text
    assert "Recording(4_7_1: 4 units" in text


@pytest.mark.real_data
def test_recordings_become_the_co_activity_of_a_real_field(microns_root, capsys):
    module = example("recordings_to_coactivity")
    module.main(module.Config(data_root=microns_root, population=300))
    text = capsys.readouterr().out
    assert "'field': '5_3_8'" in text
    assert "correlation: 1,722 pairs, at most" in text


def test_the_claims_of_recordings_can_fail():
    module = example("recordings_to_coactivity")
    cortex = module.SyntheticCortex(8, duration_s=100.0)
    graph, spikes = cortex[0], cortex.spike_times("synthetic_0")
    with pytest.raises(AssertionError, match="must come back"):
        module.all_pairs(graph, spikes[::-1], 100.0)
    with pytest.raises(AssertionError):
        module.along_synapses(graph, [spikes[0]] * 8, 100.0)


SMALL = ["--neurons", "400", "--degree", "20", "--steps", "4", "--test-trials", "50"]


def large(*options: str, ranks: int = 0, **environment: str) -> subprocess.CompletedProcess:
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks else []
    command = [sys.executable, *start, str(EXAMPLES / "large_sparse_rnn.py"), *SMALL, *options]
    inherited = {name: value for name, value in os.environ.items() if name != "GRAPHCORTEX_DATA"}
    return subprocess.run(
        command, env={**inherited, "OMP_NUM_THREADS": "1", **environment}, capture_output=True, text=True, timeout=200
    )


def said(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_large_network_trains_and_says_what_it_took():
    text = said(large())
    assert "400 neurons in a synthetic slab" in text
    assert "400 neurons, 7," in text
    assert "billion synaptic events a second" in text
    assert "test accuracy 0." in text


def test_the_large_network_stands_at_positions_of_a_table(tmp_path):
    pos = np.random.default_rng(0).uniform(0, 1e6, (500, 3))
    table = pd.DataFrame(pos, columns=["x_nm", "y_nm", "z_nm"])
    table.to_csv(tmp_path / "nuclei.csv", index=False)
    assert "400 of 500 neurons of nuclei.csv" in said(large("--positions", str(tmp_path / "nuclei.csv")))
    table.iloc[:300].to_csv(tmp_path / "few.csv", index=False)
    done = large("--positions", str(tmp_path / "few.csv"))
    assert done.returncode != 0
    assert "expected at least 400 positions, got 300" in done.stderr


@pytest.mark.parametrize("parallel", ["neurons", "data"])
def test_the_large_network_trains_on_two_ranks_as_on_one(parallel):
    alone, spread = said(large()), said(large("--parallel", parallel, ranks=2))
    results = [[line for line in text.splitlines() if line.startswith("test accuracy")] for text in (alone, spread)]
    assert results[0] == results[1]
    assert len(results[0]) == 1


def test_several_processes_are_asked_for_where_there_is_one():
    done = large("--parallel", "data")
    assert done.returncode != 0
    assert "torchrun --standalone" in done.stderr


def test_a_target_that_is_missed_fails():
    assert large("--target", "0.99").returncode != 0


def test_the_large_network_pays_for_communicability():
    assert "test accuracy" in said(large("--communicability", "0.01"))
    done = large("--communicability", "0.01", "--parallel", "neurons", ranks=2)
    assert done.returncode != 0
    assert "choose --parallel data or none" in done.stderr


def own(tmp_path, *options: str, data: Path | None = None) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "GRAPHCORTEX_DATA"}
    command = [sys.executable, str(EXAMPLES / "bring_your_own_connectome.py"), *options]
    if data is not None:
        command += ["--data", str(data)]
    return subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def test_a_connectome_of_ones_own_needs_no_data(tmp_path):
    done = own(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Connectome of 3 neurons, 3 connected pairs, 4 synapses")
    assert "1 connectomes, written to results/tables: tiny" in done.stdout
    written = {path.name for path in (tmp_path / "results" / "tables" / "tiny").iterdir()}
    assert written == {"tables", "connectome.npz", "connectome.graphml", "connectome.png"}
    again = own(tmp_path)
    assert again.returncode != 0
    assert "expected a folder that is not there yet" in again.stderr


@pytest.mark.real_data
def test_a_connectome_of_ones_own_may_be_a_published_one(tmp_path, microns_root):
    done = own(tmp_path, "--out", "mine", data=microns_root.parent)
    assert done.returncode == 0, done.stderr
    there = [name for name in example("bring_your_own_connectome").PUBLISHED if (microns_root.parent / name).is_dir()]
    assert f"{1 + len(there)} connectomes" in done.stdout
    assert {path.name for path in (tmp_path / "mine").iterdir() if path.is_dir()} == {"tiny", *there}


def test_a_metric_of_ones_own_is_tested_and_mistakes_are_shown(tmp_path):
    command = [sys.executable, str(EXAMPLES / "property_test_your_metric.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    text = said(
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False)
    )
    assert "reciprocity and wire_per_synapse obey their laws" in text
    for name in ("overwriting depends on how often", "guarded depends on the unit", "unguarded is not a number"):
        assert name in text
    assert (
        text.count("graph = Edges(edge_index=torch.tensor(") + text.count("graph = Edges(edge_index=torch.zeros(") == 3
    )


def test_each_claim_of_the_tested_metric_can_fail(monkeypatch):
    module = example("property_test_your_metric")
    monkeypatch.setattr(module, "reciprocity", module.overwriting)
    with pytest.raises(AssertionError, match="overwriting depends on how often an edge is listed"):
        module.test_reciprocity()
    monkeypatch.setattr(module, "complaint", lambda metric, graph: "")
    with pytest.raises(NoSuchExample):
        module.smallest_counterexample(module.guarded)


def analyse(tmp_path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(EXAMPLES / "analyse_learned_graph.py"), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def test_a_learned_graph_is_analysed_from_training_to_figures(tmp_path):
    """All of it, with what it claims; with fewer random graphs, to save time."""
    text = said(analyse(tmp_path, "--nulls", "20"))
    assert "test accuracy 1.000" in text
    for name in ("share_nonzero", "small worldness (sigma)", "initial overlap (Jaccard)", "z of before"):
        assert name in text
    names = ("evolution", "spectrum", "degree", "length", "rich-club", "matrix", "space")
    assert {path.name for path in (tmp_path / "results" / "analysis").iterdir()} == {f"{name}.png" for name in names}


def test_each_claim_of_the_analysis_can_fail():
    check = example("analyse_learned_graph").check
    good = {
        "accuracy": 1.0,
        "table": pd.DataFrame({"share_nonzero": [1.0, 0.2]}),
        "found": {
            "modularity": SimpleNamespace(z=20),
            "small_worldness": SimpleNamespace(z=8),
            "wiring_length": SimpleNamespace(p_value=0.001),
        },
        "both": pd.DataFrame(
            {"before": [390.0, 0.2], "after": [260.0, 0.3], "z of before": [2.0, 1.0]},
            index=["wiring_length", "modularity"],
        ),
    }
    check(**good)
    for bad in (
        {"accuracy": 0.5},
        {"table": good["table"] * 2},
        {"found": good["found"] | {"modularity": SimpleNamespace(z=1)}},
        {"found": good["found"] | {"small_worldness": SimpleNamespace(z=0)}},
        {"found": good["found"] | {"wiring_length": SimpleNamespace(p_value=0.5)}},
        {"both": good["both"].assign(after=390.0)},
        {"both": good["both"].assign(**{"z of before": 9.0})},
    ):
        with pytest.raises(AssertionError):
            check(**good | bad)


CAVE_MISSING = importlib.util.find_spec("caveclient") is None


def from_cave(*options: str, **environment: str) -> subprocess.CompletedProcess:
    if CAVE_MISSING:
        pytest.skip("caveclient is not installed: pip install 'graphcortex-rnn[cave]'")
    inherited = {name: value for name, value in os.environ.items() if name != "GRAPHCORTEX_DATA"}
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "microns_from_cave.py"), *options],
        env={**inherited, "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_a_connectome_comes_from_a_cave_of_this_machine(tmp_path):
    text = said(from_cave("--root", str(tmp_path), GRAPHCORTEX_DATA=str(tmp_path), HOME=str(tmp_path)))
    assert "a made-up cortex" in text
    assert "synapses of minnie65_public version 117" in text
    assert list(tmp_path.glob("minnie65_public/v117/synapses_pni_2-*.split")), "no answer was cut off"


@pytest.mark.real_data
def test_a_connectome_of_real_wiring_comes_from_a_cave_of_this_machine(microns_root):
    text = said(from_cave(GRAPHCORTEX_DATA=str(microns_root.parent)))
    assert "real wiring" in text
    assert "median distance of joined neurons" in text


def test_the_claims_about_cave_can_fail():
    from graphcortex.data import Connectome

    def made(pos, edges, roots):
        count = np.ones(len(edges[0]), dtype=int)
        return Connectome.from_arrays(np.array(pos), np.array(edges), count, root_id=roots, provenance={"version": 1})

    check = example("microns_from_cave").check
    good = made([[0.0, 0, 0], [9.0, 0, 0]], [[0], [1]], [5, 6])
    check(good, good)
    for other in (
        made([[0.0, 0, 0], [9.0, 0, 0]], [[1], [0]], [5, 6]),
        made([[0.0, 0, 0], [9.0, 0, 0]], [[0], [0]], [5, 6]),
    ):
        with pytest.raises(AssertionError):
            check(good, other)
    far = made([[0.0, 0, 0], [9000.0, 0, 0]], [[0], [1]], [5, 6])
    loop = made([[0.0, 0, 0], [9.0, 0, 0]], [[0], [0]], [5, 6])
    unnamed = made([[0.0, 0, 0], [9.0, 0, 0]], [[0], [1]], [0, 0])
    for wrong in (far, loop, unnamed):
        with pytest.raises(AssertionError):
            check(wrong, wrong)


# --- the study of one large network


def test_the_study_of_a_large_network_goes_on_where_it_was_stopped(tmp_path, capsys):
    module = example("scale_study")
    small = module.Config(
        variants=("W*D*C", "WD*"), tasks=("go_nogo",), seeds=1, strengths=(0.001, 0.01), steps=3, neurons=60, degree=8,
        recording_s=60.0, test_trials=50, out=tmp_path / "scale.csv",
    )  # fmt: skip
    whole = module.main(small)
    assert whole["seed"].tolist() == [100] * 4 + [0] * 2
    # The strength of the test is the best of the tuning, of equals the greatest.
    for row in whole[whole["seed"] == 0].itertuples():
        tried = whole.query("seed == 100 and variant == @row.variant").set_index("protocol")["validation_accuracy"]
        assert row.protocol == tried.index[::-1][np.argmax(tried.to_numpy()[::-1])]
    table = small.out.read_text()
    whole.iloc[:3].to_csv(small.out, index=False, float_format="%.6g")
    again = module.main(small)
    names = ["seconds"]
    pd.testing.assert_frame_equal(again.drop(columns=names), pd.read_csv(small.out).drop(columns=names), rtol=1e-5)
    first = pd.DataFrame([line.split(",")[:-1] for line in table.splitlines()])
    second = pd.DataFrame([line.split(",")[:-1] for line in small.out.read_text().splitlines()])
    assert first.equals(second)


@pytest.mark.parametrize(
    "start", ["W", "W*", "W*[shuffled]", "W*[diagonal]", "W*[no-diagonal]", "W[diagonal]", "W[positive]"]
)
def test_starts_of_a_large_network_are_what_their_names_say(start):
    module = example("scale_study")
    cortex = module.draw_cortex(module.Config(neurons=80, degree=10, recording_s=60.0), seed=0)
    weight = module.initial_weights(cortex, start)
    star = module.initial_weights(cortex, "W*")
    W = torch.zeros(80, 80).index_put(tuple(cortex.edge_index), weight)
    radius = torch.linalg.eigvals(W).abs().max().item()
    if start not in ("W", "W*[shuffled]", "W*[diagonal]"):
        assert radius == pytest.approx(0.95, rel=1e-3)
    assert bool((weight < 0).any()) == (start == "W")
    assert star[cortex.is_self].mean() > 10 * star[~cortex.is_self].mean()  # as in the fields
    if start.startswith("W*") and start != "W*[no-diagonal]":
        assert torch.equal(weight[cortex.is_self], star[cortex.is_self])
    if start == "W*[shuffled]":
        assert torch.equal(weight.sort().values, star.sort().values)
        assert not torch.equal(weight, star)
    if "diagonal" in start:
        assert bool((weight[cortex.is_self if "no-" in start else ~cortex.is_self] == 0).all())


def test_a_large_network_cannot_pay_for_what_is_not_known():
    module = example("scale_study")
    cortex = module.draw_cortex(module.Config(neurons=30, degree=4), seed=0)
    with pytest.raises(SystemExit, match="must pay for what --help lists, got 'WD'"):
        module.build_penalty(cortex, module.Variant.parse("WD"), 0.1)
    with pytest.raises(SystemExit, match=r"must start from one of .*got 'W!'"):
        module.initial_weights(cortex, "W!")
