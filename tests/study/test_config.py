from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pooch
import pytest
import torch

from graphcortex.data import Connectome, load_connectome
from graphcortex.data.source import default_data_root
from graphcortex.study import Protocol, RunKey, StudyConfig, Variant
from graphcortex.study.engines import Dask, InProcess, Processes
from graphcortex.study.fingerprint import fingerprint
from tests.data._tiny_field import write_field
from tests.study._small import arrays, connectome


def test_the_default_needs_no_download_and_trains_the_three_tasks():
    config = StudyConfig()
    assert config.connectome == ("synthetic",)
    assert config.tasks == ("one_choice_inference", "go_nogo", "perceptual_decision")
    assert config.protocols() == {"published": Protocol.published()}
    (graph,) = config.load_connectomes().values()
    assert isinstance(graph, Connectome)
    assert fingerprint(graph) == fingerprint(load_connectome("synthetic"))
    assert isinstance(config.engine(), InProcess)


BAD = {
    "no tasks": ({"tasks": ()}, "tasks must name at least one, got none"),
    "no variants": ({"variants": ()}, "variants must name at least one, got none"),
    "an unknown task": ({"tasks": ("go_nogo", "juggling")}, "tasks must be one of 'one_choice.*; got 'juggling'"),
    "an unknown variant": ({"variants": ("W", "WC")}, r"variant.*must .*got 'WC'"),
    "tasks as one text": (
        {"tasks": "go_nogo"},
        r"tasks must be a tuple of names, such as \('go_nogo',\); got 'go_nogo'",
    ),
    "variants as one text": ({"variants": "W"}, r"variants must be a tuple of names, such as \('W',\); got 'W'"),
    "no seeds": ({"seeds": 0}, "seeds must be a whole number of at least 1, got 0"),
    "seeds as text": ({"seeds": "3"}, "seeds must be a whole number of at least 1, got '3'"),
    "half an epoch": ({"epochs": 0.5}, "epochs must be a whole number of at least 1, got 0.5"),
    "a negative number of threads": ({"threads": -1}, "threads must be a whole number of at least 0, got -1"),
    "no connectomes": ({"connectome": ()}, "connectome must name at least one, got none"),
    "an unknown protocol": ({"protocol": "correct"}, "a protocol must be published or corrected.*got 'correct'"),
    "no workers": ({"workers": 0}, "workers must be a whole number of at least 1, got 0"),
    "two engines": ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "must not both be given"),
    "an unknown arm": ({"recurrence": "positive"}, "recurrence must be one of 'free', 'nonnegative'; got 'positive'"),
    "unknown relations": (
        {"functional": "correlation"},
        "functional must be one of 'correlation-sttc'.*got 'correlation'",
    ),
    "no device": ({"device": "tpu?"}, r"device must be cpu, cuda or cuda:<number>, got 'tpu\?'"),
    "a device that holds no numbers": ({"device": "meta"}, "device must be cpu, cuda or cuda:<number>, got 'meta'"),
    "an empty device": ({"device": ""}, "device must be cpu, cuda or cuda:<number>, got ''"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_rejects(change, message):
    with pytest.raises(ValueError, match=message):
        StudyConfig(**change)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "cuda:1"):
        with pytest.raises(ValueError, match=rf"device '{device}' needs a GPU.*use --device cpu"):
            StudyConfig(device=device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for device in ("cuda", "cuda:0"):
        assert StudyConfig(device=device).device == device
    with pytest.raises(ValueError, match=r"device 'cuda:1' needs .*GPUs here: 1"):
        StudyConfig(device="cuda:1")


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        StudyConfig().epochs = 3


# --- what it stands for


def test_the_protocols_are_those_of_their_names_but_for_what_was_asked():
    config = StudyConfig(protocol=("published", "corrected-trials"), epochs=3, functional="sttc")
    changes = {"epochs": 3, "functional": "sttc"}
    assert config.protocols() == {
        name: dataclasses.replace(Protocol.parse(name), **changes) for name in ("published", "corrected-trials")
    }


def test_a_name_stands_for_itself_alone():
    one = StudyConfig(connectome="6_6_2", protocol="corrected", recurrence="nonnegative")
    assert one == StudyConfig(connectome=("6_6_2",), protocol=("corrected",), recurrence=("nonnegative",))


def test_the_study_is_what_the_names_stand_for(tmp_path):
    for name in ("1_2_3", "1_2_4"):
        write_field(tmp_path, name)
    config = StudyConfig(
        tasks=("go_nogo",), connectome=("1_2_4", "1_2_3"), data_root=tmp_path, variants=("WD", "W", " WD "), seeds=2,
        first_seed=7, protocol=("published", "corrected"), recurrence=("free", "nonnegative"), epochs=3, threads=2,
    )  # fmt: skip
    study = config.study()
    assert [graph.num_neurons for graph in study.connectomes.values()] == [5, 5]
    assert study.protocols == config.protocols()
    assert study.threads == 2
    assert study.keys() == [
        RunKey("go_nogo", variant, arm, seed, field, protocol)
        for field in ("1_2_4", "1_2_3")
        for protocol in ("published", "corrected")
        for seed in (7, 8)
        for arm in ("free", "nonnegative")
        for variant in (Variant("W", "D"), Variant("W"))
    ]


@pytest.mark.parametrize(
    ("given", "engine"),
    [
        ({}, InProcess()),
        ({"threads": 4}, InProcess()),
        ({"workers": 2}, Processes(2, threads=1)),
        ({"workers": 3, "threads": 2}, Processes(3, threads=2)),
        ({"scheduler": "tcp://127.0.0.1:8786"}, Dask("tcp://127.0.0.1:8786")),
    ],
    ids=str,
)
def test_the_engine_is_the_one_asked_for(given, engine):
    assert StudyConfig(**given).engine() == engine


# --- fingerprints


def test_the_fingerprint_is_of_the_contents():
    assert fingerprint(connectome(6)) == fingerprint(connectome(6))
    assert len(fingerprint(connectome(6))) == 64


@pytest.mark.parametrize(
    "name",
    [
        "pos", "count", "correlation", "sttc", "precision", "self_correlation", "self_sttc", "self_precision",
        "synapse_index", "coactivity_index",
    ],
)  # fmt: skip
def test_the_fingerprint_changes_when_anything_changes(name):
    given = arrays(6)
    before = fingerprint(Connectome.from_arrays(**given))
    value = np.array(given[name], copy=True)
    if name.endswith("index"):
        value[:, [0, 1]] = value[:, [1, 0]]
    elif name == "count":
        value[0] += 1
    else:
        value.flat[0] *= 0.5
    assert fingerprint(Connectome.from_arrays(**{**given, name: value})) != before


def test_the_fingerprint_changes_when_something_is_left_out():
    given = arrays(6)
    whole = fingerprint(Connectome.from_arrays(**given))
    for name in ("self_sttc", "precision"):
        assert fingerprint(Connectome.from_arrays(**{**given, name: None})) != whole
    bare = Connectome.from_arrays(given["pos"], given["synapse_index"], given["count"])
    assert fingerprint(bare) not in (whole, fingerprint(connectome(6, seed=1)))


# --- where the fields are


def test_the_data_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAPHCORTEX_DATA", str(tmp_path))
    assert default_data_root() == tmp_path / "microns-fields"
    monkeypatch.delenv("GRAPHCORTEX_DATA")
    assert default_data_root() == Path(pooch.os_cache("graphcortex")) / "microns-fields"
    monkeypatch.setenv("GRAPHCORTEX_DATA", "")  # set but empty is not set
    assert default_data_root() == Path(pooch.os_cache("graphcortex")) / "microns-fields"


def test_a_field_is_read_from_the_default_root_or_from_the_one_given(monkeypatch, tmp_path):
    write_field(tmp_path / "microns-fields", "1_2_3")
    write_field(tmp_path / "elsewhere" / "info", "3_2_1", without=())
    monkeypatch.setenv("GRAPHCORTEX_DATA", str(tmp_path))
    assert load_connectome("1_2_3").num_neurons == 5
    assert load_connectome("3_2_1", tmp_path / "elsewhere").num_neurons == 5
    with pytest.raises(ValueError, match=r"unknown field '3_2_1'"):
        StudyConfig(connectome="3_2_1").load_connectomes()


@pytest.mark.real_data
@pytest.mark.parametrize("field", ["4_7_2", "5_3_2", "5_3_8", "6_6_2", "9_3_2"])
def test_the_real_fields_load(field, microns_root):
    graph = load_connectome(field, microns_root)
    assert 40 < graph.num_neurons < 700
    assert graph.has_coactivity


def test_any_field_of_the_protocol_may_be_changed_by_its_name():
    change = ("optimizer=adamw", "schedule=cosine", "clip_norm=1", "betas=(0.8, 0.99)", "patience=None")
    protocols = StudyConfig(protocol=("published", "corrected"), change=change).protocols()
    for name, protocol in protocols.items():
        assert protocol == dataclasses.replace(
            Protocol.parse(name), optimizer="adamw", schedule="cosine", clip_norm=1, betas=(0.8, 0.99)
        )


@pytest.mark.parametrize(
    ("change", "message"),
    {
        "optimizer": r"change must be FIELD=VALUE with one of num_train, .*got 'optimizer'",
        "colour=red": r"change must be .*got 'colour=red'",
        "epochs=3": r"change must be .*got 'epochs=3'",
        "optimizer=magic": r"optimizer must be one of .*got 'magic'",
        "clip_norm=-1": r"clip_norm must .*got -1",
        "clip_norm=high": r"clip_norm must .*got 'high'",
    }.items(),
)
def test_a_change_that_cannot_be_is_told(change, message):
    with pytest.raises(ValueError, match=message):
        StudyConfig(change=(change,))
