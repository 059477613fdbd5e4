from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import NULL_MODELS
from graphcortex.study import CORRECTIONS, Protocol
from graphcortex.study.protocol import CHOICES, FUNCTIONAL, SMALL_WORLD_NULLS

# Written down from the published code, not from the class.
PUBLISHED = {
    "num_train": 5120,
    "num_test": 2560,
    "batch_size": 128,
    "epochs": 10,
    "data_seed": 0,
    "input_noise": 0.05,
    "learning_rate": 0.001,
    "betas": (0.9, 0.999),
    "adam_epsilon": 1e-7,
    "penalty_scale": 1.0,
    "length_strength": 0.3,
    "emd_strength": 0.1,
    "l1_strength": 1.0,
    "functional": "correlation-sttc",
    "normalization": "source",
    "communicability_method": "exact-dense",
    "communicability_probes": 16,
    "weight_mu": -0.5,
    "weight_sigma": 0.5,
    "weight_mean": 0.1,
    "weight_floor": 0.01,
    "weight_radius": 0.95,
    "quantile": 0.9,
    "num_nulls": 1000,
    # What the published code has no choice about, in the form that changes nothing.
    "num_validation": 0,
    "trials": "shared",
    "patience": None,
    "reported_accuracy": "training",
    "diverged_accuracy": "chance",
    "optimizer": "keras-adam",
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": "constant",
    "clip_norm": None,
    "autocast": "none",
    "position_reading": "reshaped",
    "distance_scale": "published",
    "self_connection_length": "zero",
    "anatomy_normalization": "source",
    "plasticity": "none",
    "plasticity_share": 0.1,
    "regrowth": "random",
    "small_world_null": "published",
    "interval": "t",
}


def test_published_is_what_the_study_did():
    assert dataclasses.asdict(Protocol.published()) == PUBLISHED


def test_relations_by_name():
    assert FUNCTIONAL == {
        "correlation-sttc": ("correlation", "sttc"),
        "sttc": ("sttc",),
        "precision-sttc": ("precision", "sttc"),
    }


def test_it_is_frozen_and_a_changed_copy_is_checked():
    protocol = Protocol.published()
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocol.epochs = 3
    assert dataclasses.replace(protocol, epochs=3).epochs == 3
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        dataclasses.replace(protocol, epochs=0)


def test_edges_of_the_ranges_are_allowed():
    Protocol(input_noise=0, length_strength=0, emd_strength=0, l1_strength=0, weight_sigma=0, weight_floor=0)
    Protocol(quantile=0, num_train=1, num_test=1, batch_size=1, epochs=1, num_nulls=1, normalization="both")
    Protocol(betas=(0.0, 0.5))


BAD = [
    *(
        (name, value)
        for name in ("num_train", "num_test", "batch_size", "epochs", "num_nulls")
        for value in (0, -1, 1.5, "3")
    ),
    *(
        (name, value)
        for name in ("learning_rate", "adam_epsilon", "weight_mean", "weight_radius")
        for value in (0, -0.1, "a")
    ),
    *(
        (name, value)
        for name in (
            "input_noise",
            "penalty_scale",
            "length_strength",
            "emd_strength",
            "l1_strength",
            "weight_sigma",
            "weight_floor",
        )
        for value in (-0.1, float("nan"), float("inf"), None)
    ),
    ("data_seed", -1),
    ("weight_mu", float("nan")),
    ("communicability_method", "auto"),
    ("communicability_probes", 0),
    ("functional", "correlation"),
    ("normalization", "target"),
    ("quantile", 1.1),
    ("quantile", -0.1),
    ("betas", (0.9, 1.0)),
    ("betas", (-0.1, 0.9)),
    ("betas", (0.9,)),
    ("betas", 0.9),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name}={value}" for name, value in BAD])
def test_rejects(name, value):
    with pytest.raises(ValueError, match=rf"^{name}.* must .*got"):
        Protocol(**{name: value})


# --- names and corrections


def test_corrected_is_what_section_3_asks_for():
    changed = {
        "position_reading": "true",
        "distance_scale": "mean",
        "self_connection_length": "shortest",
        "normalization": "both",
        "anatomy_normalization": "both",
        "l1_strength": 0.3,
        "diverged_accuracy": "missing",
        "small_world_null": "degree",
        "num_nulls": 20,
        "trials": "per-seed",
        "num_validation": 1280,
        "reported_accuracy": "test",
        "interval": "bounded",
    }
    assert dataclasses.asdict(Protocol.corrected()) == PUBLISHED | changed


@given(st.lists(st.tuples(st.sampled_from("+-"), st.sampled_from(sorted(CORRECTIONS))), max_size=6), st.booleans())
def test_a_name_is_a_sum_of_corrections(steps, corrected):
    base = "corrected" if corrected else "published"
    chosen = set(CORRECTIONS) if corrected else set()
    for sign, name in steps:
        chosen = chosen | {name} if sign == "+" else chosen - {name}
    fields = dict(PUBLISHED)
    for name in chosen:
        fields |= CORRECTIONS[name]
    assert dataclasses.asdict(Protocol.parse(base + "".join(map("".join, steps)))) == fields


def test_all_corrections_added_one_by_one_are_the_corrected_protocol():
    assert Protocol.parse("published" + "".join(f"+{name}" for name in CORRECTIONS)) == Protocol.corrected()
    assert Protocol.parse("corrected" + "".join(f"-{name}" for name in CORRECTIONS)) == Protocol.published()


@pytest.mark.parametrize(
    "name",
    ["", "Published", "published+", "published+moon", "corrected positions", "+scale", "published+scale+", None, 3],
)
def test_names_of_no_protocol_are_refused(name):
    with pytest.raises(ValueError, match=r"a protocol must be published or corrected.*corrections: positions, .*got "):
        Protocol.parse(name)


def test_a_name_may_set_fields():
    named = Protocol.parse("corrected-trials,penalty_scale=0.1,optimizer=adamw,patience=None,weight_mu=-1e-1")
    expected = dataclasses.replace(
        Protocol.parse("corrected-trials"), penalty_scale=0.1, optimizer="adamw", patience=None, weight_mu=-0.1
    )
    assert named == expected


@pytest.mark.parametrize(
    ("name", "message"),
    {
        "published,": r"must be FIELD=VALUE with one of num_train, .*got ''",
        "published,colour=red": r"must be FIELD=VALUE.*got 'colour=red'",
        "published,epochs=3": r"must be FIELD=VALUE.*got 'epochs=3'",
        "published,optimizer=magic": r"optimizer must be one of .*got 'magic'",
        "published,penalty_scale=-1": r"penalty_scale must .*got -1",
        "published,betas=(0.8": r"betas must be a word, a number or None in the name of a protocol, got",
        "published,data_seed=../1": r"data_seed must be a word, a number or None in the name of a protocol, got",
        "published,data_seed=": r"data_seed must be a word, a number or None in the name of a protocol, got",
    }.items(),
)
def test_a_field_that_a_name_cannot_set_is_told(name, message):
    with pytest.raises(ValueError, match=message):
        Protocol.parse(name)


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_takes_its_forms_and_no_other(name):
    assert getattr(Protocol(), name) == CHOICES[name][0]  # the published form comes first
    for form in CHOICES[name]:
        assert getattr(Protocol(**{name: form}), name) == form
    with pytest.raises(ValueError, match=rf"{name} must be one of .*got 'moon'"):
        Protocol(**{name: "moon"})
    assert set(SMALL_WORLD_NULLS) == set(CHOICES["small_world_null"])
    assert set(SMALL_WORLD_NULLS.values()) - {None} <= set(NULL_MODELS)
