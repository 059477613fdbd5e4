"""The recurrence written out: one loop per step, trial, neuron and edge."""

import math

import torch

SCALARS = {
    "relu": (lambda a: max(a, 0.0), lambda a: 1.0 if a > 0 else 0.0),
    "tanh": (math.tanh, lambda a: 1 - math.tanh(a) ** 2),
    "softplus": (lambda a: math.log1p(math.exp(a)), lambda a: 1 / (1 + math.exp(-a))),
    "identity": (lambda a: a, lambda a: 1.0),
}


def naive_scan(drive, edge_weight, edge_index, h0, nonlinearity, alpha):
    """Return the states of all steps and their pre-activations, as lists of lists of rows."""
    f, _ = SCALARS[nonlinearity]
    pairs = list(zip(*edge_index.tolist(), edge_weight.tolist(), strict=True))
    h = h0.tolist()
    states, before = [], []
    for d in drive.tolist():
        pre = [list(row) for row in d]
        for b in range(len(pre)):
            for i, j, w in pairs:
                pre[b][j] += w * h[b][i]
        h = [[(1 - alpha) * h[b][j] + alpha * f(pre[b][j]) for j in range(len(pre[b]))] for b in range(len(pre))]
        before.append(pre)
        states.append(h)
    return states, before


def naive_gradients(drive, edge_weight, edge_index, h0, nonlinearity, alpha, grad_states):
    """Return d(sum grad_states * states) / d(drive, edge_weight, h0), by the chain rule, one scalar at a time."""
    _, slope = SCALARS[nonlinearity]
    states, before = naive_scan(drive, edge_weight, edge_index, h0, nonlinearity, alpha)
    pairs = list(zip(*edge_index.tolist(), edge_weight.tolist(), strict=True))
    num_steps, num_trials, num_nodes = drive.shape
    grad_drive = torch.zeros_like(drive)
    grad_weight = torch.zeros_like(edge_weight)
    grad_h = torch.zeros_like(h0)
    for t in reversed(range(num_steps)):
        grad_h = grad_h + grad_states[t]
        earlier = (1 - alpha) * grad_h
        previous = states[t - 1] if t > 0 else h0.tolist()
        for b in range(num_trials):
            for j in range(num_nodes):
                grad_drive[t, b, j] = alpha * slope(before[t][b][j]) * grad_h[b, j]
            for e, (i, j, w) in enumerate(pairs):
                earlier[b, i] += w * grad_drive[t, b, j]
                grad_weight[e] += previous[b][i] * grad_drive[t, b, j]
        grad_h = earlier
    return grad_drive, grad_weight, grad_h


def naive_spmm(graph, h):
    """Send every state along every edge; ``h`` is neurons by trials."""
    out = torch.zeros_like(h)
    for i, j, w in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), strict=True):
        for b in range(h.size(1)):
            out[j, b] += w * h[i, b]
    return out


def naive_sddmm(graph, h, delta):
    """Sum the products of both ends of every edge, over steps and trials."""
    out = torch.zeros(graph.edge_index.size(1), dtype=h[0].dtype)
    for at_source, at_target in zip(h, delta, strict=True):
        for e, (i, j) in enumerate(graph.edge_index.T.tolist()):
            for b in range(at_source.size(1)):
                out[e] += at_source[i, b] * at_target[j, b]
    return out
