"""What is written: one page that holds everything, files beside it, nothing half done."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch

from graphcortex.cli.study import StudyCommand
from graphcortex.study import Failure, RunKey, Store, evaluate_claims, load_results, run_study
from graphcortex.viz import write_report
from graphcortex.viz.report import _figures
from graphcortex.viz.report import write as write_module
from tests.study._small import SmallConfig
from tests.viz.report._studies import CLAIMS, SHAPES, MadeStudy, evil_claims

LARGEST = 12_000_000  # bytes


def drawn(page: str) -> dict:
    """Return what the page's script draws; JSON that has NaN in it is refused."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(
        re.search(r'<script type="application/json" id="drawn">(.*?)</script>', page, re.S)[1], parse_constant=refuse
    )


class Words(HTMLParser):
    """The text of a page, and its tags with their attributes."""

    def __init__(self, page: str):
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_page_says_what_the_runs_say(study, report):
    text = Words(report.read_text()).text
    assert report == study.folder / "report.html"
    means = study.table.query("task == 'go_nogo' and metric == 'accuracy'").set_index("variant")
    for variant, row in means.iterrows():
        assert f"{variant} {row['mean']:.3f} ± {row['ci95_high'] - row['mean']:.3f} " in text
    for statement in CLAIMS.statements.values():
        assert f" {statement} " in text
    assert "holds +0.250 +0.100 to +0.400 < 0.001 3" in text
    assert "undecided +0.250 – – 3" in text


def test_the_page_says_where_the_numbers_come_from(study, report):
    text = Words(report.read_text()).text
    settings = study.study.settings()
    for value in (*settings["connectomes"].values(), torch.__version__, f"graphcortex resume {study.folder}"):
        assert value in text
    assert (
        "graphcortex study --tasks go_nogo one_choice_inference --variants 'W*D*C' W" not in text
    )  # its protocol is changed
    assert "its protocol published is changed in num_train, num_test, batch_size, num_nulls" in text
    total = pd.read_csv(study.folder / "times.csv").filter(like="seconds_").to_numpy().sum()
    assert f"computing, all runs of the folder {total:.3g} s" in text


def test_the_command_makes_the_same_study(tmp_path):
    made = MadeStudy(
        tmp_path, protocols=("corrected", "published+positions,penalty_scale=0.1"), first_seed=5,
        variants=("W*[no-diagonal]D*C", "W"), recurrences=("nonnegative",),
    )  # fmt: skip
    page = Words(write_report(made, formats=()).read_text()).text
    command = re.search(r"graphcortex (study .*?--out results/again)", page)[1]
    tyro = pytest.importorskip("tyro")
    config = tyro.cli(StudyCommand, args=shlex.split(command)[1:])
    again = config.study()
    for name in ("variants", "tasks", "seeds", "protocols", "recurrence"):
        assert list(getattr(again, name)) == list(getattr(made.study, name)), name
    assert dict(again.protocols) == dict(made.study.protocols)


def test_claims_are_judged_by_the_runs_where_none_are_given(study, tmp_path):
    text = Words(write_report(study, tmp_path / "page.html", formats=()).read_text()).text
    claims = evaluate_claims(study.runs)
    judged = {finding.claim for finding in claims if finding.n + finding.dropped}
    assert judged == {"learned graphs"}, "W*D*C and W differ in more than what the other claims compare"
    for name, statement in claims.statements.items():
        assert (f" {statement} " in text) == (name in judged), name
    assert text.count("undecided") > 1


def test_a_report_begins_with_the_results(study, tmp_path):
    page = write_report(study, tmp_path / "page.html", claims=CLAIMS, formats=()).read_text()
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ["tasks", "curves", "metrics", "effects", "graphs", "claims", "trouble", "provenance"]
    assert re.findall(r'<li><a href="#(\w+)"', page) == sections


def test_claims_without_pairs_leave_no_section(tmp_path):
    page = write_report(MadeStudy(tmp_path, variants=("WD", "W*[diagonal]"), seeds=2), formats=()).read_text()
    assert 'id="claims"' not in page
    assert 'href="#claims"' not in page


def test_runs_that_failed_are_listed_with_their_traceback(tmp_path):
    failed = Failure(
        RunKey("go_nogo", "W", seed=2), "ValueError: <b>broken</b>", "Traceback (most recent call last):\n  <module>"
    )
    text = Words(write_report(MadeStudy(tmp_path, failures=(failed,)), formats=()).read_text()).text
    assert f"{failed.key} ValueError: <b>broken</b> Traceback (most recent call last): <module>" in text
    assert " 1 failed " in text or "failed 1" in text


def test_a_study_without_a_finished_run_says_so(tmp_path):
    config = SmallConfig(out=tmp_path / "out", variants=("W",), tasks=("go_nogo",), seeds=1)
    empty = config.study()
    Store(config.out, empty.settings(), study=empty._asked(keep_weights=True, checkpoint_every=0)).save_connectomes(
        empty.connectomes
    )
    text = Words(write_report(load_results(config.out)).read_text()).text
    assert "A study without a finished run" in text
    assert "No run was finished" in text


@pytest.mark.parametrize(
    "read", [lambda last: last, lambda last: load_results(last.folder)], ids=["the call", "the folder"]
)
def test_the_report_shows_the_runs_of_all_calls(tmp_path, read):
    config = SmallConfig(out=tmp_path / "out", variants=("W",), tasks=("go_nogo",), seeds=2)
    run_study(config, progress=False)
    last = run_study(replace(config, variants=("WD",), first_seed=5, seeds=1), progress=False)
    page = write_report(read(last), formats=())
    text = Words(page.read_text()).text
    runs = pd.read_csv(page.with_suffix("") / "runs.csv")
    assert runs.groupby("variant")["seed"].unique().map(sorted).to_dict() == {"W": [0, 1], "WD": [5]}
    assert "several calls asked for its runs" in text
    (mean,) = last.of_folder().table.query("variant == 'W' and metric == 'accuracy'")["mean"]
    assert f"W {mean:.3f}" in text


def test_weights_that_were_not_kept_are_no_graph(tmp_path):
    config = SmallConfig(out=tmp_path / "out", variants=("W",), tasks=("go_nogo",), seeds=1, keep_weights=False)
    text = Words(write_report(run_study(config, progress=False), formats=()).read_text()).text
    assert "What 1 of 1 runs learned is not shown" in text


def test_the_small_charts_stand_where_the_numbers_are(study, report):
    marks = [attrs for tag, attrs in Words(report.read_text()).tags if tag == "circle"]
    places = sorted(float(attrs["cx"]) for attrs in marks)
    np.testing.assert_allclose(places, sorted(6 + 208 * study.runs["accuracy"]), atol=0.06)


def test_every_attribute_that_names_a_place_stays_on_the_page(report):
    tags = Words(report.read_text()).tags
    named = {
        value
        for _, attrs in tags
        for name, value in attrs.items()
        if name in ("src", "href", "action", "data", "srcset")
    }
    ids = {attrs["id"] for _, attrs in tags if "id" in attrs}
    assert named
    assert all(value[0] == "#" and value[1:] in ids for value in named)
    assert {tag for tag, _ in tags}.isdisjoint({"link", "img", "iframe", "object", "base"})


def test_headings_are_in_order_and_tables_have_them(report):
    tags = Words(report.read_text()).tags
    depths = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert depths[0] == 1
    assert depths.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(depths))
    assert all(attrs.get("scope") in ("row", "col", "rowgroup") for tag, attrs in tags if tag == "th")
    assert all(attrs.get("aria-label") for _, attrs in tags if attrs.get("role") in ("img", "region"))
    assert ("html", {"lang": "en"}) in tags


def test_tables_beside_it_hold_the_numbers(study, report):
    folder = report.with_suffix("")
    runs = pd.read_csv(folder / "runs.csv", float_precision="round_trip")
    pd.testing.assert_frame_equal(runs, study.runs, check_dtype=False)
    assert pd.read_csv(folder / "claims.csv")["statement"].tolist() == list(CLAIMS.statements.values())
    groups = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert groups == ["synthetic-published-free-go_nogo", "synthetic-published-free-one_choice_inference"]
    names = {f"{stem}{suffix}" for stem in ("learning-curves", "metrics", "effects") for suffix in (".png", ".csv")}
    names |= {f"{v}-{kind}{s}" for v in ("WstarDstarC", "W") for kind in ("space", "matrix") for s in (".png", ".csv")}
    assert {path.name for path in (folder / groups[0]).iterdir()} == names
    edges = pd.read_csv(folder / groups[0] / "W-space.csv", float_precision="round_trip")
    key = next(key for key in study.keys if str(key.variant) == "W")
    weight = study.learned_graph(key).edge_weight.numpy().reshape(12, 12)
    np.testing.assert_array_equal(weight[edges["source"], edges["target"]], edges["weight"].to_numpy(dtype=np.float32))
    assert (edges["weight"].abs().diff().dropna() <= 0).all()
    assert len(edges) == (weight * (1 - np.eye(12)) != 0).sum()
    assert drawn(report.read_text())["files"]["curves"]["0"][0] == f"report/{groups[0]}/learning-curves.png"


def test_vectors_are_written_by_default(tmp_path):
    page = write_report(MadeStudy(tmp_path, variants=("W",), seeds=1), tmp_path / "page.html")
    suffixes = {path.suffix for path in (tmp_path / "page").rglob("*.*")}
    assert suffixes == {".png", ".svg", ".csv"}
    assert page.stat().st_size < LARGEST


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_its_parts(tmp_path, shape):
    study = MadeStudy(tmp_path, **SHAPES[shape])
    page = write_report(study, formats=()).read_text()
    figures = drawn(page)["figures"]
    groups = study.runs[["connectome", "protocol", "recurrence", "task"]].drop_duplicates()
    assert len(drawn(page)["axes"]["group"]) == len(groups) == len(set(drawn(page)["axes"]["group"]))
    text = Words(page).text
    assert ("None: every run was finished" in text) == (not study.diverged)
    if shape == "all diverged":
        assert not any(figure["specs"] for figure in figures.values())
        assert "No run stayed finite" in text
    else:
        wanted = len(groups) * len(study.variants)
        assert len(figures["space"]["specs"]) == len(figures["matrix"]["specs"]) == wanted
        assert len(figures["metrics"]["specs"]) == len(groups) * 5
        assert len(figures["effects"]["specs"]) == (len(groups) * 5 if len(study.variants) > 1 else 0)


def test_runs_that_diverged_are_listed_with_their_epoch_and_are_no_mean(tmp_path):
    study = MadeStudy(tmp_path, diverged=(1,))
    text = Words(write_report(study, formats=()).read_text()).text
    for variant in study.variants:
        assert f"{variant} Go/NoGo free synthetic published 1 2" in text
        kept = study.runs.query("variant == @variant and seed != 1")["accuracy"].mean()
        assert f" {variant} {kept:.3f} ±" in text


def test_a_large_study_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(_figures, "_ALL_CELLS", 2_000)  # of what grows without end, a part of a part
    monkeypatch.setattr(_figures, "_ALL_EDGES", 100)
    study = MadeStudy(tmp_path, tasks=("go_nogo", "one_choice_inference"), seeds=4)
    figures = drawn(write_report(study, formats=()).read_text())["figures"]
    cells = sum(len(base64.b64decode(spec["cells"])) for spec in figures["matrix"]["specs"].values())
    edges = sum(len(spec["ends"]) // 2 for spec in figures["space"]["specs"].values())
    assert len(figures["matrix"]["specs"]) == 6
    assert 6 * 100 <= cells <= 2_000
    assert 6 * 10 <= edges <= 100


def test_what_data_say_is_text_and_never_a_tag(tmp_path):
    study = MadeStudy(tmp_path)
    evil = "</script><script>alert('evil')</script>&<b>"
    study.runs.loc[study.runs["variant"] == "W*D*C", ["variant", "diverged_epoch"]] = [evil, 2.0]
    page = write_report(study, claims=evil_claims(evil), reference=evil, formats=()).read_text()
    assert "<script>alert" not in page
    assert evil in Words(page).text
    assert drawn(page)["axes"]["variant"][0] == evil
    assert (
        drawn(page)["figures"]["metrics"]["specs"]["0/0"]["layout"]["yaxis"]["ticktext"][0]
        == "&lt;/script&gt;&lt;script&gt;alert('evil')&lt;/script&gt;&amp;&lt;b&gt; "
    )


def test_one_page_replaces_another_only_when_it_is_whole(tmp_path, monkeypatch):
    study = MadeStudy(tmp_path, variants=("W",), seeds=1)
    page = write_report(study, formats=())
    before = page.read_bytes()
    monkeypatch.setattr(
        write_module, "render", lambda *given: (_ for _ in ()).throw(OSError("no space left on device"))
    )
    with pytest.raises(OSError, match="no space"):
        write_report(study, formats=())
    assert page.read_bytes() == before
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


BAD = {
    "no page": ({"path": "report.pdf"}, r"suffix of path must be one of '.html'"),
    "an unknown format": ({"formats": [".gif"]}, "formats must be one of '.png', '.svg'"),
    "a reference that was not run": ({"reference": "WDC"}, "reference must be one of 'W\\*D\\*C', 'WD', 'W'"),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses(tmp_path, case):
    options, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        write_report(MadeStudy(tmp_path), **options)
    assert not list(tmp_path.glob("*"))
