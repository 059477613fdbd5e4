from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graphcortex.losses import L1Penalty, LengthPenalty
from graphcortex.study import Variant, build_network, evaluate, train
from graphcortex.tasks import Trials, get_task
from tests.study._keras import NaiveKerasAdam
from tests.study._small import SHORT, connectome

COLUMNS = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds", "diverged"]
PARAMETERS = ("rnn.input_weight", "rnn.edge_weight", "rnn.bias", "readout.weight", "readout.bias")


def network(*, seed: int = 0, noise: float = 0.05, task: str = "perceptual_decision"):
    """A small network in float64."""
    protocol = replace(SHORT, input_noise=noise)
    variant = Variant.parse("W")
    return build_network(connectome(6), variant, get_task(task), protocol, seed=seed).double()


def trials(count: int, seed: int = 0, task: str = "perceptual_decision") -> Trials:
    return get_task(task).sample(count, rng=seed, dtype=torch.float64)


def parameters(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


# --- the loop, against one written by hand


class PlainNetwork:
    """The network of the study in plain torch: a loop over time, dense matrices."""

    def __init__(self, start: dict[str, torch.Tensor]):
        self.values = {name: value.clone().requires_grad_() for name, value in start.items()}
        self.optimizers = {name: NaiveKerasAdam() for name in start}

    def logits(self, inputs):
        W_in, W, b, W_out, b_out = (self.values[name] for name in PARAMETERS)
        N = b.numel()
        h = torch.zeros(inputs.size(1), N, dtype=inputs.dtype)
        for x in inputs:
            h = torch.relu(x @ W_in + h @ W.view(N, N) + b)
        return h @ W_out.T + b_out

    def step(self, loss):
        gradients = torch.autograd.grad(loss, list(self.values.values()))
        for (name, value), gradient in zip(self.values.items(), gradients, strict=True):
            value.data = torch.from_numpy(self.optimizers[name].update(value.detach().numpy(), gradient.numpy()))


@pytest.mark.parametrize("nonnegative", [False, True], ids=["free", "nonnegative"])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_training_does_what_a_plain_loop_does(noise, nonnegative):
    """The last batch has 2 trials and the others 8, so a mean over batches differs from one over trials."""
    model = network(noise=noise)
    plain = PlainNetwork(parameters(model))
    seen, unseen = trials(26, seed=1), trials(13, seed=2)
    lengths = torch.rand(36, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    penalties = [L1Penalty(0.01), LengthPenalty(lengths, strength=0.02)]
    protocol = replace(SHORT, batch_size=8, epochs=3)
    history = train(model, penalties, seen, unseen, protocol, rng=7, nonnegative=nonnegative)

    rng = torch.Generator().manual_seed(7)
    for epoch in range(3):
        losses, right = 0.0, 0
        for first in range(0, 26, 8):
            x, y = seen.inputs[:, first : first + 8], seen.targets[first : first + 8]
            if noise:
                x = x + noise * torch.randn(x.shape, generator=rng, dtype=x.dtype)
            logits, W = plain.logits(x), plain.values["rnn.edge_weight"]
            p = torch.softmax(logits, 1)
            loss = -torch.log(p[range(len(y)), y]).mean() + 0.01 * W.abs().sum() + 0.02 * (W.abs() * lengths).sum()
            plain.step(loss)
            if nonnegative:
                W.data = torch.where(W.data < 0, 0.0, W.data)
            losses += loss.item() * len(y)
            right += int((logits.argmax(1) == y).sum())
        row = history.iloc[epoch]
        assert row["epoch"] == epoch + 1
        assert row["loss"] == pytest.approx(losses / 26, rel=1e-8)
        assert row["accuracy"] == right / 26
        logits = plain.logits(unseen.inputs)
        assert row["val_loss"] == pytest.approx(F.cross_entropy(logits, unseen.targets).item(), rel=1e-8)
        assert row["val_accuracy"] == float((logits.argmax(1) == unseen.targets).double().mean())
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.detach(), plain.values[name].detach(), rtol=1e-8, atol=1e-10)
    assert list(history.columns) == COLUMNS
    assert (history["seconds"] > 0).all()
    assert not history["diverged"].any()


def test_noise_is_added_in_training_alone():
    noisy, quiet = network(noise=5.0), network(noise=0.0)
    some = trials(20)
    assert evaluate(noisy, some) == evaluate(quiet, some)
    protocol = replace(SHORT, learning_rate=1e-12, epochs=1, batch_size=20)
    loud, still = (train(model, [], some, some, protocol, rng=0).iloc[0] for model in (noisy, quiet))
    assert loud["loss"] != pytest.approx(still["loss"], rel=1e-2)
    assert loud["val_loss"] == pytest.approx(still["val_loss"], rel=1e-6)
    assert still["loss"] == pytest.approx(still["val_loss"], rel=1e-6)


def test_recurrent_weights_stay_nonnegative_after_each_step():
    """One batch per epoch, so that every step is seen."""
    lowest = {}
    for nonnegative in (False, True):
        model = network()
        seen: list[float] = []
        protocol = replace(SHORT, batch_size=32, epochs=8, learning_rate=0.1)
        look = lambda row, w=model.rnn.edge_weight, seen=seen: seen.append(w.min().item())  # noqa: E731
        train(model, [], trials(32), trials(8), protocol, rng=0, nonnegative=nonnegative, on_epoch=look)
        lowest[nonnegative] = seen
    assert min(lowest[True]) == 0
    assert max(lowest[False]) < 0


def test_each_epoch_is_reported_as_its_row():
    rows: list[dict] = []
    history = train(network(), [], trials(16), trials(8), SHORT, rng=0, on_epoch=rows.append)
    pd.testing.assert_frame_equal(pd.DataFrame(rows), history)
    assert len(rows) == SHORT.epochs


def test_training_learns():
    model = network(task="go_nogo", noise=0.0)
    some = get_task("go_nogo", stimulus_steps=3, delay_steps=0, decision_steps=0).sample(16, rng=0, dtype=torch.float64)
    protocol = replace(SHORT, batch_size=16, epochs=60, learning_rate=0.02)
    history = train(model, [], some, some, protocol, rng=0)
    assert history["accuracy"].iloc[-1] == 1
    assert history["loss"].iloc[-1] < 0.3 * history["loss"].iloc[0]


def test_a_seed_decides_everything_and_no_global_generator_is_touched():
    def run(model, seed):
        history = train(model, [L1Penalty(0.1)], trials(32), trials(8), SHORT, rng=seed)
        return parameters(model), history.drop(columns="seconds")

    models = [network() for _ in range(3)]
    before = torch.get_rng_state()
    (a, first), (b, second), (c, _) = (run(model, seed) for model, seed in zip(models, (1, 1, 2), strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["rnn.edge_weight"], c["rnn.edge_weight"])


# --- divergence


class NaNAfter(nn.Module):
    """A penalty that breaks the gradient from its n-th call on."""

    def __init__(self, calls: int):
        super().__init__()
        self.left = calls

    def forward(self, rnn):
        self.left -= 1
        return rnn.edge_weight.sum() * (0.0 if self.left >= 0 else float("nan"))


def test_a_network_that_overflows_is_flagged_and_its_accuracy_is_the_share_of_the_first_class():
    model = network().float()
    with torch.no_grad():
        model.rnn.edge_weight.fill_(1e30)
    seen, unseen = (get_task("perceptual_decision").sample(count, rng=count) for count in (64, 30))
    history = train(model, [], seen, unseen, replace(SHORT, epochs=9), rng=0)
    assert history["epoch"].tolist() == [1, 2]
    assert history["diverged"].tolist() == [True, True]
    assert history["accuracy"].tolist() == [float((seen.targets == 0).double().mean())] * 2
    assert history["val_accuracy"].tolist() == [float((unseen.targets == 0).double().mean())] * 2
    assert history["loss"].isna().all()


@pytest.mark.parametrize("nonnegative", [False, True], ids=["free", "nonnegative"])
def test_a_network_that_diverges_within_an_epoch_ends_at_the_share_of_the_first_class(nonnegative):
    """Eight batches in an epoch; the third of epoch 2 breaks. Epoch 2 is a mixture, epoch 3 is not, and 4 never begins."""
    seen = trials(64, seed=4)
    history = train(
        network(),
        [NaNAfter(10)],
        seen,
        trials(8),
        replace(SHORT, batch_size=8, epochs=9),
        rng=0,
        nonnegative=nonnegative,
    )
    assert history["diverged"].tolist() == [False, True, True]
    assert history["accuracy"].iloc[-1] == float((seen.targets == 0).double().mean())


def test_a_network_that_diverges_in_its_last_epoch_ends_there():
    history = train(network(), [NaNAfter(10)], trials(64), trials(8), replace(SHORT, batch_size=8, epochs=2), rng=0)
    assert history["diverged"].tolist() == [False, True]


# --- evaluation


@pytest.mark.parametrize("batch_size", [1, 7, 30, 1000])
def test_evaluation_does_not_depend_on_the_size_of_its_batches(batch_size):
    model, some = network(), trials(30)
    model.eval()
    logits = model(some.inputs).detach()
    loss, accuracy = evaluate(model, some, batch_size=batch_size)
    assert loss == pytest.approx(F.cross_entropy(logits, some.targets).item(), rel=1e-12)
    assert accuracy == float((logits.argmax(1) == some.targets).double().mean())


def test_evaluation_changes_no_weight_and_keeps_no_gradient():
    model = network()
    before = parameters(model)
    evaluate(model, trials(10))
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert all(value.grad is None for value in model.parameters())
