from __future__ import annotations

import math
import os
from statistics import mean, stdev

import numpy as np
import pandas as pd
import pytest

from graphcortex.study import PUBLISHED_VARIANTS, read_paper_layout, summarize, write_paper_layout
from graphcortex.study.paper_layout import PaperLayoutError
from tests.study._small import SmallConfig
from tests.study.test_store import snapshot

METRICS = [
    "Accuracy", "Loss", "Validation_Accuracy", "Validation_Loss", "Modularity", "SmallWorldness", "Assortativity", "Entropy",
]  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    config = SmallConfig(
        tasks=("perceptual_decision", "one_choice_inference"), connectome="6_6_2", variants=("W", "W*D*C", "WD*[shuffled]"),
        recurrence=("free", "nonnegative"), seeds=2, epochs=1, out=tmp_path_factory.mktemp("study") / "out",
    )  # fmt: skip
    return config.study().run(config.out, progress=False)


def notebook(root, simulations: int = 3):
    """Write a folder line by line as the notebook's last cells do."""
    folder, rng = root / "6_6_2_sttc-precision_sign+", np.random.default_rng(0)
    os.makedirs(folder)
    (folder / "config.txt").write_text("session = 6\n")
    names, raw = [str(variant) for variant in PUBLISHED_VARIANTS], {}
    for task in ("Task1", "Task2"):
        os.makedirs(folder / task)
        for metric in METRICS:
            data = {key: [float(x) for x in rng.random(simulations)] for key in names}
            if metric == "Loss":
                data["W"][1] = float("nan")
            raw[task, metric] = data
            table = pd.DataFrame(data)
            table.index.name = "simulation"
            table.to_csv(folder / task / f"{metric}_raw.csv", index=True)
    return folder, raw


def test_what_the_notebook_wrote_is_read(tmp_path):
    folder, raw = notebook(tmp_path)
    runs = read_paper_layout(folder)
    assert len(runs) == 2 * 11 * 3
    assert set(runs["task"]) == {"one_choice_inference", "go_nogo"}
    for name, value in {
        "connectome": "6_6_2", "protocol": "published", "recurrence": "nonnegative", "functional": "precision-sttc",
    }.items():  # fmt: skip
        assert set(runs[name]) == {value}
    row = runs.query("task == 'go_nogo' and variant == 'W!D*C' and seed == 2").iloc[0]
    assert row["accuracy"] == row["train_accuracy"] == raw["Task2", "Accuracy"]["W!D*C"][2]
    assert row["test_accuracy"] == raw["Task2", "Validation_Accuracy"]["W!D*C"][2]
    assert row["small_worldness"] == raw["Task2", "SmallWorldness"]["W!D*C"][2]
    diverged = runs[runs["diverged_epoch"].notna()]
    assert diverged[["variant", "seed"]].to_numpy().tolist() == [["W", 1]] * 2
    table = summarize(runs, compare_with_paper=True)
    cell = table.query("task == 'go_nogo' and variant == 'WD' and metric == 'entropy'").iloc[0]
    assert cell["mean"] == pytest.approx(mean(raw["Task2", "Entropy"]["WD"]))


def test_the_runs_of_a_study_come_back(results, tmp_path):
    free, positive = write_paper_layout(results, tmp_path)
    assert [free.name, positive.name] == ["6_6_2_sttc-corr", "6_6_2_sttc-corr_sign+"]
    both = pd.concat([read_paper_layout(free), read_paper_layout(positive)])
    names = ["recurrence", "task", "variant", "seed"]
    shared = [*names, "accuracy", "modularity", "small_worldness", "assortativity", "entropy"]
    pd.testing.assert_frame_equal(
        both[shared].sort_values(names, ignore_index=True),
        results.runs[shared].sort_values(names, ignore_index=True),
        check_exact=True,
    )


def test_the_folder_is_as_the_notebook_writes_it(results, tmp_path):
    free, _ = write_paper_layout(results, tmp_path)
    files = [f"Task{task}/{metric}_raw.csv" for task in (1, 3) for metric in METRICS]
    assert sorted(snapshot(free)) == sorted([*files, "config.txt", "metrics.csv", "metrics_SD.csv"])
    lines = (free / "Task3" / "Loss_raw.csv").read_text().splitlines()
    assert lines[0] == "simulation,W*D*C,W,WD*[shuffled]"
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "1"]
    config = dict(line.split(" = ") for line in (free / "config.txt").read_text().splitlines())
    assert (config["session"], config["number_of_nodes"], config["network_grid"]) == ("6", "12", "(2, 3, 2)")
    assert (config["sign_constraint"], config["noise_level"], config["regu_strength"]) == ("False", "0.05", "0.3")
    assert list(config) == [
        "session", "scan", "field", "simulations", "number_of_nodes", "network_grid", "sign_constraint", "use_only_sttc",
        "use_precison_matrix", "noise_level", "regu_strength", "emd_strength", "activation_function",
        "random_network_initialization",
    ]  # fmt: skip
    for file, suffix, number in (("metrics", "", mean), ("metrics_SD", "_SD", stdev)):
        table = pd.read_csv(free / f"{file}.csv", float_precision="round_trip")
        assert list(table) == ["Task", "Metric", "W*D*C", "W", "WD*[shuffled]"]
        assert table["Metric"].tolist() == [metric + suffix for metric in METRICS] * 2
        raw = pd.read_csv(free / "Task1" / "Accuracy_raw.csv", float_precision="round_trip")
        assert table["W"][0] == pytest.approx(number(raw["W"]), rel=1e-12)


def test_missing_runs_are_empty_cells_and_no_runs(tmp_path):
    config = SmallConfig(
        tasks=("go_nogo",), variants=("W", "WD"), seeds=2, epochs=1, functional="sttc", out=tmp_path / "o"
    )
    results = config.study().run(config.out, progress=False)
    results.store.path(results.keys[0]).unlink()
    (folder,) = write_paper_layout(results, tmp_path)
    assert folder.name == "synthetic_sttc"
    assert "session = None\n" in (folder / "config.txt").read_text()
    runs = read_paper_layout(folder)
    assert runs[["variant", "seed"]].to_numpy().tolist() == [["WD", 0], ["WD", 1], ["W", 1]]
    table = pd.read_csv(folder / "metrics.csv")
    assert (math.isnan(table["W"][0]), math.isnan(table["WD"][0])) == (True, False)


def test_nothing_is_overwritten_or_half_written(results, tmp_path, monkeypatch):
    write_paper_layout(results, tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(PaperLayoutError, match=r"6_6_2_sttc-corr is there already"):
        write_paper_layout(results, tmp_path)
    assert snapshot(tmp_path) == before
    real, calls = os.replace, []

    def crash(source, target):
        calls.append(source)
        if len(calls) == 5:
            raise OSError("full")
        real(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="full"):
        write_paper_layout(results, tmp_path / "other")
    assert snapshot(tmp_path / "other") == {}


def test_what_has_no_place_is_refused(results, tmp_path):
    with pytest.raises(ValueError, match="protocol must be one of 'published'; got 'corrected'"):
        write_paper_layout(results, tmp_path, protocol="corrected")


BAD = {
    "a table is missing": lambda folder: (folder / "Task1" / "Loss_raw.csv").unlink(),
    "a table of something else": lambda folder: (folder / "Task1" / "Loss_raw.csv").write_text("a,b\n1,2\n"),
    "a column of no variant": lambda folder: (folder / "Task1" / "Loss_raw.csv").write_text("simulation,WC\n0,2\n"),
    "words": lambda folder: (folder / "Task1" / "Loss_raw.csv").write_text("simulation,W\n0,high\n"),
    "fewer simulations": lambda folder: (folder / "Task1" / "Loss_raw.csv").write_text("simulation,W\n0,2\n"),
}


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_a_spoilt_table_is_named(tmp_path, spoil):
    folder, _ = notebook(tmp_path)
    spoil(folder)
    with pytest.raises(PaperLayoutError, match="Task1"):
        read_paper_layout(folder)


def test_a_folder_of_something_else_is_named(tmp_path):
    for name, message in {"none_sttc-corr": "folder must be one like", "6_6_2": "folder must be one like"}.items():
        with pytest.raises(PaperLayoutError, match=message):
            read_paper_layout(tmp_path / name)
    (tmp_path / "6_6_2_sttc").mkdir()
    with pytest.raises(PaperLayoutError, match="must hold Task1, Task2, Task3 or some of them"):
        read_paper_layout(tmp_path / "6_6_2_sttc")
