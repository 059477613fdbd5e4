from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from graphcortex.study.statistics import (
    cliffs_delta_paired,
    compare_variants,
    hodges_lehmann_paired,
    holm,
    mean_difference_paired,
    sign_flip_test,
    wilcoxon_signed_rank,
)


def runs_of(seed=0, seeds=7, tasks=("go_nogo", "perceptual_decision"), variants=("W*", "W", "W!")) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        {
            "connectome": "6_6_2",
            "protocol": "corrected",
            "recurrence": "free",
            "task": task,
            "variant": variant,
            "seed": s,
            "accuracy": float(np.clip(rng.normal(0.8 if variant == "W*" else 0.7, 0.1), 0, 1)),
            "entropy": rng.normal(3, 1),
            "diverged_epoch": math.nan,
        }
        for task in tasks
        for variant in variants
        for s in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_a_row_holds_what_the_functions_return():
    runs = runs_of()
    table = compare_variants(runs, "W*", ["W", "W!"])
    assert list(table["task"]) == ["go_nogo", "go_nogo", "perceptual_decision", "perceptual_decision"]
    assert list(table["b"]) == ["W", "W!"] * 2
    row = table.iloc[2]
    one = runs[runs["task"] == "perceptual_decision"]
    a, b = (one[one["variant"] == v].sort_values("seed")["accuracy"].to_numpy() for v in ("W*", "W"))
    assert row["p"] == sign_flip_test(a, b).p
    assert row["difference"] == mean_difference_paired(a, b).value
    assert row["shift"] == hodges_lehmann_paired(a, b).value
    assert row["delta"] == cliffs_delta_paired(a, b).value
    assert (row["n"], row["dropped"], row["mean_a"], row["mean_b"]) == (7, 0, a.mean(), b.mean())
    np.testing.assert_allclose(table["p_holm"], holm(table["p"]))
    assert compare_variants(runs, "W*", "W", test="wilcoxon").loc[1, "p"] == wilcoxon_signed_rank(a, b).p


def test_pairs_are_those_of_the_seed_whatever_the_order_of_rows():
    runs = runs_of()
    shuffled = runs.sample(frac=1, random_state=1).sort_values("task", kind="stable")
    pd.testing.assert_frame_equal(compare_variants(runs, "W*", "W"), compare_variants(shuffled, "W*", "W"))


def test_a_run_that_diverged_is_in_no_pair_though_it_reports_chance():
    runs = runs_of(tasks=("go_nogo",))
    runs.loc[0, ["accuracy", "diverged_epoch"]] = [0.5, 3]
    runs.loc[8, "accuracy"] = math.nan
    runs = runs.drop(index=9)
    row = compare_variants(runs, "W*", "W").iloc[0]
    assert (row["n"], row["dropped"], row["diverged_a"], row["diverged_b"]) == (4, 3, 1, 1)
    kept = runs[runs["seed"].between(3, 6)]
    assert row["mean_a"] == kept[kept["variant"] == "W*"]["accuracy"].mean()


def test_a_group_without_pairs_has_no_p_and_does_not_count():
    runs = runs_of()
    runs.loc[(runs["task"] == "go_nogo") & (runs["variant"] == "W"), "accuracy"] = math.nan
    table = compare_variants(runs, "W*", "W")
    assert math.isnan(table.loc[0, "p"])
    assert math.isnan(table.loc[0, "mean_a"])
    assert table.loc[1, "p_holm"] == table.loc[1, "p"]


def test_pooled_groups_keep_their_pairs():
    table = compare_variants(runs_of(), "W*", "W", by=("connectome",))
    assert list(table["n"]) == [14]
    assert "task" not in table


def test_a_group_s_numbers_do_not_depend_on_the_others():
    runs = runs_of()
    whole = compare_variants(runs, "W*", ["W", "W!"], "entropy")
    part = compare_variants(runs[runs["task"] == "perceptual_decision"], "W*", "W!", "entropy")
    columns = [c for c in part.columns if c != "p_holm"]
    pd.testing.assert_frame_equal(whole.iloc[[3]][columns].reset_index(drop=True), part[columns])


def test_intervals_of_accuracies_stay_within_bounds():
    runs = runs_of()
    runs["accuracy"] = (runs["variant"] == "W*").astype(float)
    row = compare_variants(runs, "W*", "W").iloc[0]
    assert (row["difference"], row["difference_high"], row["delta_high"]) == (1, 1, 1)
    assert row["difference_low"] < 1


BAD = {
    "no such variant": ({"a": "W?", "b": "W"}, "variant must be one of"),
    "with itself": ({"a": "W", "b": "W"}, "other than a"),
    "with nothing": ({"a": "W", "b": []}, "other than a"),
    "no such metric": ({"a": "W", "b": "W*", "metric": "speed"}, "missing: speed"),
    "no such test": ({"a": "W", "b": "W*", "test": "t"}, "test must be one of"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD.keys())
def test_rejects(options, message):
    with pytest.raises(ValueError, match=message):
        compare_variants(runs_of(), **options)


def test_rejects_two_runs_in_one_place():
    runs = runs_of()
    with pytest.raises(ValueError, match=r"each run must be there once: variant W\* .*seed 0"):
        compare_variants(pd.concat([runs, runs.iloc[:1]]), "W*", "W")
