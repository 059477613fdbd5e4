from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from graphcortex.study import (
    CLAIMS,
    CONTROLS,
    PUBLISHED_VARIANTS,
    ClaimsTable,
    Variant,
    compare_variants,
    evaluate_claims,
    run_study,
)
from graphcortex.study._comparisons import Comparison
from graphcortex.study._evidence import Rules, gather, seeds_to_decide
from tests.study._small import SmallConfig

BY_NAME = {claim.name: claim for claim in CLAIMS}
NAMES = [str(variant) for variant in PUBLISHED_VARIANTS]
GRAPHS = {"entropy": 4.0, "modularity": 0.2, "small_worldness": 1.0, "assortativity": 0.0}


def study(
    accuracy: dict[str, float] | float = 0.7,
    *,
    seeds: int = 12,
    sd: float = 0.01,
    seed: int = 0,
    nonnegative: float = 0.0,
    graphs: dict[str, dict[str, float]] | None = None,
    variants: list[str] = NAMES,
    recurrences: tuple[str, ...] = ("free", "nonnegative"),
    **columns: str,
) -> pd.DataFrame:
    """A table of runs with planted means; every seed has an offset that its runs share."""
    rng = np.random.default_rng(seed)
    offset = rng.normal(0, 0.02, seeds)
    rows = []
    for recurrence in recurrences:
        for variant in variants:
            mean = accuracy if isinstance(accuracy, float) else accuracy[variant]
            mean += nonnegative * (recurrence == "nonnegative")
            for s in range(seeds):
                row = {"connectome": "6_6_2", "protocol": "corrected", "recurrence": recurrence, "task": "go_nogo"}
                row |= {"variant": variant, "seed": s, "diverged_epoch": math.nan, **columns}
                row["accuracy"] = float(np.clip(mean + offset[s] + rng.normal(0, sd), 0, 1))
                for metric, value in GRAPHS.items():
                    row[metric] = (graphs or {}).get(variant, {}).get(metric, value) + rng.normal(0, 0.01)
                rows.append(row)
    return pd.DataFrame(rows)


def planted(w=0.0, d=0.0, c=0.0, renamed=0.0, base=0.6) -> dict[str, float]:
    """Mean accuracies in which each factor adds what is given."""
    return {
        name: base
        + w * name.startswith(("W*", "W!"))
        - renamed * name.startswith("W!")
        + d * ("D*" in name)
        + c * ("C" in name)
        for name in NAMES
    }


def judge(runs: pd.DataFrame, name: str, recurrence: str = "free", **options):
    table = evaluate_claims(runs, [BY_NAME[name]], **{"resamples": 200, **options})
    found = [finding for finding in table if finding.recurrence in (recurrence, "both")]
    assert len(found) == 1
    return found[0]


# --- what was planted comes out


GRAPH = {"W*D*C": {"entropy": 1.0, "modularity": 0.5, "small_worldness": 2.0}}
HOLDS = {
    "initialisation": study(planted(w=0.2, d=0.05, c=0.05)),
    "real space": study(planted(d=0.05)),
    "learned graphs": study(graphs=GRAPH),
    "positive only": study(0.9),
    "identity of neurons": study(planted(renamed=0.06)),
}
FAILS = {
    "initialisation": study(planted(w=0.05, d=0.2)),
    "real space": study(planted(d=0.0)),
    "learned graphs": study(graphs={"W*D*C": {**GRAPH["W*D*C"], "modularity": 0.1}}),
    "positive only": study(0.8, nonnegative=-0.1),
    "identity of neurons": study(planted(renamed=0.0)),
}
UNDECIDED = {
    "initialisation": study(planted(w=0.05, d=0.04), sd=0.1),
    "real space": study(planted(d=0.02), sd=0.1),
    "learned graphs": study(graphs={"W*D*C": {"entropy": 3.9, "modularity": 0.22, "small_worldness": 1.1}}),
    "positive only": study(0.8, sd=0.1, nonnegative=-0.01),
    "identity of neurons": study(planted(renamed=0.02), sd=0.1),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_claim_that_is_true_holds(name):
    finding = judge(HOLDS[name], name)
    assert finding.verdict == "holds", str(finding)
    assert finding.p <= 0.05
    assert finding.seeds_needed is None
    assert all(part.verdict == "holds" for part in finding.comparisons)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_claim_that_is_false_fails(name):
    finding = judge(FAILS[name], name)
    assert finding.verdict == "fails", str(finding)
    assert finding.p_against <= 0.05
    assert finding.low <= finding.effect <= finding.high


@pytest.mark.parametrize("name", [n for n in BY_NAME if n != "learned graphs"])
def test_a_claim_that_noise_hides_is_undecided_and_says_what_it_would_take(name):
    finding = judge(UNDECIDED[name], name)
    assert finding.verdict == "undecided", str(finding)
    assert finding.seeds_needed > 12
    assert f"about {finding.seeds_needed} seeds would decide" in finding.reason


def test_an_effect_at_the_smallest_that_matters_is_undecided_for_graphs_too():
    finding = judge(UNDECIDED["learned graphs"], "learned graphs")
    assert finding.verdict != "fails"


def test_a_real_but_tiny_effect_fails():
    finding = judge(study(planted(d=0.005), sd=0.002), "real space")
    assert finding.verdict == "fails"
    assert finding.p < 0.05
    assert "to be less than 0.02" in finding.reason


def test_what_is_tiny_and_what_matters_is_a_field_of_the_claim():
    runs = study(planted(d=0.01), sd=0.002)
    assert judge(runs, "real space").verdict == "fails"
    claim = replace(BY_NAME["real space"], smallest_effect={"accuracy": 0.005})
    (free, _) = evaluate_claims(runs, [claim], resamples=100)
    assert free.verdict == "holds"
    assert free.smallest_effect == 0.005


def test_better_than_free_is_no_failure_of_positive_only():
    assert judge(study(0.7, nonnegative=0.1), "positive only").verdict == "holds"


def test_training_to_the_floor_is_no_success_of_positive_only():
    finding = judge(study(0.5, sd=0.005), "positive only")
    assert finding.verdict == "fails"
    assert "best trivial strategy" in finding.compared


# --- numbers of a comparison


def test_a_comparison_is_that_of_the_pairs():
    runs = study(planted(renamed=0.06))
    finding = judge(runs, "identity of neurons")
    parts = {part.compared: part for part in finding.comparisons}
    assert set(parts) == {"W*D*C - W!D*C", "W*D*C* - W!D*C*"}
    free = runs[runs["recurrence"] == "free"]
    wide = free.pivot(index="seed", columns="variant", values="accuracy")
    part = parts["W*D*C - W!D*C"]
    assert part.effect == pytest.approx((wide["W*D*C"] - wide["W!D*C"]).mean())
    assert (part.n, part.dropped, part.metric, part.expected) == (12, 0, "accuracy", "different")
    # Four comparisons (two twins, two recurrences) of twelve signs that all agree: 4 * 2 / 2^12.
    assert part.p == pytest.approx(8 / 2**12)


def test_gains_are_means_over_twins():
    runs = study(planted(w=0.2, d=0.05, c=0.03), sd=0.001, recurrences=("free",))
    parts = judge(runs, "initialisation").comparisons
    assert [round(part.effect, 2) for part in parts] == [0.2, 0.15, 0.17]
    assert "W*D*C - WD*C, W*D*C* - WD*C*" in parts[0].compared
    assert "WDC - WD" in parts[2].compared
    assert "W!" not in parts[2].compared


def test_controls_are_no_part_of_the_paper_s_claims():
    runs = study(planted(d=0.05))
    extra = runs[runs["variant"].isin(["WD*C", "WDC"])].assign(
        variant=lambda t: "W[positive]" + t["variant"].str[1:], accuracy=0.5
    )
    sparse = runs[runs["variant"].isin(["WD*C", "WDC"])].assign(
        variant=lambda t: t["variant"] + "+sparse", accuracy=0.5
    )
    before, after = judge(runs, "real space"), judge(pd.concat([runs, sparse]), "real space")
    assert [part.compared for part in before.comparisons] == [part.compared for part in after.comparisons]
    assert judge(pd.concat([runs, extra]), "identity of neurons").comparisons


# --- runs that are missing, diverged or too few


CONTROL_OF = {
    "self-connections": ("W*[diagonal]D*C", "W*D*C", "no less"),
    "no neural data": ("W[diagonal]D*C", "W*D*C", "no less"),
    "positivity and radius": ("W[positive]D*C", "W*D*C", "no less"),
    "which pairs": ("W*D*C", "W*[shuffled]D*C", "greater"),
    "pairs alone": ("W*[no-diagonal]D*C", "WD*C", "greater"),
    "geometry": ("W*D*C", "W*D*[shuffled]C", "greater"),
}


@pytest.mark.parametrize("claim", CONTROLS, ids=lambda claim: claim.name)
@pytest.mark.parametrize("difference", [0.1, 0.0, -0.1])
def test_controls_compare_a_level_with_its_twin(claim, difference):
    high, low, expected = CONTROL_OF[claim.name]
    runs = study({high: 0.7 + difference, low: 0.7}, variants=[high, low], recurrences=("free",))
    (finding,) = evaluate_claims(runs, [claim], resamples=200)
    assert finding.verdict == ("holds" if difference > 0 or (difference == 0 and expected == "no less") else "fails")
    assert finding.compared == f"{high} - {low}"
    assert finding.expected == expected
    assert {high, low} <= set(map(str, map(Variant.parse, (high, low))))


def test_a_claim_without_its_variants_is_undecided_and_says_so():
    table = evaluate_claims(study(variants=["WD*C", "WD"]), resamples=50)
    assert {finding.verdict for finding in table} == {"undecided"}
    reasons = {finding.claim: finding.reason for finding in table}
    assert "differ in W* alone" in reasons["initialisation"]
    assert "differ in D* and D alone" in reasons["real space"]
    assert "W*D*C and W" in reasons["learned graphs"]
    assert "no variant of W*" in reasons["positive only"]
    assert "differ in W* and W! alone" in reasons["identity of neurons"]
    assert table.to_dataframe()["seeds_needed"].isna().all()


def test_too_few_pairs_decide_nothing():
    runs = study(planted(renamed=0.3), seeds=5, sd=0.001)
    finding = judge(runs, "identity of neurons")
    assert finding.verdict == "undecided"
    assert finding.reason.split(": ", 1)[1].startswith(
        "5 pairs are too few, at least 6 are due; if the effect stays so, about"
    )
    assert judge(study(planted(renamed=0.3), seeds=1), "identity of neurons").seeds_needed is None


def test_the_seeds_that_are_left_of_many_diverged_ones_are_a_selection():
    runs = study(planted(d=0.1))
    lost = runs["variant"].eq("WD*") & runs["seed"].lt(3) & runs["recurrence"].eq("free")
    runs.loc[lost, ["accuracy", "diverged_epoch"]] = [0.5, 2.0]
    finding = judge(runs, "real space")
    assert finding.verdict == "undecided"
    assert "3 of 12 pairs were dropped" in finding.reason
    assert judge(runs, "real space", maximum_dropped=0.3).verdict == "holds"


def test_runs_that_all_diverged_are_counted_and_not_tested():
    runs = study(planted(d=0.1))
    runs.loc[runs["variant"].eq("WD*"), ["accuracy", "diverged_epoch"]] = [0.5, 1.0]
    part = next(p for p in judge(runs, "real space").comparisons if p.compared == "WD* - WD")
    assert (part.n, part.dropped, part.verdict) == (0, 12, "undecided")
    assert math.isnan(part.p)
    assert "none of 12 pairs is left" in part.reason


def test_networks_that_diverge_do_not_work():
    runs = study(0.9, seeds=20)
    lost = runs["recurrence"].eq("nonnegative") & runs["seed"].lt(15)
    runs.loc[lost, ["accuracy", "diverged_epoch"]] = [0.5, 1.0]
    finding = judge(runs, "positive only")
    assert finding.verdict == "fails"
    assert (finding.compared, finding.effect, finding.n) == (
        "share of nonnegative runs (W*D*C, W*D*C*, W*DC*) that diverged",
        0.75,
        60,
    )


def test_a_metric_that_is_infinite_has_no_value():
    runs = study(graphs=GRAPH)
    runs.loc[runs["seed"] == 0, "small_worldness"] = math.inf
    finding = judge(runs, "learned graphs")
    assert finding.verdict == "holds"
    assert {part.metric: part.dropped for part in finding.comparisons}["small_worldness"] == 1


# --- families and places


def test_protocols_are_judged_apart_and_groups_of_one_together():
    runs = study(planted(renamed=0.06))
    other = study(planted(renamed=0.0), seed=1, protocol="published")
    task = study(planted(renamed=0.06), seed=2, task="perceptual_decision")
    claim = [BY_NAME["identity of neurons"]]
    alone = evaluate_claims(runs, claim, resamples=50)
    both = evaluate_claims(pd.concat([runs, other]), claim, resamples=50)
    assert both.findings[:2] == alone.findings
    assert {finding.verdict for finding in both.findings[2:]} == {"fails"}
    more = evaluate_claims(pd.concat([runs, task]), claim, resamples=50)
    assert more.findings[0].p == pytest.approx(2 * alone.findings[0].p)


def test_the_order_of_rows_does_not_matter():
    runs = study(planted(renamed=0.03, d=0.03), sd=0.03)
    shuffled = runs.sample(frac=1, random_state=0)
    keys = ["claim", "recurrence", "task", "compared"]
    tables = [
        evaluate_claims(t, resamples=50).to_dataframe(comparisons=True).sort_values(keys, ignore_index=True)
        for t in (runs, shuffled)
    ]
    columns = ["verdict", "effect", "p", "p_against", "n", "dropped", "seeds_needed"]
    whole = [t[t["claim"] != "initialisation"] for t in tables]  # whose words list variants as they come
    pd.testing.assert_frame_equal(whole[0][columns], whole[1][columns])


def test_columns_that_a_small_table_lacks_are_left_out():
    runs = study(planted(renamed=0.06), recurrences=("free",)).drop(
        columns=["connectome", "protocol", "recurrence", "task"]
    )
    table = evaluate_claims(runs, resamples=50)
    finding = next(f for f in table if f.claim == "identity of neurons")
    assert (finding.verdict, finding.connectome, finding.task) == ("holds", "", "")
    assert next(f for f in table if f.claim == "positive only").verdict == "undecided"


def test_a_task_of_one_s_own_needs_its_floor():
    runs = study(0.9, task="mine")
    assert "floor of the task 'mine' is not known" in judge(runs, "positive only").reason
    assert judge(runs, "positive only", floors={"mine": 0.5}).verdict == "holds"
    assert judge(runs, "positive only", floors={"mine": 0.95}).verdict == "fails"


def test_the_table_as_a_frame_and_as_text():
    table = evaluate_claims(study(planted(w=0.2, d=0.05), graphs=GRAPH), resamples=50)
    assert isinstance(table, ClaimsTable)
    assert len(table) == 2 * 4 + 1
    frame, parts = table.to_dataframe(), table.to_dataframe(comparisons=True)
    assert len(frame) == 9
    assert len(parts) == sum(len(finding.comparisons) for finding in table) == 2 * (3 + 3 + 3 + 2) + 7
    assert set(frame["verdict"]) <= {"holds", "fails", "undecided"}
    assert "comparisons" not in frame
    text = str(table)
    for claim in CLAIMS:
        assert claim.statement[:40] in text.replace("\n", " ")
    assert "  holds      6_6_2, corrected, free, go_nogo: " in text
    assert "6_6_2, corrected, both, go_nogo" in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_runs_of_a_study_can_be_judged(tmp_path):
    config = SmallConfig(
        connectome=("small",),
        tasks=("go_nogo",),
        variants=("W*D*C", "W!D*C", "W"),
        seeds=2,
        epochs=1,
        recurrence=("free", "nonnegative"),
        threads=1,
        out=tmp_path / "study",
    )
    runs = run_study(config, progress=False).runs
    table = evaluate_claims(runs, resamples=50)
    places = [(f.claim, f.connectome, f.protocol, f.recurrence, f.task) for f in table]
    assert ("identity of neurons", "small", "published", "free", "go_nogo") in places
    assert ("positive only", "small", "published", "both", "go_nogo") in places
    assert {finding.verdict for finding in table} <= {"undecided", "fails"}
    compared = compare_variants(runs, "W*D*C", ["W!D*C", "W"], "entropy")
    assert list(compared["n"] + compared["dropped"]) == [2] * 4


# --- by chance


def rate_bound(share: float, tables: int) -> float:
    return scipy.stats.binom.ppf(0.999, tables, share) / tables


@pytest.mark.slow
def test_tables_of_noise_rarely_bear_a_claim_out():
    """All networks guess alike: no claim is true, and each may hold in at most one table in twenty."""
    tables, held = 60, dict.fromkeys(BY_NAME, 0)
    for seed in range(tables):
        runs = study(0.5, sd=0.05, seeds=8, seed=seed)
        for finding in evaluate_claims(runs, resamples=10):
            held[finding.claim] += finding.verdict == "holds"
    for name, count in held.items():
        groups = 1 if name == "positive only" else 2
        assert count / (tables * groups) <= rate_bound(0.05, tables * groups), name


@pytest.mark.slow
def test_true_claims_rarely_fail():
    """Each twin differs by exactly what matters: a claim with three comparisons fails in one table in twenty at most."""
    tables, failed = 100, {"real space": 0, "identity of neurons": 0}
    for seed in range(tables):
        runs = study(planted(d=0.02, renamed=0.02), sd=0.01, seeds=8, seed=seed, recurrences=("free",))
        for finding in evaluate_claims(runs, [BY_NAME[name] for name in failed], resamples=10):
            failed[finding.claim] += finding.verdict == "fails"
    assert max(failed.values()) / tables <= rate_bound(0.05, tables)


@pytest.mark.slow
@pytest.mark.parametrize("renamed", [0.0, 0.02])
def test_the_seeds_it_says_it_needs_decide(renamed):
    """With as many seeds as an undecided table asks for, none is told from the smallest effect of interest four times in five."""
    told = {"sd": 0.03, "recurrences": ("free",), "variants": ["W*D*C", "W!D*C"]}
    needed = [
        finding.seeds_needed
        for seed in range(20)
        for finding in [judge(study(planted(renamed=renamed), seed=seed, **told), "identity of neurons")]
        if finding.verdict == "undecided"
    ]
    seeds = int(np.median(needed))
    tables = [
        judge(study(planted(renamed=renamed), seeds=seeds, seed=100 + s, **told), "identity of neurons", resamples=199)
        for s in range(40)
    ]
    if renamed:
        # At the margin itself half of the estimates fall short of it: the test that tells it from 0 is what has the power.
        decided = np.mean([finding.p <= 0.05 for finding in tables])
    else:
        decided = np.mean([finding.verdict == "fails" for finding in tables])
    assert decided > 0.65


def plan(expected: str, effect: float, sd: float, *, n: int = 12, margin: float = 0.02) -> int | None:
    """Return the seeds planned for a comparison with exactly this mean and spread of its differences."""
    noise = np.resize([1.0, -1.0], n)
    differences = effect + sd * noise / noise.std(ddof=1)
    evidence = gather(Comparison("A less B", "accuracy", expected, margin, differences), Rules(resamples=10), 0)
    return seeds_to_decide(evidence, 1, Rules())


@pytest.mark.parametrize(
    ("expected", "effect", "difference"),
    [
        ("greater", 0.1, 0.1),
        ("greater", -0.1, 0.12),
        ("greater", 0.015, 0.005),
        ("no less", -0.1, 0.1),
        ("no less", 0.1, 0.12),
    ],
)
def test_the_plan_is_for_the_effect_that_was_seen(expected, effect, difference):
    """The power of a t test at the planned number, by scipy's noncentral t alone, just reaches .8 for the effect that was seen."""
    sd = 0.2
    seeds = plan(expected, effect, sd)

    def power(n: int) -> float:
        return scipy.stats.nct.sf(scipy.stats.t.isf(0.05, n - 1), n - 1, difference / sd * np.sqrt(n))

    assert power(seeds) >= 0.8 > power(seeds - 1)


def test_a_large_effect_takes_fewer_seeds_than_the_smallest_of_interest():
    assert plan("different", 0.3, 0.2) < plan("different", 0.1, 0.2) < plan("different", 0.021, 0.2)
    assert plan("different", 0.0, 0.2) < plan("different", 0.015, 0.2), (
        "an effect near the margin is hard to tell from it"
    )
    assert plan("greater", 0.02 - 1e-6, 0.2) is None, "no number of seeds tells the margin from itself"


@pytest.mark.parametrize(("count", "n", "margin"), [(0, 8, 0.2), (1, 12, 0.2), (6, 12, 0.2), (3, 12, 0.2)])
def test_the_plan_for_a_share_is_for_the_share_that_was_seen(count, n, margin):
    differences = np.repeat([1.0, 0.0], [count, n - count])
    comparison = Comparison("share", "diverged", "rare", margin, differences)
    seeds = seeds_to_decide(gather(comparison, Rules(), 0), 1, Rules())
    side, share = ("less", count / n) if count / n < margin else ("greater", count / n)
    counts = np.arange(seeds + 1)
    shown = [scipy.stats.binomtest(int(k), seeds, margin, side).pvalue <= 0.05 for k in counts]
    assert scipy.stats.binom.pmf(counts, seeds, share)[shown].sum() >= 0.8
    if count == 0:
        assert seeds == max(n + 1, int(np.ceil(np.log(0.05) / np.log(1 - margin))))


BAD = {
    "no accuracy": ({"accuracy"}, {}, "missing: accuracy"),
    "no seeds": ({"seed"}, {}, "missing: seed"),
    "a level beyond one half": (set(), {"alpha": 0.7}, "alpha must lie"),
    "one pair": (set(), {"minimum_pairs": 1}, "minimum_pairs must be"),
    "a share beyond 1": (set(), {"maximum_dropped": 2}, "maximum_dropped must be"),
}


@pytest.mark.parametrize(("dropped", "options", "message"), BAD.values(), ids=BAD.keys())
def test_rejects(dropped, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate_claims(study(seeds=2).drop(columns=list(dropped)), **options)


def test_rejects_runs_that_are_there_twice():
    runs = study(seeds=2)
    with pytest.raises(ValueError, match="each run must be there once"):
        evaluate_claims(pd.concat([runs, runs]))
