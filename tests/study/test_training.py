from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graphcortex.losses import L1Penalty, LengthPenalty
from graphcortex.study import Training, Variant, build_network, evaluate, train
from graphcortex.study.training import run_epoch
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


# --- what a protocol says of it


def trained(change: dict, *, count: int = 32, epochs: int = 4, penalties=(), model=None) -> tuple[Training, nn.Module]:
    model = network() if model is None else model
    protocol = replace(SHORT, epochs=epochs, **change)
    training = Training(model, penalties, trials(count, 1), trials(24, 2), protocol, rng=0)
    while not training.finished:
        run_epoch([training])
    return training, model


CHANGES = {
    "optimizer": {"optimizer": "adam"},
    "weight_decay": {"weight_decay": 0.5},
    "schedule": {"schedule": "cosine"},
    "clip_norm": {"clip_norm": 1e-3, "optimizer": "sgd"},
    "momentum": {"momentum": 0.1, "optimizer": "sgd"},
    "adam_epsilon": {"adam_epsilon": 1e-2},
    "autocast": {"autocast": "bfloat16"},
    "patience": {"patience": 1, "learning_rate": 0.3},
    "reported_accuracy": {"reported_accuracy": "test", "learning_rate": 0.3},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_each_part_of_a_protocol_that_is_about_training_counts(change):
    without = {name: value for name, value in change.items() if name in ("optimizer", "learning_rate")}
    if change == {"optimizer": "adam"}:
        without = {}
    histories = []
    for settings in (without, change):
        training, model = trained(settings, epochs=6)
        training.take_reported_weights()
        histories.append((parameters(model), len(training.history)))
    (before, _), (after, _) = histories
    assert not torch.equal(before["rnn.edge_weight"], after["rnn.edge_weight"])


def test_a_schedule_sets_the_step_of_each_epoch():
    """SGD without momentum on one batch: a step is the rate times the gradient."""
    model = network(noise=0.0)
    seen = trials(16)
    protocol = replace(
        SHORT, epochs=4, batch_size=16, optimizer="sgd", momentum=0.0, schedule="linear", learning_rate=0.1
    )
    training = Training(model, [], seen, seen, protocol, rng=0)
    for epoch in range(4):
        before = parameters(model)
        loss = F.cross_entropy(model.eval()(seen.inputs), seen.targets)
        gradient = torch.autograd.grad(loss, model.rnn.edge_weight)[0]
        run_epoch([training])
        expected = before["rnn.edge_weight"] - 0.1 * (1 - epoch / 4) * gradient
        torch.testing.assert_close(model.rnn.edge_weight.detach(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("clip", [1e-3, 1e3])
def test_clipping_bounds_the_gradient_of_all_parameters_together(clip):
    model = network(noise=0.0)
    before = parameters(model)
    seen = trials(16)
    protocol = replace(SHORT, epochs=1, batch_size=16, optimizer="sgd", momentum=0.0, learning_rate=1.0, clip_norm=clip)
    train(model, [], seen, seen, protocol, rng=0)
    moved = torch.cat([(value - before[name]).flatten() for name, value in parameters(model).items()]).norm().item()
    other = network(noise=0.0)
    F.cross_entropy(other(seen.inputs), seen.targets).backward()
    norm = torch.cat([value.grad.flatten() for value in other.parameters()]).norm().item()
    assert moved == pytest.approx(min(norm, clip), rel=1e-4)


def test_patience_ends_a_training_that_no_longer_gets_better():
    training, _ = trained({"patience": 3, "learning_rate": 0.1}, epochs=60)
    losses = [row["val_loss"] for row in training.history]
    assert len(losses) < 60
    assert training.best_epoch == np.argmin(losses) + 1
    assert len(losses) == training.best_epoch + 3
    for epoch in range(training.best_epoch, len(losses)):
        assert epoch - (np.argmin(losses[:epoch]) + 1) < 3, "it should have ended before"


def test_patience_does_not_cut_off_a_training_that_gets_better():
    some = trials(16, seed=1)
    training = Training(network(noise=0.0), [], some, some, replace(SHORT, epochs=5, patience=1, batch_size=16), rng=0)
    while not training.finished:
        run_epoch([training])
    assert len(training.history) == 5


def test_the_best_epoch_is_reported_where_the_protocol_says_so():
    """The weights of every epoch are kept here; those of the best must come back to the last bit."""
    change = {"learning_rate": 0.3, "reported_accuracy": "test"}
    model = network()
    training = Training(model, [], trials(32, 1), trials(24, 2), replace(SHORT, epochs=12, **change), rng=0)
    seen = []
    while not training.finished:
        run_epoch([training])
        seen.append(parameters(model))
    best = int(np.argmin([row["val_loss"] for row in training.history]))
    assert best + 1 not in (1, 12), "the best epoch must be told from the first and the last"
    assert training.reported_epoch == training.best_epoch == best + 1
    training.take_reported_weights()
    assert all(torch.equal(value, seen[best][name]) for name, value in parameters(model).items())
    assert evaluate(model, training.validation_trials) == (
        training.history[best]["val_loss"],
        training.history[best]["val_accuracy"],
    )
    published, last = trained({"learning_rate": 0.3}, epochs=12)
    published.take_reported_weights()
    assert published.reported_epoch == 12
    assert all(torch.equal(value, seen[-1][name]) for name, value in parameters(last).items())


def test_a_training_that_diverged_is_reported_as_it_ended():
    change = {"reported_accuracy": "test", "patience": 1}
    training, model = trained(change, epochs=9, penalties=[NaNAfter(3)])
    assert training.diverged_epoch == 2
    assert [row["diverged"] for row in training.history] == [False, True, True]
    assert training.best_epoch == 1
    assert training.reported_epoch == 3
    training.take_reported_weights()
    assert not bool(torch.isfinite(model.rnn.edge_weight).all())


def test_half_precision_changes_little():
    some = get_task("perceptual_decision").sample(32, rng=0)
    full, half = (float32_run(some, name) for name in ("none", "bfloat16"))
    (history, ours), (of_half, theirs) = full, half
    assert theirs["rnn.edge_weight"].dtype == torch.float32
    assert not torch.equal(ours["rnn.edge_weight"], theirs["rnn.edge_weight"])
    torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.01)
    assert of_half["loss"].iloc[-1] == pytest.approx(history["loss"].iloc[-1], rel=0.02)


def float32_run(some: Trials, autocast: str) -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    model = network().float()
    return train(model, [], some, some, replace(SHORT, autocast=autocast), rng=0), parameters(model)


def test_float16_needs_a_gpu():
    with pytest.raises(ValueError, match=r"autocast must .*cpu.*float16 needs a GPU; got"):
        Training(network(), [], trials(8), trials(8), replace(SHORT, autocast="float16"), rng=0)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_on_a_gpu(name, device):
    if device.type != "cuda":
        pytest.skip("float16 is for GPUs: pytest --device cuda")
    model = network().float().to(device)
    some = get_task("perceptual_decision").sample(64, rng=0, device=device)
    history = train(model, [], some, some, replace(SHORT, autocast=name, clip_norm=1.0, epochs=3), rng=0)
    assert np.isfinite(history["loss"]).all()
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
