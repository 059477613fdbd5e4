"""The published protocol once more, trained by Keras: is it our arithmetic that differs from the paper's?

    pip install tensorflow-cpu==2.21.0  # not one of our requirements
    python examples/in_keras.py --help
    python examples/in_keras.py --variants 'W*DC*' --tasks go_nogo

Network, noise, losses, lengths, penalties, communicability and Adam are those of TensorFlow, Keras and SciPy, put together as in
the notebook that was released with the study (arXiv 2606.14975; github.com/neurovium/CorticalBlueprintRNN, commit 97e2b14). The
field, initial weights, trials and strengths are those that graphcortex has for a seed, and the graphs are measured by graphcortex:
a mistake in these would be in both. Before anything else, both train on the same batches without noise, and must take the same
steps.

Each run is a row of --out as soon as it is done; started again, the missing ones are computed.
"""

# %% What to run
import itertools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.linalg import expm
from scipy.spatial.distance import pdist, squareform

from graphcortex import TaskClassifier, Trials, get_task
from graphcortex.cli import parse_options
from graphcortex.data import Connectome, MicronsFields
from graphcortex.kernels import complete_edge_index
from graphcortex.metrics import learned_graph_metrics
from graphcortex.study import METRICS, Protocol, RunKey, Training, Variant, build_network, build_penalties
from graphcortex.study.run import draw_trials
from graphcortex.study.store import write_text
from graphcortex.study.training import run_epoch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow tells what processor it is on, at every start
PROTOCOL = Protocol.published()
FIELD, GRIDS = "6_6_2", {312: (12, 13, 2)}
VOXEL_UM = (0.004, 0.004, 0.04)


@dataclass(frozen=True)
class Config:
    """Train networks of the published study in Keras, on a CPU."""

    tasks: tuple[str, ...] = ("go_nogo",)
    """Tasks."""
    variants: tuple[str, ...] = ("W*D*C", "W*DC*")
    """Variants, without sparse ones and controls."""
    recurrence: tuple[str, ...] = ("free",)
    """Arms: free, nonnegative."""
    seeds: int = 3
    """Networks of each."""
    data_root: Path = Path("data")
    """Folder with the field; it is downloaded where it is missing."""
    out: Path = Path("results/keras.csv")
    """The table of runs."""


# %% The penalties, as functions of the matrix W[source, target]
def lengths(connectome: Connectome, variant: Variant) -> np.ndarray:
    """Return the distances of the study: of a grid, or between positions whose axes are mixed up and scaled to [0, 1]."""
    n = connectome.num_neurons
    if variant.distance == "D":
        axes = [axis.ravel()[:n] for axis in np.meshgrid(*map(np.arange, GRIDS[n]))]
    else:
        axes = (connectome.pos.double().numpy() / VOXEL_UM).round().reshape(3, -1)
        low, high = axes.min(1, keepdims=True), axes.max(1, keepdims=True)
        axes = (axes - low) / (high - low)
    return squareform(pdist(np.transpose(axes))).astype("float32")


def communicability(tf, weight, epsilon: float):
    """Return exp(S^-1/2 |W| S^-1/2) without its diagonal; S are the out-strengths, with an epsilon in C* and without in C."""
    absolute = tf.abs(weight)
    root = tf.linalg.diag((tf.reduce_sum(absolute, axis=1) + epsilon) ** -0.5)
    matrix = tf.linalg.expm(root @ absolute @ root)
    return tf.linalg.set_diag(matrix, tf.zeros(matrix.shape[0]))


def anatomy(counts: np.ndarray) -> np.ndarray:
    """Return the communicabilities of the synapses in ascending order; a neuron without outputs has 1e-10 of them."""
    strength = counts.sum(1)
    root = np.diag(np.where(strength == 0, 1e-10, strength) ** -0.5)
    matrix = expm(root @ counts @ root)
    np.fill_diagonal(matrix, 0)
    return np.sort(matrix, axis=None).astype("float32")


def penalty(tf, connectome: Connectome, variant: Variant, protocol: Protocol = PROTOCOL) -> Callable:
    """Return what a variant pays, as a function of its weights."""
    if variant.distance is None:
        return lambda weight: protocol.l1_strength * tf.reduce_sum(tf.abs(weight))
    strength, length = protocol.length_strength, tf.constant(lengths(connectome, variant))
    if variant.communicability == "C":
        return lambda weight: strength * tf.reduce_sum(tf.abs(weight) * length * communicability(tf, weight, 0.0))
    if variant.communicability is None:
        return lambda weight: strength * tf.reduce_sum(tf.abs(weight) * length)
    reference = tf.constant(anatomy(connectome.count_matrix().double().numpy()))

    def with_anatomy(weight):
        found = tf.sort(tf.reshape(communicability(tf, weight, 1e-10), [-1]))
        apart = tf.reduce_mean(tf.abs(reference - found))
        return strength * tf.reduce_sum(tf.abs(weight) * length) + protocol.emd_strength * apart

    return with_anatomy


# %% The network, started where that of graphcortex starts
def build(keras, start: TaskClassifier, pays: Callable, noise: float, nonnegative: bool):
    """Return the Keras network with the weights of ``start``."""
    rnn, inputs = start.rnn, start.rnn.input_weight.size(0)
    layers = [
        keras.layers.Input((None, inputs)),
        keras.layers.GaussianNoise(noise),
        keras.layers.SimpleRNN(
            rnn.num_nodes,
            activation="relu",
            recurrent_regularizer=pays,
            recurrent_constraint=keras.constraints.NonNeg() if nonnegative else None,
        ),
        keras.layers.Dense(start.readout.out_features, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.set_weights(parameters(start))
    # Keras' own defaults: that they are the protocol's is part of what is tested.
    model.compile(optimizer=keras.optimizers.Adam(), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def parameters(model: TaskClassifier) -> list[np.ndarray]:
    """Return the weights of a network of ours in the order and the shapes of Keras."""
    rnn, readout = model.rnn, model.readout
    found = (rnn.input_weight, rnn.edge_weight.view(rnn.num_nodes, -1), rnn.bias, readout.weight.T, readout.bias)
    return [one.detach().numpy() for one in found]


def data_set(tf, trials: Trials, count: int):
    """Return trials in batches, in their order."""
    inputs = trials.inputs.transpose(0, 1).numpy()
    targets = np.eye(count, dtype="float32")[trials.targets.numpy()]
    return tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(PROTOCOL.batch_size)


# %% Do both take the same steps?
def steps_apart(tf, keras, connectome: Connectome, key: RunKey, batches: int = 8) -> float:
    """Return how far both are apart after some batches without noise, in steps of the optimiser.

    Of each kind of parameters 99 % count: a weight whose gradient is next to nothing takes a whole step where rounding tells it to.
    Self-connections are a kind of their own, since what the others pay hides what they learn.
    """
    task, quiet = get_task(key.task), replace(PROTOCOL, input_noise=0.0, epochs=1)
    nonnegative = key.recurrence == "nonnegative"
    trials = draw_trials(task, key, quiet, "train", device="cpu")[: batches * quiet.batch_size]
    ours = build_network(connectome, key.variant, task, quiet, seed=key.seed)
    theirs = build(keras, ours, penalty(tf, connectome, key.variant), 0.0, nonnegative)
    theirs.fit(data_set(tf, trials, task.num_classes), epochs=1, verbose=0, shuffle=False)
    pays = build_penalties(connectome, key.variant, quiet, seed=key.seed)
    run_epoch([Training(ours, pays, trials, trials, quiet, rng=0, nonnegative=nonnegative)])
    inputs, recurrent, *others = (
        np.abs(one - other) / quiet.learning_rate
        for one, other in zip(parameters(ours), theirs.get_weights(), strict=True)
    )
    between = recurrent[~np.eye(len(recurrent), dtype=bool)]
    kinds = [inputs, between, recurrent.diagonal(), *others]
    return float(max(np.quantile(kind, 0.99) for kind in kinds))


# %% One run
def train(tf, keras, connectome: Connectome, key: RunKey) -> dict:
    """Train one network in Keras and return its row."""
    task = get_task(key.task)
    start = build_network(connectome, key.variant, task, PROTOCOL, seed=key.seed)
    keras.utils.set_random_seed(key.seed)
    pays = penalty(tf, connectome, key.variant)
    model = build(keras, start, pays, PROTOCOL.input_noise, key.recurrence == "nonnegative")
    trials = data_set(tf, draw_trials(task, key, PROTOCOL, "train", device="cpu"), task.num_classes)
    told = model.fit(trials, epochs=PROTOCOL.epochs, verbose=0, shuffle=False)
    weight = torch.from_numpy(np.array(model.get_weights()[1])).flatten()
    diverged = next((epoch for epoch, loss in enumerate(told.history["loss"], 1) if not math.isfinite(loss)), math.nan)
    found = learned_graph_metrics(complete_edge_index(connectome.num_neurons), weight, connectome.num_neurons)
    metrics = {name: float(getattr(found, name)) for name in METRICS if name != "accuracy"}
    return {
        "connectome": key.connectome, "protocol": key.protocol, "recurrence": key.recurrence, "task": key.task,
        "variant": str(key.variant), "seed": key.seed, "accuracy": told.history["accuracy"][-1], **metrics,
        "diverged_epoch": float(diverged),
    }  # fmt: skip


# %% All runs
def main(config: Config) -> pd.DataFrame:
    """Compute the missing runs and return all."""
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise SystemExit(f"This needs TensorFlow: pip install tensorflow-cpu==2.21.0 ({error}).") from error
    connectome = MicronsFields(config.data_root, names=[FIELD])[0]
    rows = pd.read_csv(config.out).to_dict("records") if config.out.is_file() else []
    names = ("recurrence", "task", "variant", "seed")
    done = {tuple(row[name] for name in names) for row in rows}
    config.out.parent.mkdir(parents=True, exist_ok=True)
    for task, variant, recurrence in itertools.product(config.tasks, config.variants, config.recurrence):
        keys = [RunKey(task, variant, recurrence, seed, FIELD, "published") for seed in range(config.seeds)]
        missing = [key for key in keys if (key.recurrence, key.task, str(key.variant), key.seed) not in done]
        if not missing:
            continue
        apart = steps_apart(tf, keras, connectome, keys[0])
        assert apart < 0.05, f"{keys[0]}: expected the steps of both to agree, got {apart:.2g} steps apart."
        for key in missing:
            rows.append(train(tf, keras, connectome, key) | {"steps_apart": apart})
            write_text(config.out, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))
            print(f"{key}: {rows[-1]['accuracy']:.3f}; without noise {apart:.2g} steps apart", flush=True)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    table = main(parse_options(Config, description=__doc__))
    print(table.groupby(["recurrence", "task", "variant"], sort=False)[list(METRICS)].mean().round(3).to_string())
