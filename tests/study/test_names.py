"""Names and seeds that a study can write down, whatever types they come in, and those that it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from graphcortex.study import Protocol, RunKey, Study, load_results, load_study
from tests.study._small import SHORT, connectome

SEEDS = {
    "numbers of NumPy": [np.int64(0), np.uint8(3)],
    "an array": np.array([0, 3]),
    "a tensor": torch.tensor([0, 3]),
    "a range": range(0, 4, 3),
    "once each": (0, np.int32(3), 3),
    "a generator": (seed for seed in (0, 3)),
}


def study(**changed) -> Study:
    given = {"connectomes": {"tiny": connectome(12)}, "variants": ("WD",), "tasks": ("go_nogo",), "seeds": 1}
    return Study(**{**given, "protocols": {"published": SHORT}, **changed})


@pytest.mark.parametrize("seeds", SEEDS.values(), ids=SEEDS)
def test_seeds_of_any_type_are_numbers_of_python(tmp_path, seeds):
    given = study(seeds=seeds)
    assert given.seeds == (0, 3)
    assert {type(seed) for seed in given.seeds} == {int}
    results = given.run(tmp_path, progress=False)
    assert results.keys == load_results(tmp_path).keys == study(seeds=(0, 3)).keys()
    assert load_study(tmp_path).seeds == (0, 3)


@pytest.mark.parametrize("seed", [10**30, 2**63, -1, 0.5, True, "0", np.float64(1)])
def test_a_seed_that_cannot_be_written_down_is_refused(seed):
    for make in (lambda: study(seeds=[seed]), lambda: RunKey("go_nogo", "W", seed=seed)):
        with pytest.raises(ValueError, match=r"seed must be .*got"):
            make()


def test_the_last_seed_is_run(tmp_path):
    results = study(seeds=[2**63 - 1]).run(tmp_path, progress=False)
    assert results.failures == ()
    assert load_results(tmp_path).keys == [RunKey("go_nogo", "WD", seed=2**63 - 1, connectome="tiny")]


def test_numbers_of_numpy_are_those_of_python_everywhere(tmp_path):
    protocol = replace(
        SHORT, epochs=np.int64(1), learning_rate=np.float32(0.5), betas=(np.float64(0.5), np.float32(0.25)), patience=np.int16(2)
    )  # fmt: skip
    assert protocol == replace(SHORT, epochs=1, learning_rate=0.5, betas=(0.5, 0.25), patience=2)
    assert type(protocol.epochs) is int
    given = study(protocols={"published": protocol}, threads=np.int64(1), seeds=np.int64(1))
    given.run(tmp_path, keep_weights=np.bool_(True), checkpoint_every=np.int64(1), progress=False)
    assert load_study(tmp_path).protocols == {"published": protocol}
    assert Protocol(betas=[0.5, 0.25]) == Protocol(betas=(0.5, 0.25))


@pytest.mark.parametrize(
    "name", [".", "..", ".hidden", "ends.", "a/b", "", "n\u0000", "a b", "x" * 201, "\u00e9" * 101]
)
def test_a_name_that_is_no_folder_of_its_own_is_refused(name, tmp_path):
    for changed in ({"connectomes": {name: connectome(12)}}, {"tasks": {name: None}}):
        with pytest.raises(ValueError, match=r"(connectome|task) must be a name of .*got"):
            study(**changed)
    assert study(connectomes={"a.b": connectome(12), "x" * 200: connectome(12)})


def test_the_longest_name_is_run(tmp_path):
    name = "\u00e9" * 100
    assert study(connectomes={name: connectome(12)}).run(tmp_path, progress=False).runs["connectome"].tolist() == [name]


def test_names_that_differ_in_case_alone_are_refused(tmp_path):
    """Where the case of letters does not count, as on macOS, one would be written over the other."""
    for changed in (
        {"connectomes": {"V1": connectome(12), "v1": connectome(12)}},
        {"tasks": {"Mine": None, "mine": None}},
        {"protocols": ("published,penalty_scale=1e-3", "published,penalty_scale=1E-3")},
    ):
        with pytest.raises(ValueError, match=r"must have names that differ in more than the case of letters.*got '"):
            study(**changed)
    study(connectomes={"V1": connectome(12)}).run(tmp_path, progress=False)
    with pytest.raises(ValueError, match=r"connectomes of .*got 'V1' and 'v1'"):
        study(connectomes={"v1": connectome(12)}).run(tmp_path, progress=False)
    study(connectomes={"v1": connectome(12)}).run(tmp_path, overwrite=True, progress=False)
    assert load_results(tmp_path).runs["connectome"].tolist() == ["v1"]
