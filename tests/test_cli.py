from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch

import graphcortex
from graphcortex import cli
from graphcortex.cli import _told
from graphcortex.cli import fetch as fetch_module
from graphcortex.cli import run as run_module
from graphcortex.data import SyntheticCortex, to_tables
from graphcortex.data import fields as fields_module
from graphcortex.data._download import released_files
from graphcortex.study import StudyConfig, StudyResults
from graphcortex.study.engines import runner
from tests.data._tiny_field import tiny_arrays, write_field
from tests.study._small import SHORT, connectome
from tests.study.test_store import snapshot

OPTIONS = [
    "--tasks", "--connectome", "--data-root", "--variants", "--seeds", "--protocol", "--epochs", "--change", "--recurrence",
    "--functional", "--device", "--threads", "--workers", "--scheduler", "--out", "--overwrite", "--keep-weights", "--log",
    "--checkpoint-every",
]  # fmt: skip


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Let the default field be a small connectome, under a short protocol; return the arguments of a short study."""
    monkeypatch.setattr(
        StudyConfig, "load_connectomes", lambda self: {name: connectome(12) for name in self.connectome}
    )
    monkeypatch.setattr(
        StudyConfig,
        "protocols",
        lambda self: dict.fromkeys(self.protocol, replace(SHORT, epochs=self.epochs, functional=self.functional)),
    )
    return ["--tasks", "go_nogo", "--variants", "W", "--seeds", "1", "--epochs", "1", "--out", str(tmp_path / "out")]


def told(capsys, code: int) -> str:
    """Return the one line of an error, after checking that it is one, and that nothing else was said."""
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("graphcortex: error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def refused(capsys, *arguments: str) -> str:
    """Return what is said of an option that cannot be read, on one line, without the frame around it."""
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return " ".join(captured.err.replace("│", " ").split())


# --- help


@pytest.mark.parametrize(
    ("command", "mentioned"),
    {
        "": [
            "run",
            "study",
            "resume",
            "report",
            "export",
            "metrics",
            "fetch",
            "info",
            "audit",
            "Exit codes: 0; 1",
            "--version",
        ],
        "run": [*OPTIONS, "Example:"],
        "study": [*OPTIONS, "--json", "Example:"],
        "resume": ["PATH", "--workers", "--scheduler", "--json", "Example:"],
        "report": ["PATH", "--out", "--reference", "Example:"],
        "export": ["PATH", "--out", "--protocol", "Example:"],
        "metrics": ["PATH", "--out", "--tasks", "--variants", "--nulls", "--json", "Example:"],
        "fetch": ["--fields", "--data-root", "Example:"],
        "info": ["--connectome", "--data-root", "--json", "Example:"],
        "audit": ["--connectome", "--data-root", "--json", "Example:"],
    }.items(),
)
def test_help_mentions_what_there_is(capsys, command, mentioned):
    with pytest.raises(SystemExit) as caught:
        cli.main([*command.split(), "--help"])
    assert caught.value.code == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert f"usage: graphcortex {command}".strip() in captured.out
    for word in mentioned:
        assert word in captured.out


def test_help_of_an_example_has_its_own_words_and_defaults(capsys, tmp_path):
    default = StudyConfig(tasks=("go_nogo",), out=tmp_path / "mine", seeds=7)
    with pytest.raises(SystemExit) as caught:
        cli.run_example(default, "What this one does.", ["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for word in ("What this one does.", "(default: 7)", "(default: go_nogo)", *OPTIONS):
        assert word in said


# --- run


def test_run_trains_prints_the_table_and_says_what_it_wrote(small, capsys, tmp_path):
    assert cli.main(["run", *small]) == 0
    said = capsys.readouterr().out
    out = tmp_path / "out"
    assert "go_nogo, free recurrence (chance 0.5" in said
    assert "a single run of each variant: no interval" in said
    assert said.strip().endswith(
        f"{out}: table.csv, runs.csv, learned weights in weights/, 3 figures in figures/, report.html"
    )
    written = snapshot(out)
    assert sorted(name for name in written if not name.startswith("report/")) == [
        "connectomes/synthetic.pt",
        "figures/synthetic/published/go_nogo/free/W-matrix.png",
        "figures/synthetic/published/go_nogo/free/W-space.png",
        "figures/synthetic/published/go_nogo/free/learning-curves.png",
        "manifest.json",
        "report.html",
        "runs.csv",
        "runs/synthetic/published/go_nogo/W-free-seed0.parquet",
        "table.csv",
        "times.csv",
        "weights/synthetic/published/go_nogo/W-free-seed0.npz",
    ]
    assert len(pd.read_csv(out / "runs.csv")) == 1


def test_report_makes_the_page_of_a_folder(small, capsys, tmp_path):
    assert cli.main(["study", *small, "--variants", "W", "WD"]) == 0
    out = tmp_path / "out"
    assert not (out / "report.html").exists()
    capsys.readouterr()
    assert cli.main(["report", str(out), "--reference", "WD"]) == 0
    assert capsys.readouterr().out == f"{out / 'report.html'}\n"
    assert (out / "report" / "effects.csv").is_file()
    assert "WD" in (out / "report.html").read_text()


def test_report_of_an_unfinished_folder_says_how_to_go_on(small, capsys, tmp_path):
    assert cli.main(["study", *small, "--variants", "W", "WD"]) == 0
    out = tmp_path / "out"
    (out / "runs/synthetic/published/go_nogo/WD-free-seed0.parquet").unlink()
    capsys.readouterr()
    assert cli.main(["report", str(out)]) == 0
    assert (
        "1 of the 2 runs asked for last are missing, and 0 runs of the folder failed; "
        f"graphcortex resume {out} computes those asked for last" in capsys.readouterr().err
    )
    assert (out / "report.html").is_file()


def test_metrics_says_everything_of_what_was_learned(small, capsys, monkeypatch, tmp_path):
    out = tmp_path / "out"
    assert cli.main(["study", *small]) == 0
    capsys.readouterr()
    trained = count_runs(monkeypatch)
    assert cli.main(["metrics", str(out), "--nulls", "3"]) == 0
    said = capsys.readouterr().out
    for name in ("go_nogo W free seed 0", "modularity", "small world propensity", "wiring length", "anatomy auc"):
        assert name in said
    table = pd.read_csv(tmp_path / "out" / "metrics.csv").set_index("metric")
    assert (table["variant"] == "W").all()
    assert table.loc["modularity", "num_nulls"] == 3
    again = cli.main(["metrics", str(out), "--nulls", "3"]), capsys.readouterr().out
    assert again == (0, said), "the same command finds the run and its random graphs, and says the same"
    before = snapshot(out)
    assert cli.main(["metrics", str(out), "--nulls", "3", "--out", str(tmp_path / "else" / "mine.csv"), "--json"]) == 0
    assert (tmp_path / "else" / "mine.csv").read_bytes() == before["metrics.csv"]
    assert snapshot(out) == before
    assert trained == []


def test_metrics_of_an_unfinished_folder_are_of_the_runs_that_there_are(small, capsys, monkeypatch, tmp_path):
    out = tmp_path / "out"
    assert cli.main(["study", *small, "--variants", "W", "WD", "W*"]) == 0
    for folder, suffix in (("runs", "parquet"), ("weights", "npz")):
        (out / folder / f"synthetic/published/go_nogo/WD-free-seed0.{suffix}").unlink()
    capsys.readouterr()
    trained = count_runs(monkeypatch)
    assert cli.main(["metrics", str(out), "--nulls", "2", "--json"]) == 0
    captured = capsys.readouterr()
    assert {row["variant"] for row in json.loads(captured.out)["metrics"]} == {"W", "W*"}
    assert (
        f"1 of the 3 runs asked for last are missing, and 0 runs of the folder failed; graphcortex resume {out}"
        in captured.err
    )
    assert cli.main(["metrics", str(out), "--nulls", "2", "--json", "--variants", "W*", "--tasks", "go_nogo"]) == 0
    assert {row["variant"] for row in json.loads(capsys.readouterr().out)["metrics"]} == {"W*"}
    assert "a variant must be one of 'W', 'W*'; got 'WD'" in told(
        capsys, cli.main(["metrics", str(out), "--variants", "WD"])
    )
    (out / "weights/synthetic/published/go_nogo/W-free-seed0.npz").unlink()
    assert cli.main(["metrics", str(out), "--nulls", "2", "--json"]) == 0
    captured = capsys.readouterr()
    assert {row["variant"] for row in json.loads(captured.out)["metrics"]} == {"W*"}
    assert "1 runs are left out" in captured.err
    assert trained == [], "nothing is trained in a folder that is only read"


def test_metrics_of_a_study_without_weights_are_refused(small, capsys, tmp_path):
    assert cli.main(["study", *small, "--no-keep-weights"]) == 0
    capsys.readouterr()
    assert "run the study with keep_weights" in told(capsys, cli.main(["metrics", str(tmp_path / "out")]))


def test_metrics_without_random_graphs_are_refused(capsys, tmp_path):
    assert "nulls must be a whole number of at least 1, got 0" in refused(
        capsys, "metrics", str(tmp_path), "--nulls", "0"
    )


def test_options_reach_the_study(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(run_module, "run_study", lambda config: asked.append(config) or 1 / 0)
    arguments = (
        "run --tasks go_nogo perceptual_decision --connectome 4_7_2 5_3_8 --data-root d --variants W*D*C WD --seeds 5 --epochs 2 "
        "--threads 1 --protocol published corrected-test --recurrence nonnegative free --functional precision-sttc "
        "--device cpu --workers 2 --out o --overwrite --no-keep-weights"
    )
    for command in (arguments.split(), ["run"], ["run", "--scheduler", "tcp://127.0.0.1:8786"]):
        with pytest.raises(ZeroDivisionError):
            cli.main(command)
    path = type(tmp_path)
    wanted = StudyConfig(
        tasks=("go_nogo", "perceptual_decision"),
        connectome=("4_7_2", "5_3_8"),
        data_root=path("d"),
        variants=("W*D*C", "WD"),
        seeds=5,
        protocol=("published", "corrected-test"),
        epochs=2,
        recurrence=("nonnegative", "free"),
        functional="precision-sttc",
        device="cpu",
        threads=1,
        workers=2,
        out=path("o"),
        overwrite=True,
        keep_weights=False,
    )
    given = [{field.name: getattr(config, field.name) for field in fields(StudyConfig)} for config in asked]
    assert [StudyConfig(**values) for values in given] == [
        wanted, StudyConfig(), StudyConfig(scheduler="tcp://127.0.0.1:8786"),
    ]  # fmt: skip


def test_an_example_starts_from_its_default(small, capsys, tmp_path):
    default = StudyConfig(tasks=("perceptual_decision",), out=tmp_path / "mine", variants=("WD",), seeds=2, epochs=1)
    results = cli.run_example(default, "Words.", ["--seeds", "1"])
    assert isinstance(results, StudyResults)
    assert results.study.seeds == (0,)
    assert results.runs[["task", "variant"]].to_numpy().tolist() == [["perceptual_decision", "WD"]]
    assert (
        tmp_path / "mine" / "figures" / "synthetic" / "published" / "perceptual_decision" / "free" / "WD-space.png"
    ).is_file()


def count_runs(monkeypatch, stop_after: int | None = None) -> list:
    run_one, trained = runner.run_one, []

    def counted(graph, key, *arguments, **options):
        if len(trained) == stop_after:
            raise KeyboardInterrupt
        trained.append(key)
        return run_one(graph, key, *arguments, **options)

    monkeypatch.setattr(runner, "run_one", counted)
    return trained


@pytest.mark.parametrize("command", ["run", "study"])
def test_the_same_command_or_resume_goes_on_where_it_was(small, capsys, monkeypatch, tmp_path, command):
    command = [command, *small, "--seeds", "3"]
    with monkeypatch.context() as patch:
        first = count_runs(patch, 1)
        assert cli.main(command) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "stopped; every finished run is kept" in captured.err
    assert captured.err.endswith("graphcortex resume DIR, with the folder of the results.\n")
    with monkeypatch.context() as patch:
        second = count_runs(patch, 1)
        assert cli.main(["resume", str(tmp_path / "out")]) == 130
    with monkeypatch.context() as patch:
        third = count_runs(patch)
        assert cli.main(["resume", str(tmp_path / "out")]) == 0
        assert cli.main(command) == 0
    assert [key.seed for key in (*first, *second, *third)] == [0, 1, 2]
    assert capsys.readouterr().out.count("learned weights in weights/") == 2


def test_report_and_export_of_a_folder(small, capsys, tmp_path):
    assert cli.main(["study", *small]) == 0
    capsys.readouterr()
    assert cli.main(["report", str(tmp_path / "out"), "--out", str(tmp_path / "page.html"), "--reference", "W"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
    assert "<html" in (tmp_path / "page.html").read_text()
    assert cli.main(["export", str(tmp_path / "out"), "--out", str(tmp_path / "paper")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'paper' / 'synthetic_sttc-corr'}\n"
    assert (tmp_path / "paper" / "synthetic_sttc-corr" / "Task2" / "Accuracy_raw.csv").is_file()
    assert "is there already" in told(
        capsys, cli.main(["export", str(tmp_path / "out"), "--out", str(tmp_path / "paper")])
    )


@pytest.mark.parametrize("command", ["resume", "report", "export", "metrics"])
def test_a_folder_of_no_study_is_told(capsys, tmp_path, command):
    said = told(capsys, cli.main([command, str(tmp_path / "none")]))
    assert "must be the results folder of a study, with a manifest.json" in said


def test_an_interrupted_example_exits_with_130(monkeypatch, capsys):
    def interrupt(config):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "run", interrupt)
    with pytest.raises(SystemExit) as caught:
        cli.run_example(StudyConfig(), "Words.", [])
    assert caught.value.code == 130
    assert "stopped" in capsys.readouterr().err


def fail(monkeypatch, seed: int) -> None:
    run_one = runner.run_one

    def failing(graph, key, *arguments, **options):
        if key.seed == seed:
            raise ArithmeticError("too much")
        return run_one(graph, key, *arguments, **options)

    monkeypatch.setattr(runner, "run_one", failing)


@pytest.mark.parametrize("command", [["run"], ["study"]], ids=str)
def test_failed_runs_are_told_at_the_end_with_code_1(small, capsys, monkeypatch, command, tmp_path):
    with monkeypatch.context() as patch:
        fail(patch, 1)
        assert cli.main([*command, *small, "--seeds", "2"]) == 1
    captured = capsys.readouterr()
    assert "go_nogo, free recurrence" in captured.out
    assert "failed: synthetic published go_nogo W free seed 1: ArithmeticError: too much" in captured.err
    assert "Traceback" in captured.err
    last = "graphcortex: 1 of 2 runs failed, as said above and in"
    assert captured.err.splitlines()[-1].startswith(last)
    assert cli.main([*command, *small, "--seeds", "2"]) == 0
    with monkeypatch.context() as patch:
        fail(patch, 2)
        with pytest.raises(SystemExit) as caught:
            cli.run_example(StudyConfig(), "Words.", [*small, "--seeds", "3"])
    assert caught.value.code == 1


def test_json_is_one_object_and_nothing_else(small, capsys, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        fail(patch, 1)
        assert cli.main(["study", *small, "--seeds", "2", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["folder"] == str(tmp_path / "out")
    assert said["finished"] == 1
    assert said["missing"] == ["synthetic/published/go_nogo/W-free-seed1"]
    assert [failure["run"] for failure in said["failures"]] == said["missing"]
    assert [(row["variant"], row["seed"], row["diverged_epoch"]) for row in said["runs"]] == [("W", 0, None)]
    assert said["table"][0]["metric"] == "accuracy"
    assert cli.main(["resume", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["finished"] == 2
    assert cli.main(["metrics", str(tmp_path / "out"), "--nulls", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["metrics"]
    assert {"modularity", "small_worldness"} <= {row["metric"] for row in found}
    assert cli.main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["neurons"] > 100
    assert _told.to_json({"a": np.float64(0.5), "b": np.int64(3)}) == '{\n  "a": 0.5,\n  "b": 3\n}'


def test_whoever_reads_may_have_enough(tmp_path):
    """As in `graphcortex info --json | head -1`: no traceback, no message."""
    command = f"{sys.executable} -m graphcortex info --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=240, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "141")


# --- bad input: exit code 2, the reason on stderr, no traceback


def test_an_unknown_field_is_named(capsys, tmp_path):
    write_field(tmp_path, "1_2_3")
    code = cli.main(["run", "--connectome", "3_2_1", "--data-root", str(tmp_path), "--out", str(tmp_path / "out")])
    said = told(capsys, code)
    assert "unknown field '3_2_1'" in said
    assert "1_2_3" in said
    assert str(tmp_path) in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["info"], ["audit"], ["study", "--out", "out"], ["run", "--out", "out"]], ids=str)
def test_a_mistyped_data_root_is_told_before_a_download_begins(capsys, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fields_module, "fetch", lambda *_, **__: pytest.fail("a download began"))
    said = told(capsys, cli.main([*command, "--connectome", "6_6_2", "--data-root", "none"]))
    assert "data root none: expected a folder with MICrONS fields, got no such folder; check the path" in said
    assert "graphcortex fetch --fields 6_6_2 --data-root none" in said
    assert list(tmp_path.iterdir()) == []


def test_an_altered_field_is_named(capsys, tmp_path):
    folder = write_field(tmp_path, "1_2_3")
    (folder / "corr_matrix.npy").write_bytes(b"")
    said = told(capsys, cli.main(["info", "--connectome", "1_2_3", "--data-root", str(tmp_path)]))
    assert str(folder / "corr_matrix.npy") in said


def test_a_folder_of_something_else_is_left_alone(small, capsys, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    for extra in ([], ["--overwrite"]):
        said = told(capsys, cli.main(["run", *small, *extra]))
        assert str(tmp_path / "out") in said
        assert "choose another --out" in said
    assert snapshot(tmp_path / "out") == {"thesis.tex": b"years of work"}


def test_the_results_of_another_study_are_left_alone(small, capsys, tmp_path):
    assert cli.main(["run", *small]) == 0
    capsys.readouterr()
    before = snapshot(tmp_path / "out")
    said = told(capsys, cli.main(["run", *small, "--epochs", "2"]))
    assert "protocols.published.epochs: 1 there, 2 asked for" in said
    assert "--overwrite" in said
    assert snapshot(tmp_path / "out") == before
    assert cli.main(["run", *small, "--epochs", "2", "--overwrite"]) == 0


def test_a_variant_that_the_connectome_cannot_serve_is_told(small, capsys, monkeypatch, tmp_path):
    bare = connectome(12, synapse_index=[[], []], count=[])
    monkeypatch.setattr(StudyConfig, "load_connectomes", lambda self: {"synthetic": bare})
    said = told(capsys, cli.main(["run", *small, "--variants", "W", "WD*C*"]))
    assert "WD*C* uses the wiring: expected a connectome with synapses, got none" in said
    assert "(Connectome synthetic.)" in said
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_named(small, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    said = told(capsys, cli.main(["run", *small, "--out", str(tmp_path / "file" / "out")]))
    assert str(tmp_path / "file") in said


BAD_OPTIONS = {
    "an unknown variant": (["--variants", "W", "WC"], "must have a distance, D or D*: got 'WC'"),
    "an unknown task": (["--tasks", "juggling"], "got 'juggling'"),
    "no seeds": (["--seeds", "0"], "seeds must be a whole number of at least 1, got 0"),
    "seeds as text": (["--seeds", "three"], "'three'"),
    "an unknown arm": (["--recurrence", "positive"], "positive"),
    "an unknown device": (["--device", "tpu"], "got 'tpu'"),
    "an unknown protocol": (["--protocol", "mended"], "got 'mended'"),
    "two engines": (["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "must not both be given"),
    "no variants": (["--variants"], "variants must name at least one"),
    "an unknown option": (["--sedes", "3"], "--sedes"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_a_wrong_option_is_told(capsys, arguments, message):
    assert message in refused(capsys, "run", *arguments)


def test_an_unknown_command_is_told(capsys):
    assert "nonsense" in refused(capsys, "nonsense")


def test_an_example_exits_with_2(capsys, tmp_path):
    default = StudyConfig(connectome="3_2_1", data_root=tmp_path / "none", out=tmp_path / "out")
    with pytest.raises(SystemExit) as caught:
        cli.run_example(default, "Words.", [])
    assert f"data root {tmp_path / 'none'}" in told(capsys, caught.value.code)


def test_without_its_extra_the_command_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tyro", None)
    assert "pip install 'graphcortex-rnn[study]'" in told(capsys, cli.main(["info"]))


def test_a_message_of_several_lines_is_told_on_one(monkeypatch, capsys):
    def wrong(config):
        raise ValueError("first\n  second")

    monkeypatch.setattr(run_module, "run_study", wrong)
    assert told(capsys, cli.main(["run"])) == "graphcortex: error: first second\n"


def test_a_fault_of_the_program_is_not_hidden(monkeypatch):
    def wrong(config):
        raise RuntimeError("a bug")

    monkeypatch.setattr(run_module, "run_study", wrong)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["run"])


def test_the_process_exits_with_the_code_and_prints_no_traceback(tmp_path):
    command = [sys.executable, "-m", "graphcortex", "info", "--connectome", "3_2_1", "--data-root", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("graphcortex: error: unknown field '3_2_1'")
    assert done.stderr.count("\n") == 1


# --- fetch and info


def test_fetch_reads_what_is_there_and_says_how_large_it_is(capsys, tmp_path):
    for name in ("1_2_3", "1_2_4", "1_2_5"):
        write_field(tmp_path, name)
    assert cli.main(["fetch", "--fields", "1_2_4", "1_2_3", "--data-root", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["1_2_3", "1_2_4", f"in {tmp_path}"]
    assert lines[0].startswith("1_2_3: 5 neurons, ")


def test_fetch_of_a_file_that_nobody_released_is_told(capsys, tmp_path):
    folder = write_field(tmp_path, "1_2_3", without=("corr",))
    said = told(capsys, cli.main(["fetch", "--fields", "1_2_3", "--data-root", str(tmp_path)]))
    assert str(folder / "corr_matrix.npy") in said


def test_fetch_all_is_all_also_where_some_are_there(monkeypatch, capsys, tmp_path):
    """One released field lies in the root; without names, MicronsFields would take it for everything."""
    write_field(tmp_path, "6_6_2")
    asked = []

    class Fields(list):
        names = ()

        def __init__(self, root, names):
            asked.append((root, names))

    monkeypatch.setattr(fetch_module, "MicronsFields", Fields)
    assert cli.main(["fetch", "--fields", "all", "--data-root", str(tmp_path)]) == 0
    assert asked == [(tmp_path, list(released_files()))]
    assert len(released_files()) == 56


def test_fetch_of_nothing_is_refused(capsys):
    assert cli.main(["fetch", "--fields"]) == 2
    assert "fields must name at least one field, such as 6_6_2" in capsys.readouterr().err


def test_fetch_goes_to_the_default_root(monkeypatch, capsys, tmp_path):
    write_field(tmp_path / "microns-fields", "1_2_3")
    monkeypatch.setenv("GRAPHCORTEX_DATA", str(tmp_path))
    assert cli.main(["fetch", "--fields", "1_2_3"]) == 0
    assert capsys.readouterr().out.endswith(f"in {tmp_path / 'microns-fields'}\n")


def test_info_prints_the_connectome(capsys, tmp_path):
    write_field(tmp_path, "1_2_3")
    assert cli.main(["info", "--connectome", "1_2_3", "--data-root", str(tmp_path)]) == 0
    assert "5 neurons: pos" in capsys.readouterr().out
    assert cli.main(["info"]) == 0
    assert "SyntheticCortex" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["info", "audit", "study", "run"])
def test_a_connectome_is_a_name_or_a_path_for_every_command(capsys, tmp_path, command):
    graph = connectome(12)
    graph.save(tmp_path / "mine.pt")
    to_tables(graph, tmp_path / "kept")
    write_field(tmp_path, "1_2_3")
    short = ["--tasks", "go_nogo", "--variants", "W", "--seeds", "1", "--epochs", "1", "--change", "num_train=16",
             "num_test=16", "num_nulls=2", "--out", str(tmp_path / "out")]  # fmt: skip
    options = short if command in ("study", "run") else []
    sources = {"mine": str(tmp_path / "mine.pt"), "kept": str(tmp_path / "kept"), "1_2_3": str(tmp_path / "1_2_3")}
    given = [list(sources.values())] if options else [[path] for path in sources.values()]
    for paths in given:
        assert cli.main([command, "--connectome", *paths, *options]) in ((0, 1) if command == "audit" else (0,))
        captured = capsys.readouterr()
        assert "neurons" in captured.out or options
    if options:
        assert set(pd.read_csv(tmp_path / "out" / "runs.csv")["connectome"]) == set(sources)


# --- terminals, pipes and home folders


def test_every_path_option_may_begin_at_the_home_folder(small, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    connectome(12).save(tmp_path / "mine.pt")
    write_field(tmp_path / "fields", "1_2_3")
    commands = [
        ["study", *small[:-2], "--out=~/there"],
        ["report", "~/there", "--out=~/page.html"],
        ["export", "~/there", "--out=~/paper"],
        ["metrics", "~/there", "--nulls=2", "--out=~/metrics.csv"],
        ["resume", "~/there"],
        ["info", "--connectome=~/mine.pt"],
        ["audit", "--connectome=~/mine.pt"],
        ["info", "--connectome=1_2_3", "--data-root=~/fields"],
        ["fetch", "--fields", "1_2_3", "--data-root=~/fields"],
    ]
    assert [cli.main(command) for command in commands] == [0] * len(commands)
    cli.run_example(StudyConfig(), "Words.", [*small[:-2], "--out=~/example"])
    there = {path.name for path in tmp_path.iterdir()}
    assert {"there", "page.html", "paper", "metrics.csv", "example"} <= there
    assert "~" not in there


def test_an_ascii_terminal_gets_the_table(tmp_path):
    command = [sys.executable, "-m", "graphcortex", "study", "--tasks", "go_nogo", "--variants", "W", "--seeds", "2", "--epochs",
               "1", "--change", "num_train=16", "num_test=16", "num_nulls=2", "--out", str(tmp_path / "ö")]  # fmt: skip
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, timeout=240, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode("ascii").splitlines()
    heading = next(line for line in lines if "accuracy" in line)
    row = next(line for line in lines if line.startswith("W "))
    assert "+-" in row
    assert row.index("+-") < heading.index("accuracy") + len("accuracy") <= len(row)
    assert ends(row)[:5] == ends(heading.replace(" (bit)", "_(bit)"))[:5]
    assert any("mean +-half of the 95 % t interval" in line for line in lines)
    assert lines[-1].startswith(f"{tmp_path}/\\xf6: table.csv")
    assert b"\r" not in done.stderr, "no bar is drawn into a pipe"


def ends(line: str) -> list[int]:
    """Return where each word of a line ends, its first left out."""
    return (
        [match.end() for match in re.finditer(r"\S+", line)][1:]
        if line[0] != " "
        else [match.end() for match in re.finditer(r"\S+", line)]
    )


@pytest.mark.parametrize("arguments", [["--help"], ["study", "--help"], ["info"], ["--version"]], ids=str)
def test_an_ascii_terminal_gets_every_text(arguments):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "graphcortex", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=240, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("ascii").strip()


def test_the_version_is_that_of_the_package(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"graphcortex {graphcortex.__version__}\n"


# --- audit


def test_audit_of_a_saved_connectome_tells_by_its_exit_code(capsys, tmp_path):
    graph = SyntheticCortex(60, 1, duration_s=300, rng=0)[0]
    graph.save(tmp_path / "right.pt")
    graph.pos = graph.pos.reshape(3, -1).T.contiguous()
    graph.save(tmp_path / "wrong.pt")
    assert cli.main(["audit", "--connectome", str(tmp_path / "right.pt")]) == 0
    assert "Audit of 60 neurons: 0 error" in capsys.readouterr().out
    assert cli.main(["audit", "--connectome", str(tmp_path / "wrong.pt"), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert "axes" in [finding["check"] for finding in said["findings"] if finding["severity"] == "error"]
    assert torch.isfinite(graph.pos).all()


def test_audit_of_a_field_looks_at_its_spikes(capsys, tmp_path):
    spikes = tiny_arrays()["spikes"]
    spikes[2] = spikes[2][::-1]
    folder = write_field(tmp_path, "1_2_3", spikes=spikes)
    for arguments in ([str(folder)], ["1_2_3", "--data-root", str(tmp_path)]):
        assert cli.main(["audit", "--connectome", *arguments]) == 1
        assert "spike times must ascend [unsorted trains 1]" in capsys.readouterr().out
    write_field(tmp_path, "1_2_4", without=("spikes",))
    assert cli.main(["audit", "--connectome", str(tmp_path / "1_2_4")]) == 0
    assert "spikes" not in capsys.readouterr().out


def test_audit_refuses_what_cannot_be_read(capsys, tmp_path):
    assert "no such name, file or folder" in told(capsys, cli.main(["audit", "--connectome", str(tmp_path / "none")]))
    assert "a folder with neither tables nor a field" in told(
        capsys, cli.main(["audit", "--connectome", str(tmp_path)])
    )
    (tmp_path / "bad.pt").write_bytes(b"no connectome")
    assert "bad.pt: expected a file written by Connectome.save" in told(
        capsys, cli.main(["audit", "--connectome", str(tmp_path / "bad.pt")])
    )
    folder = write_field(tmp_path, "1_2_3", corr=np.triu(np.ones((5, 5))))
    assert "expected a symmetric matrix" in told(capsys, cli.main(["audit", "--connectome", str(folder)]))
    assert "--connectome" in refused(capsys, "audit")
