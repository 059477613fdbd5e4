from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

from graphcortex.study import Store, StudyResults, run_study
from graphcortex.viz import study_figures, write_figures
from tests.study._small import SHORT, SmallConfig


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> StudyResults:
    config = SmallConfig(
        tasks=("go_nogo", "perceptual_decision"),
        connectome="tiny",
        variants=("WD", "W*D*C"),
        seeds=2,
        epochs=1,
        out=tmp_path_factory.mktemp("study") / "out",
    )
    return run_study(config, progress=False)


@pytest.fixture
def drawn(monkeypatch) -> list[tuple]:
    """What each figure was made from, in place of drawing it: drawing has its own tests."""
    calls = []

    def record(name):
        monkeypatch.setattr(study_figures, name, lambda *a, **k: calls.append((name, a, k)) or name)

    for name in ("plot_learning_curves", "plot_learned_graph", "plot_matrix"):
        record(name)
    monkeypatch.setattr(study_figures, "save_figure", lambda figure, path, *, dpi: path)
    return calls


def test_every_figure_is_written_where_it_is_said(results):
    files = write_figures(results)
    folder = results.folder / "figures" / "tiny" / "published"
    names = ["learning-curves", "WD-space", "WD-matrix", "WstarDstarC-space", "WstarDstarC-matrix"]
    assert files == [
        folder / task / "free" / f"{name}.png" for task in ("go_nogo", "perceptual_decision") for name in names
    ]
    assert sorted(path for path in folder.rglob("*.png")) == sorted(files)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)
    assert len({path.read_bytes() for path in files}) == len(files)


@pytest.mark.parametrize(("suffix", "start"), {".svg": b"<?xml", ".pdf": b"%PDF"}.items())
def test_other_formats(results, suffix, start, monkeypatch):
    monkeypatch.setattr(study_figures, "_learned_graph", lambda *arguments: [])  # learning curves alone
    files = write_figures(results, suffix=suffix)
    assert [path.suffix for path in files] == [suffix] * 2
    assert all(path.read_bytes().startswith(start) for path in files)


def test_an_unknown_format_is_refused(results):
    with pytest.raises(ValueError, match=r"suffix.*must be one of.*'.bmp'"):
        write_figures(results, suffix=".bmp")


def test_figures_show_the_first_seed_and_the_levels_of_the_task(results, drawn):
    write_figures(results)
    curves = [(a, k) for name, a, k in drawn if name == "plot_learning_curves"]
    assert [set(a[0]["variant"]) for a, _ in curves] == [{"WD", "W*D*C"}] * 2
    assert [len(a[0]) for a, _ in curves] == [4, 4]  # two variants, two seeds, one epoch
    assert curves[0][1]["title"] == "go_nogo, free recurrence: training accuracy"
    assert [curves[1][1][level] for level in ("chance", "floor", "ceiling")] == pytest.approx(
        [0.5, 0.5, 0.899], abs=1e-3
    )
    spaces = [(a, k) for name, a, k in drawn if name == "plot_learned_graph"]
    matrices = [(a, k) for name, a, k in drawn if name == "plot_matrix"]
    keys = [key for key in results.keys if key.seed == 0]
    for key, (space, in_space), (matrix, in_matrix) in zip(keys, spaces, matrices, strict=True):
        weight = results.store.load(key).weights["rnn.edge_weight"]
        assert torch.equal(space[0], results.study.connectomes["tiny"].pos)
        assert torch.equal(space[2], weight)
        assert torch.equal(matrix[1], weight)
        assert torch.equal(in_space["membership"], in_matrix["membership"])
        assert in_space["membership"].shape == (12,)
        assert in_space["title"] == in_matrix["title"] == f"{key.task}, {key.variant}, free recurrence, seed 0"


def test_a_task_or_variant_asked_for_twice_is_drawn_once(results, drawn):
    config = SmallConfig(
        tasks=("go_nogo", "go_nogo"), connectome="tiny", variants=("WD", "WD"), seeds=1, epochs=1, out=results.folder
    )
    again = run_study(config, progress=False)
    assert [path.stem for path in write_figures(again)] == ["learning-curves", "WD-space", "WD-matrix"]


def test_runs_without_weights_have_learning_curves_alone(tmp_path):
    config = SmallConfig(
        tasks=("go_nogo",), connectome="tiny", variants=("WD",), seeds=1, out=tmp_path, keep_weights=False
    )
    run_study(config, progress=False)
    results = run_study(replace(config, variants=("W",), keep_weights=True), progress=False).of_folder()
    assert [path.stem for path in write_figures(results)] == ["learning-curves", "W-space", "W-matrix"]


def test_a_run_that_diverged_is_drawn_without_modules(tmp_path, monkeypatch):
    """Its weights are NaN: there is no graph, and the figures say so instead of failing."""
    diverging = replace(SHORT, learning_rate=1e30, epochs=2)
    monkeypatch.setattr(SmallConfig, "protocols", lambda self: {"published": diverging})
    config = SmallConfig(
        tasks=("go_nogo",), connectome="tiny", variants=("W",), seeds=1, epochs=2, out=tmp_path / "out"
    )
    results = run_study(config, progress=False)
    assert results.runs["diverged_epoch"].tolist() == [1]
    assert [path.stem for path in write_figures(results)] == ["learning-curves", "W-space", "W-matrix"]


def test_a_crash_leaves_no_half_figure(results, monkeypatch, tmp_path):
    store = Store(tmp_path / "elsewhere", {})
    for key in results.keys:
        store.save(results.store.load(key))
    there = StudyResults(results.study, store, results.runs, results.table)
    replaced, replace_file = [], os.replace

    def crash(source, target):
        if len(replaced) == 2:
            raise OSError("No space left on device")
        replaced.append(target)
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="No space"):
        write_figures(there)
    found = [path for path in (store.folder / "figures").rglob("*") if path.is_file()]
    assert sorted(found) == sorted(replaced)
    assert len(found) == 2
