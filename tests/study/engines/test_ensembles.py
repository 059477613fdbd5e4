from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from graphcortex.study import Ensembles, Failure, RunKey, Study
from graphcortex.study.engines import Runner, ensembles
from graphcortex.study.progress import Progress
from tests.study._small import SHORT, connectome
from tests.study.test_run import same

GRAPH = connectome(12)
RUNNER = Runner({"synthetic": GRAPH}, {"published": SHORT})
KEYS = [RunKey("go_nogo", variant, seed=seed) for seed in range(3) for variant in ("W", "WD")]
QUIET = Progress(0, show=False)


def test_every_run_gives_what_it_gives_alone():
    found = list(Ensembles(2).run(RUNNER, KEYS, progress=QUIET))
    assert {result.key for result in found} == set(KEYS)
    for result in found:
        alone = RUNNER(result.key)
        torch.testing.assert_close(result.weights, alone.weights, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("engine", "neurons", "groups"), [
    (Ensembles(), 12, [3, 3]),
    (Ensembles(2), 12, [2, 2]),  # the third seed of each runs as any run does
    (Ensembles(), 500, []),
    (Ensembles(always=True), 500, [3, 3]),
])  # fmt: skip
def test_groups_are_trained_together_where_it_is_faster(engine, neurons, groups, monkeypatch):
    seen: list[int] = []
    monkeypatch.setattr(ensembles, "worthwhile", lambda count, device: neurons < 100 and count == 12)
    monkeypatch.setattr(ensembles, "run_ensemble", lambda graph, keys, *a, **o: seen.append(len(keys)) or keys)
    monkeypatch.setattr(ensembles, "attempt", lambda runner, key, on_epoch: key)
    assert set(engine.run(RUNNER, KEYS, progress=QUIET)) == set(KEYS)
    assert seen == groups


def test_one_run_that_fails_does_not_stop_the_others_of_its_group():
    """The networks of seed 1 cannot be made."""
    from graphcortex.study import run

    plain = run.build_network

    def build(*arguments, seed, **options):
        if seed == 1:
            raise ValueError("not this one")
        return plain(*arguments, seed=seed, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "build_network", build)
        found = list(Ensembles().run(RUNNER, KEYS[::2], progress=QUIET))
    assert [isinstance(result, Failure) for result in found] == [False, True, False]
    assert "not this one" in found[1].error
    assert same(found[0], RUNNER(KEYS[0]))


def test_epochs_of_every_run_are_told():
    told: list[tuple[int, int]] = []

    class Told(Progress):
        def epoch(self, key, row):
            told.append((key.seed, row["epoch"]))

    list(Ensembles().run(RUNNER, KEYS[::2], progress=Told(0, show=False)))
    assert sorted(told) == [(seed, epoch) for seed in range(3) for epoch in (1, 2)]


def test_a_study_with_it_is_the_study(tmp_path):
    """Rounding apart; accuracies are of whole trials, and entropies of many weights."""
    study = Study({"small": GRAPH}, ("W", "WDC"), ("go_nogo",), 3, {"published": replace(SHORT, epochs=1)})
    tables = [
        study.run(tmp_path / str(number), engine=engine, progress=False).runs
        for number, engine in enumerate((None, Ensembles(2)))
    ]
    for name in ("variant", "seed", "epochs", "best_epoch"):
        assert tables[0][name].tolist() == tables[1][name].tolist()
    assert tables[1]["entropy"].tolist() == pytest.approx(tables[0]["entropy"].tolist(), rel=1e-3)


def test_a_size_of_nothing_is_refused():
    with pytest.raises(ValueError, match="size must"):
        Ensembles(0)
