"""Analyse a learned graph: train a network whose long connections wither, and see what wiring is left.

    python examples/analyse_learned_graph.py --help
    python examples/analyse_learned_graph.py --out results/analysis

Trains a network of 100 neurons at the positions of a synthetic cortex on Go/NoGo. Each connection loses a little of its size at
every step, in proportion to its length, and ends at zero where the task does not hold it. Metrics are recorded on the way, the
graph is put beside random ones and beside the graph before learning, and figures are written to --out.
Takes half a minute on one core.
"""

# %% What to run
import argparse
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from graphcortex import GraphRNN, SyntheticCortex, TaskClassifier, complete_edge_index, edge_length, viz
from graphcortex.metrics import Evolution, Nulls, compare, rich_club, strongest_edges, summary
from graphcortex.tasks import GoNoGo

NUM_NEURONS, BATCHES, TRIALS = 100, 20, 64
TASK = GoNoGo(fixation_steps=1, stimulus_steps=4, delay_steps=4, decision_steps=1)
SHRINK = 4e-4  # of a connection of mean length, at every step


# %% Train, and record metrics after each epoch: numbers are kept, weights are not
def train(model, pos, epochs, record):
    """Train a network on fresh trials; return its accuracy on others."""
    rnn, rng = model.rnn, torch.Generator().manual_seed(0)
    length = edge_length(rnn.edge_index, pos)
    shrink = SHRINK * length / length.mean()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    record(0, rnn)
    for epoch in range(1, epochs + 1):
        for _ in range(BATCHES):
            trials = TASK.sample(TRIALS, rng=rng)
            optimiser.zero_grad()
            cross_entropy(model(trials.inputs, rng=rng), trials.targets).backward()
            optimiser.step()
            with torch.no_grad():  # the proximal step of a length penalty: what it brings to zero is exactly zero
                rnn.edge_weight.copy_(rnn.edge_weight.sign() * (rnn.edge_weight.abs() - shrink).clamp(min=0))
        record(epoch, rnn)
    test = TASK.sample(1000, rng=1)
    return float((model.eval()(test.inputs).argmax(1) == test.targets).float().mean())


# %% Draw: each figure is one call, and returns axes
def draw(out, rnn, pos, table, found, nulls):
    """Write all figures; return their files."""
    graph = (rnn.edge_index, rnn.edge_weight.detach(), rnn.num_nodes)
    modules, above = found["modularity"].membership, found.about["threshold"]
    club = rich_club(strongest_edges(*graph), None, rnn.num_nodes, null=nulls)
    figures = {
        "evolution": viz.plot_evolution(table),
        "spectrum": viz.plot_spectrum(*graph),
        "degree": viz.plot_degree_distribution(*graph, threshold=above),
        "length": viz.plot_length_distribution(*graph, pos, threshold=above),
        "rich-club": viz.plot_rich_club(club),
        "matrix": viz.plot_matrix(*graph, membership=modules),
        "space": viz.plot_learned_graph(pos, *graph[:2], membership=modules),
    }
    return [viz.save_figure(axes, out / f"{name}.png") for name, axes in figures.items()]


# %% Everything together
def main(epochs, num_nulls, out):
    """Train, print, draw; return what the claims are about."""
    pos = SyntheticCortex(num_neurons=NUM_NEURONS)[0].pos
    rnn = GraphRNN(TASK.input_size, complete_edge_index(NUM_NEURONS), NUM_NEURONS, nonlinearity="relu")
    rnn.reset_parameters(rng=0)
    model = TaskClassifier(rnn, TASK.num_classes, input_noise=0.05, rng=1)
    before = (rnn.edge_index, rnn.edge_weight.detach().clone(), NUM_NEURONS)
    record = Evolution()
    accuracy = train(model, pos, epochs, record)
    table = record.table()
    some = table.drop(columns="reason").iloc[:: max(1, epochs // 4)].round(3)
    print(f"test accuracy {accuracy:.3f}\n\n{some.to_string(index=False)}\n")

    # Both graphs through their strongest tenth: metrics of graphs of different density are not comparable.
    nulls = Nulls("degree", num=num_nulls)
    found = summary(rnn, pos=pos, initial=before, null=nulls)
    print(f"{found}\n")
    both = compare(summary(before, pos=pos, null=nulls), found, names=("before", "after"))
    print(f"{both.round(3).to_string()}\n")
    files = draw(out, rnn, pos, table, found, nulls)
    print("\n".join(str(path) for path in files))
    return accuracy, table, found, both, files


# %% What must hold
def check(accuracy, table, found, both):
    """Assert what this example claims of a trained network."""
    assert accuracy > 0.95, "the task is learned"
    assert table["share_nonzero"].iloc[-1] < 0.3, "most connections are gone"
    assert abs(both.loc["modularity", "z of before"]) < 4, "random weights have the modules of random graphs"
    assert found["modularity"].z > 10, "the learned graph has more"
    assert found["small_worldness"].z > 5, "and is more of a small world than random graphs"
    assert both.loc["wiring_length", "after"] < 0.8 * both.loc["wiring_length", "before"], "its wiring is shorter"
    assert found["wiring_length"].p_value < 0.01, "and shorter than by chance"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="epochs of 20 steps (default: 20)")
    parser.add_argument("--nulls", type=int, default=100, help="random graphs to compare with (default: 100)")
    parser.add_argument("--out", type=Path, default=Path("results/analysis"), help="folder of the figures")
    options = parser.parse_args()
    *results, _ = main(options.epochs, options.nulls, options.out.expanduser())
    if options.epochs >= 20:
        check(*results)
