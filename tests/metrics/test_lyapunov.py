from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from graphcortex.metrics import largest_lyapunov_exponent
from graphcortex.nn import GraphRNN

METHODS = ("tangent", "two_trajectories")


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_network(N: int, gain: float, seed: int = 0):
    W = gain * normal(N, N, seed=seed) / math.sqrt(N)
    return W, lambda x, h: torch.tanh(h @ W)


def naive_exponent(jacobian, step, h: torch.Tensor, u: torch.Tensor, warmup: int, num_steps: int) -> float:
    """Multiply one direction with the Jacobian of every step, written out by hand."""
    total = 0.0
    for t in range(warmup + num_steps):
        u = jacobian(h) @ u
        length = float(u.norm())
        u = u / length
        h = step(None, h[None])[0]
        if t >= warmup:
            total += math.log(length)
    return total / num_steps


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_map_has_the_log_of_its_spectral_radius(method):
    for seed in range(3):
        M = normal(6, 6, seed=seed)
        W = M + M.T  # symmetric: the direction settles fast and does not turn
        W = W / W.abs().max()
        found = largest_lyapunov_exponent(
            lambda x, h, W=W: h @ W, torch.zeros(3, 6), method=method, num_steps=400, warmup=400
        )
        exact = math.log(np.abs(np.linalg.eigvalsh(W.numpy())).max())
        assert found.value == pytest.approx(exact, abs=1e-7)
        assert found.standard_error < 1e-7


@pytest.mark.parametrize("method", METHODS)
def test_the_logistic_map_has_ln_2(method):
    h0 = torch.rand(64, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = largest_lyapunov_exponent(lambda x, h: 4 * h * (1 - h), h0, method=method, num_steps=1000)
    assert found.value == pytest.approx(math.log(2), abs=4 * found.standard_error)
    assert 0 < found.standard_error < 1e-3
    assert found.per_trajectory.shape == (64,)
    assert found.value == pytest.approx(float(found.per_trajectory.mean()))
    assert found.standard_error == pytest.approx(float(found.per_trajectory.std()) / 8)


@pytest.mark.parametrize("method", METHODS)
def test_the_henon_map(method):
    def henon(x, h):
        return torch.stack([1 - 1.4 * h[:, 0] ** 2 + h[:, 1], 0.3 * h[:, 0]], dim=1)

    found = largest_lyapunov_exponent(
        henon, 0.1 * torch.rand(20, 2, generator=torch.Generator().manual_seed(1)), method=method
    )
    assert found.value == pytest.approx(0.4192, abs=max(5 * found.standard_error, 1e-3))


def test_the_tent_map_grows_by_the_same_at_every_step():
    # Slope 1.9 everywhere: the exponent of any number of steps is exact.
    tent = lambda x, h: 1.9 * torch.minimum(h, 1 - h)  # noqa: E731
    found = largest_lyapunov_exponent(tent, torch.tensor([[0.3], [0.41]]), num_steps=37, warmup=0)
    assert found.value == pytest.approx(math.log(1.9), rel=1e-12)
    assert found.standard_error < 1e-14


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("gain", "chaotic"), [(0.5, False), (0.9, False), (1.5, True), (3.0, True)])
def test_random_networks_turn_chaotic_at_gain_1(method, gain, chaotic):
    _, step = random_network(200, gain)
    found = largest_lyapunov_exponent(step, normal(2, 200, seed=1), method=method, num_steps=200, warmup=100)
    assert (found.value > 0) == chaotic
    if gain == 0.5:
        # At rest the map is linear, and its radius is near the gain.
        assert found.value == pytest.approx(math.log(gain), abs=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_follows_the_formula(method):
    W, step = random_network(8, 1.7)
    h0 = normal(1, 8, seed=2)
    found = largest_lyapunov_exponent(step, h0, method=method, num_steps=50, warmup=60, rng=4)
    u = torch.randn(8, generator=torch.Generator().manual_seed(4), dtype=torch.float64)

    def jacobian(h):
        return (1 - torch.tanh(h @ W) ** 2)[:, None] * W.T

    assert found.value == pytest.approx(naive_exponent(jacobian, step, h0[0], u, 60, 50), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_inputs_are_those_of_their_step(method):
    gains = 0.5 + torch.rand(30, 2, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = largest_lyapunov_exponent(
        lambda x, h: x * h, torch.zeros(2, 3), inputs=gains, num_steps=20, warmup=5, method=method
    )
    np.testing.assert_allclose(found.per_trajectory, gains[5:25, :, 0].log().mean(0), rtol=1e-9)


def test_both_methods_agree_on_a_driven_network_of_the_library():
    generator = torch.Generator().manual_seed(0)
    nodes = torch.arange(40)
    edge_index = torch.cartesian_prod(nodes, nodes).T[:, torch.rand(1600, generator=generator) < 0.3]
    for nonlinearity in ("tanh", "relu", "softplus"):
        rnn = GraphRNN(3, edge_index, 40, nonlinearity=nonlinearity, alpha=0.7, noise=0.1).double().eval()
        inputs = normal(80, 4, 3, seed=1)
        options = {"inputs": inputs, "num_steps": 60, "warmup": 20}
        tangent, pair = (largest_lyapunov_exponent(rnn.step, normal(4, 40), method=m, **options) for m in METHODS)
        np.testing.assert_allclose(tangent.per_trajectory, pair.per_trajectory, atol=1e-5)
        assert rnn.edge_weight.grad is None
        constant = largest_lyapunov_exponent(rnn.step, normal(4, 40), **(options | {"inputs": inputs[0]}))
        repeated = largest_lyapunov_exponent(
            rnn.step, normal(4, 40), **(options | {"inputs": inputs[:1].expand(80, -1, -1)})
        )
        assert constant.value == repeated.value


def test_a_network_of_float32_says_what_to_do():
    rnn = GraphRNN(3, torch.tensor([[0, 1], [1, 0]]), 2).eval()
    with pytest.raises((ValueError, RuntimeError)):
        largest_lyapunov_exponent(rnn.step, torch.zeros(1, 2), inputs=torch.zeros(1, 3), num_steps=5)
    with pytest.raises(ValueError, match=r"step must return .*got torch.float32.*double"):
        largest_lyapunov_exponent(lambda x, h: h.float(), torch.zeros(1, 2), num_steps=5)


@pytest.mark.parametrize("method", METHODS)
def test_what_vanishes_entirely_has_minus_infinity(method):
    found = largest_lyapunov_exponent(lambda x, h: h * 0 + 1, torch.zeros(2, 3), method=method, num_steps=5)
    assert found.value == -math.inf
    assert found.reason == "a difference of states vanished entirely"
    assert math.isnan(found.standard_error)


def test_a_step_without_a_derivative_says_what_to_do():
    rnn = GraphRNN(1, torch.cartesian_prod(torch.arange(9), torch.arange(9)).T, 9).double().eval()
    options = {"inputs": torch.zeros(2, 1), "num_steps": 20}
    scan = {"fused": lambda x, h: rnn(x[None], h[None])[1][0], "cut off": lambda x, h: rnn.step(x, h.detach())}
    for step in scan.values():
        with pytest.raises(ValueError, match=r"must .*got.*two_trajectories"):
            largest_lyapunov_exponent(step, normal(2, 9), **options)
        pair = largest_lyapunov_exponent(step, normal(2, 9), method="two_trajectories", **options)
        assert pair.value == pytest.approx(largest_lyapunov_exponent(rnn.step, normal(2, 9), **options).value, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_states_that_explode_say_when(method):
    found = largest_lyapunov_exponent(lambda x, h: h**3, torch.full((2, 3), 2.0), method=method, num_steps=20, warmup=2)
    assert math.isnan(found.value)
    # 2^(3^7) is the first that float64 does not have.
    assert found.reason == "states or their differences are not finite from step 7 on"


@pytest.mark.parametrize("method", METHODS)
def test_large_states_are_no_trouble(method):
    found = largest_lyapunov_exponent(
        lambda x, h: 0.5 * h + 1e9, torch.zeros(1, 3), method=method, num_steps=50, warmup=10
    )
    assert found.value == pytest.approx(math.log(0.5), abs=1e-6)


def test_units_and_what_was_done():
    found = largest_lyapunov_exponent(lambda x, h: 0.5 * h, torch.ones(1, 3), dt_s=0.01, num_steps=7, warmup=2, rng=5)
    assert found.value == pytest.approx(math.log(0.5))
    assert found.per_second == pytest.approx(100 * math.log(0.5))
    assert (found.num_steps, found.warmup, found.seed, found.method) == (7, 2, 5, "tangent")
    assert math.isnan(found.standard_error)
    assert math.isnan(largest_lyapunov_exponent(lambda x, h: 0.5 * h, torch.ones(1, 3), num_steps=7).per_second)


def test_same_seed_same_number_and_no_global_generator():
    _, step = random_network(10, 2.0)
    before, h0 = torch.get_rng_state(), normal(2, 10)
    options = {"num_steps": 5, "warmup": 0}
    first = largest_lyapunov_exponent(step, h0, rng=3, **options)
    assert torch.equal(first.per_trajectory, largest_lyapunov_exponent(step, h0, rng=3, **options).per_trajectory)
    drawn = largest_lyapunov_exponent(step, h0, rng=torch.Generator().manual_seed(3), **options)
    assert drawn.value == largest_lyapunov_exponent(step, h0, rng=drawn.seed, **options).value != first.value
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(h0, normal(2, 10))


H0 = torch.zeros(2, 3)
BAD_ARGUMENTS = {
    "h_n as it is": (torch.zeros(1, 2, 3), {}),
    "integers": (H0.long(), {}),
    "a list": ([[0.0]], {}),
    "no neurons": (torch.zeros(2, 0), {}),
    "NaN": (H0 + math.nan, {}),
    "no steps": (H0, {"num_steps": 0}),
    "negative warm-up": (H0, {"warmup": -1}),
    "an unknown method": (H0, {"method": "qr"}),
    "no time": (H0, {"dt_s": 0}),
    "too few inputs": (H0, {"inputs": torch.zeros(1099, 2, 1)}),
    "inputs of other trials": (H0, {"inputs": torch.zeros(3, 1)}),
    "inputs of integers": (H0, {"inputs": torch.zeros(2, 1).long()}),
    "inputs of four dimensions": (H0, {"inputs": torch.zeros(1, 1, 2, 1)}),
    "inputs that are none": (H0, {"inputs": 0.0}),
    "NaN among the inputs": (H0, {"inputs": torch.full((2, 1), math.nan)}),
    "a word for a seed": (H0, {"rng": "now"}),
}


@pytest.mark.parametrize(("h0", "options"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_rejects(h0, options):
    with pytest.raises(ValueError, match=r"must .*got"):
        largest_lyapunov_exponent(lambda x, h: h, h0, **options)


@pytest.mark.parametrize("step", [lambda x, h: h[:1], lambda x, h: (h, h)], ids=["other shape", "a tuple"])
def test_rejects_what_a_step_returns(step):
    with pytest.raises(ValueError, match=r"must .*got"):
        largest_lyapunov_exponent(step, H0)


def test_runs_where_the_states_are(device):
    W, step = random_network(20, 1.5)
    W_there = W.to(device)
    here = largest_lyapunov_exponent(step, normal(2, 20), num_steps=10, warmup=0)
    there = largest_lyapunov_exponent(
        lambda x, h: torch.tanh(h @ W_there), normal(2, 20).to(device), num_steps=10, warmup=0
    )
    np.testing.assert_allclose(there.per_trajectory, here.per_trajectory, atol=1e-9)
