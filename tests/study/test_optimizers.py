from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from graphcortex.study import KerasAdam, Protocol, make_optimizer, scheduled_rate
from graphcortex.study.protocol import CHOICES
from tests.study._keras import NaiveKerasAdam

# --- Adam as Keras has it

# From far below epsilon, where its place decides the step, to far above.
SCALES = 10.0 ** np.arange(-12, 3)


@pytest.mark.parametrize(
    "settings",
    [{}, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}, {"betas": (0.0, 0.99)}],
    ids=["Keras", "other", "no m"],
)
def test_adam_takes_the_steps_of_keras(settings):
    rng = np.random.default_rng(0)
    expected = rng.normal(size=SCALES.size)
    parameter = nn.Parameter(torch.from_numpy(expected.copy()))
    optimizer = KerasAdam([parameter], **settings)
    beta_1, beta_2 = settings.get("betas", (0.9, 0.999))
    naive = NaiveKerasAdam(settings.get("lr", 1e-3), beta_1, beta_2, settings.get("eps", 1e-7))
    for _ in range(12):
        gradient = rng.normal(size=SCALES.size) * SCALES
        parameter.grad = torch.from_numpy(gradient)
        before = parameter.detach().numpy().copy()
        optimizer.step()
        now = naive.update(expected, gradient)
        np.testing.assert_allclose(parameter.detach().numpy() - before, now - expected, rtol=1e-6, atol=1e-14)
        expected = now


@pytest.mark.parametrize("sizes", [(1e30, 1e30, 1.0), (1e30, 1.0, 1.0), (1.0, 1e30, 1e30), (1.0, 1.0, 1.0)], ids=str)
def test_a_squared_gradient_that_overflows_makes_a_run_diverge_as_in_keras(sizes):
    """Keras has infinity less infinity a step later, where PyTorch's second moment stays infinite and its steps are zero."""
    expected = np.ones(3, dtype=np.float32)
    parameter = nn.Parameter(torch.from_numpy(expected.copy()))
    optimizer, naive = KerasAdam([parameter]), NaiveKerasAdam()
    for size in sizes:
        gradient = np.array([size, 1.0, -2.0], dtype=np.float32)
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        with np.errstate(over="ignore", invalid="ignore"):
            expected = naive.update(expected, gradient)
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-5)
    assert np.isnan(expected[0]) == (1e30 in sizes[:2])


def test_epsilon_counts_before_the_correction_of_the_bias():
    """One step with g = eps, by hand: v = .001 eps^2, so the step is lr sqrt(.001) eps / (sqrt(.001) eps + eps)."""
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = KerasAdam([parameter])
    parameter.grad = torch.full((1,), 1e-7, dtype=torch.float64)
    optimizer.step()
    root = np.sqrt(0.001)
    assert parameter.item() == pytest.approx(-1e-3 * root / (root + 1), rel=1e-6)  # PyTorch's Adam: -.5e-3


def test_weight_decay_is_added_to_the_gradient():
    """One step with g = 0: the gradient is the decay, and Adam takes a step of its sign."""
    parameter = nn.Parameter(torch.tensor([2.0, -3.0], dtype=torch.float64))
    optimizer = KerasAdam([parameter], lr=0.1, weight_decay=0.5)
    parameter.grad = torch.zeros(2, dtype=torch.float64)
    optimizer.step()
    assert parameter.tolist() == pytest.approx([1.9, -2.9], abs=1e-5)


def test_the_state_of_keras_adam_holds_its_steps():
    """Three steps in one go, and with a break after each."""

    def steps(count: int, state: dict | None, start: torch.Tensor) -> tuple[torch.Tensor, dict]:
        parameter = nn.Parameter(start.clone())
        optimizer = KerasAdam([parameter])
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(count):
            parameter.grad = torch.full_like(parameter, 1e-7)
            optimizer.step()
        return parameter.detach(), optimizer.state_dict()

    whole, _ = steps(3, None, torch.zeros(2))
    value, state = torch.zeros(2), None
    for _ in range(3):
        value, state = steps(1, state, value)
    assert torch.equal(value, whole)


# --- by name

EXPECTED = {
    "keras-adam": KerasAdam,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}
PARTS = {
    "learning_rate": (0.3, set(EXPECTED)),
    "betas": ((0.5, 0.6), {"keras-adam", "adam", "adamw"}),
    "adam_epsilon": (0.1, {"keras-adam", "adam", "adamw"}),
    "momentum": (0.1, {"sgd", "rmsprop"}),
    "weight_decay": (0.2, set(EXPECTED)),
}


def test_every_optimizer_of_a_protocol_is_there():
    assert set(EXPECTED) == set(CHOICES["optimizer"])


def three_steps(protocol: Protocol) -> torch.Tensor:
    parameter = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = make_optimizer([parameter], protocol)
    for gradient in ([0.1, 0.2], [-0.3, 0.1], [0.2, 0.2]):
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("name", EXPECTED)
def test_an_optimizer_is_the_one_of_its_name(name):
    protocol = Protocol(optimizer=name, weight_decay=0.1, momentum=0.5, betas=(0.8, 0.9), adam_epsilon=1e-3)
    optimizer = make_optimizer([nn.Parameter(torch.zeros(1))], protocol)
    assert type(optimizer) is EXPECTED[name]
    for part, (value, known) in PARTS.items():
        changed = not torch.equal(three_steps(protocol), three_steps(replace(protocol, **{part: value})))
        assert changed == (name in known), part


def test_what_is_given_as_numpy_is_kept_as_plain_numbers():
    protocol = Protocol(learning_rate=np.float64(0.1), betas=(np.float64(0.5), 0.9), weight_decay=np.float32(0.5))
    group = make_optimizer([nn.Parameter(torch.zeros(1))], protocol).param_groups[0]
    assert all(type(value) is float for value in (group["lr"], *group["betas"], group["weight_decay"], group["eps"]))
    assert type(scheduled_rate(protocol, 1)) is float


# --- schedules


def rates(schedule: str, epochs: int = 8) -> list[float]:
    protocol = Protocol(schedule=schedule, epochs=epochs, learning_rate=2.0)
    return [scheduled_rate(protocol, epoch) for epoch in range(1, epochs + 1)]


def test_schedules():
    assert set(CHOICES["schedule"]) == {"constant", "cosine", "linear", "step"}
    assert rates("constant") == [2.0] * 8
    assert rates("linear") == [2.0, 1.75, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25]
    assert rates("step") == pytest.approx([2, 2, 2, 2, 0.2, 0.2, 0.02, 0.02])
    assert rates("cosine") == pytest.approx([1 + np.cos(np.pi * k / 8) for k in range(8)])
    assert all(rates(schedule, 1) == [2.0] for schedule in CHOICES["schedule"])
