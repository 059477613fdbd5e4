"""The published protocol in Keras: the same steps as ours, told apart where they are not, and no run done twice."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from graphcortex.kernels import complete_edge_index
from graphcortex.study import METRICS, RunKey, Variant, edge_lengths
from graphcortex.study.wiring import anatomical_communicability
from tests.study._small import connectome
from tests.test_examples import example


@pytest.fixture
def in_keras(monkeypatch):
    module = example("in_keras")
    monkeypatch.setitem(module.GRIDS, 12, (2, 3, 2))
    return module


def keras():
    """Return TensorFlow and Keras, or skip: they are no requirement."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install tensorflow-cpu==2.21.0")
    return tf, pytest.importorskip("keras")


@pytest.mark.parametrize(
    ("variant", "recurrence"),
    [("W", "free"), ("WD", "free"), ("WDC", "free"), ("W*DC*", "free"), ("W!D*C*", "nonnegative"), ("W*D*C", "free")],
)
def test_both_take_the_same_steps(in_keras, variant, recurrence):
    tf, known = keras()
    key = RunKey("go_nogo", variant, recurrence, 3)
    assert in_keras.steps_apart(tf, known, connectome(12), key) < 1e-3


@pytest.mark.parametrize(
    ("variant", "changed"),
    [
        ("W", {"l1_strength": 1e-4}),
        ("WDC", {"length_strength": 0.6}),
        ("W*DC*", {"emd_strength": 0.0}),
        ("W*D*C*", {"emd_strength": 1.0}),
    ],
)
def test_another_price_is_seen_in_the_steps(in_keras, monkeypatch, variant, changed):
    tf, known = keras()
    other, paid = replace(in_keras.PROTOCOL, **changed), in_keras.penalty
    monkeypatch.setattr(in_keras, "penalty", lambda *of: paid(*of, protocol=other))
    assert in_keras.steps_apart(tf, known, connectome(12), RunKey("go_nogo", variant)) > 0.01


def test_another_gradient_of_communicability_is_seen_in_the_steps(in_keras, monkeypatch):
    tf, known = keras()
    found = in_keras.communicability
    monkeypatch.setattr(in_keras, "communicability", lambda *of: tf.stop_gradient(found(*of)))
    assert in_keras.steps_apart(tf, known, connectome(12), RunKey("go_nogo", "W*DC*")) > 0.01


@pytest.mark.parametrize("distance", ["D", "D*"])
def test_the_lengths_are_those_of_the_study(in_keras, distance):
    graph, variant = connectome(12), Variant.parse(f"W{distance}")
    edges = complete_edge_index(12)
    ours = edge_lengths(graph, variant, in_keras.PROTOCOL, edges, seed=0).view(12, 12)
    torch.testing.assert_close(torch.from_numpy(in_keras.lengths(graph, variant)), ours)


def test_a_run_has_noise_and_a_row(in_keras, monkeypatch):
    tf, known = keras()
    monkeypatch.setattr(in_keras, "PROTOCOL", replace(in_keras.PROTOCOL, epochs=2, num_train=256))
    key = RunKey("go_nogo", "W*DC*", "nonnegative", 1, "6_6_2")
    row = in_keras.train(tf, known, connectome(12), key)
    assert list(row)[:7] == ["connectome", "protocol", "recurrence", "task", "variant", "seed", "accuracy"]
    assert set(METRICS) < set(row)
    assert math.isnan(row["diverged_epoch"])
    assert 0 <= row["accuracy"] <= 1
    monkeypatch.setattr(in_keras, "PROTOCOL", replace(in_keras.PROTOCOL, input_noise=0.5))
    assert in_keras.train(tf, known, connectome(12), key)["entropy"] != row["entropy"]


def test_the_anatomy_is_that_of_the_study(in_keras):
    graph = connectome(12)
    ours = anatomical_communicability(graph, "source")
    ours = (ours - torch.diag(ours.diagonal())).flatten().sort().values
    theirs = torch.from_numpy(in_keras.anatomy(graph.count_matrix().double().numpy()))
    torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6 * float(ours.max()))


def test_without_tensorflow_it_says_what_to_install(in_keras, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(SystemExit, match="pip install tensorflow-cpu"):
        in_keras.main(in_keras.Config(out=tmp_path / "keras.csv"))
    assert not (tmp_path / "keras.csv").exists()


@pytest.fixture
def faked(in_keras, monkeypatch):
    """Return the module with no training in it, and what it would have trained."""
    trained = []

    def train(tf, keras, connectome, key):
        trained.append(str(key))
        return {
            "recurrence": key.recurrence,
            "task": key.task,
            "variant": str(key.variant),
            "seed": key.seed,
            "accuracy": 0.5,
        }

    for name in ("keras", "tensorflow"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setattr(in_keras, "MicronsFields", lambda *_, **__: [connectome(12)])
    monkeypatch.setattr(in_keras, "steps_apart", lambda *_: 0.001)
    monkeypatch.setattr(in_keras, "train", train)
    return in_keras, trained


def test_what_is_done_is_not_done_again(faked, tmp_path):
    module, trained = faked
    config = module.Config(variants=("W", "WD"), seeds=1, out=tmp_path / "new" / "keras.csv")
    module.main(config)
    assert [Variant.parse(name) for name in pd.read_csv(config.out)["variant"]] == [
        Variant.parse("W"),
        Variant.parse("WD"),
    ]
    more = module.main(replace(config, seeds=2))
    assert len(trained) == len(set(trained)) == len(more) == 4


def test_steps_that_differ_end_the_study(faked, monkeypatch, tmp_path):
    module, trained = faked
    monkeypatch.setattr(module, "steps_apart", lambda *_: 0.3)
    with pytest.raises(AssertionError, match=r"expected the steps of both to agree, got 0\.3"):
        module.main(module.Config(out=tmp_path / "keras.csv"))
    assert not trained
