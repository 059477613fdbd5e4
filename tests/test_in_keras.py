"""The published protocol in Keras: the same steps as ours, told apart where they are not, and no run done twice."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from graphcortex.study import RunKey, Variant
from graphcortex.study.wiring import anatomical_communicability
from tests.study._small import connectome
from tests.test_examples import example


@pytest.fixture
def in_keras():
    return example("in_keras")


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


def test_another_price_is_seen_in_the_steps(in_keras, monkeypatch):
    tf, known = keras()
    other = replace(in_keras.PROTOCOL, l1_strength=1e-3)
    paid = in_keras.penalty
    monkeypatch.setattr(in_keras, "penalty", lambda *of: lambda weight: other.l1_strength * paid(*of)(weight))
    assert in_keras.steps_apart(tf, known, connectome(12), RunKey("go_nogo", "W")) > 0.05


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
