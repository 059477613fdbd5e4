"""Compare what random probes can be made of, for the stochastic communicability penalty: spread against cost, in one process.

    python benchmarks/bench_probes.py [--threads 2] [--draws 100]

The graph is that of ``bench_communicability.py --cases sparse``. Every row is unbiased; it spends about 16 columns, or says
what more. The table of docs/communicability.md comes from here. Antithetic probes are not among the rows: z and -z give the
same number.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from bench_communicability import Penalty, spatial_graph
from environment import save

from graphcortex.kernels import sddmm, spmm
from graphcortex.ops._edges import normalize
from graphcortex.ops._stochastic import known_direction, rademacher
from graphcortex.ops._walks import walk_sum


class Estimate:
    """The tail of the series from a set of columns: exact ones, and random ones across them."""

    def __init__(self, penalty: Penalty):
        self.structure, self.N = penalty.structure, penalty.num_nodes
        self.leaf = penalty.weight.clone().requires_grad_()
        absolute = self.leaf.abs()
        self.values_of_leaf = normalize(self.structure, absolute, "both", 1e-10)
        self.cost_of_leaf = absolute * penalty.length
        self.values, self.cost = self.values_of_leaf.detach(), self.cost_of_leaf.detach()
        self.known = known_direction(self.structure, absolute.detach(), "both")[:, None]
        out, into = self.structure.outgoing, self.structure.incoming
        self.A, self.M = (out, out.arrange(self.values)), (out, out.arrange(self.cost))
        self.At, self.Mt = (into, into.arrange(self.values)), (into, into.arrange(self.cost))

    def tail(self, exact: torch.Tensor | None, probes: torch.Tensor, first: int):
        """Return the value of the powers from ``first`` on, and its derivatives in values and cost."""
        share = torch.full((probes.size(1),), 1 / probes.size(1))
        if exact is not None:
            probes = torch.cat([exact, probes - exact @ (exact.t() @ probes)], 1)
            share = torch.cat([torch.ones(exact.size(1)), share])
        scaled = spmm(*self.M, probes) * share
        total, in_values = walk_sum(self.structure, self.values, probes, lambda _: scaled, first=first)
        return (scaled * total).sum(dtype=torch.float64), in_values, sddmm(self.structure, [total * share], [probes])

    def second_by_probes(self, probes: torch.Tensor):
        """Return the second power alone: one step each way."""
        probes = torch.cat([self.known, probes - self.known @ (self.known.t() @ probes)], 1)
        share = torch.cat([torch.ones(1), torch.full((probes.size(1) - 1,), 1 / (probes.size(1) - 1))])
        moved = spmm(*self.A, probes)
        scaled = spmm(*self.M, probes) * share / 2
        in_values = sddmm(self.structure, [scaled, spmm(*self.At, scaled)], [moved, probes])
        in_cost = sddmm(self.structure, [spmm(*self.A, moved) * share / 2], [probes])
        return (scaled * spmm(*self.A, moved)).sum(dtype=torch.float64), in_values, in_cost

    def second_exactly(self):
        """Return the second power alone, from dense products: possible at this size only."""
        i, j = self.structure.edge_index
        A, M = (torch.zeros(self.N, self.N).index_put((i, j), v) for v in (self.values, self.cost))
        square = A @ A
        in_values = (M @ A.t() + A.t() @ M)[i, j] / 2
        return (M * square).sum(dtype=torch.float64) / 2, in_values, square[i, j] / 2

    def weight_gradient(self, in_values, in_cost) -> torch.Tensor:
        """Return the gradient of the weights, the exact first order included."""
        outputs = (self.values_of_leaf, self.cost_of_leaf)
        grads = (self.cost + in_values, self.values + in_cost)
        return torch.autograd.grad(outputs, self.leaf, grads, retain_graph=True)[0]


def orthonormal(matrix: torch.Tensor) -> torch.Tensor:
    return torch.linalg.qr(matrix)[0]


def estimators(e: Estimate, rng: torch.Generator) -> dict[str, Callable]:
    def signs(count: int) -> torch.Tensor:
        return rademacher(e.N, count, e.values, rng)

    def sketch() -> torch.Tensor:
        return orthonormal(torch.cat([e.known, spmm(*e.At, spmm(*e.A, signs(8)))], 1))

    def two_known() -> torch.Tensor:
        left = spmm(*e.A, e.known)
        return orthonormal(torch.cat([e.known, spmm(*e.Mt, left / left.norm())], 1))

    def added(*parts):
        return tuple(sum(piece) for piece in zip(*parts, strict=True))

    return {
        "Rademacher": lambda: e.tail(None, signs(16), 2),
        "known direction + Rademacher (kept)": lambda: e.tail(e.known, signs(16), 2),
        "known direction + orthogonal": lambda: e.tail(
            e.known, orthonormal(torch.randn(e.N, 16, generator=rng)) * e.N**0.5, 2
        ),
        "two known directions + Rademacher": lambda: e.tail(two_known(), signs(16), 2),
        "Hutch++, 8 sketched + 8": lambda: e.tail(sketch(), signs(8), 2),
        "known direction + 64 Rademacher": lambda: e.tail(e.known, signs(64), 2),
        "second order by 64, rest by 16": lambda: added(e.second_by_probes(signs(64)), e.tail(e.known, signs(16), 3)),
        "second order exactly (dense), rest by 16": lambda: added(e.second_exactly(), e.tail(e.known, signs(16), 3)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--draws", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    penalty = Penalty(spatial_graph(2_000, 133_000))
    value, gradient = Penalty(spatial_graph(2_000, 133_000), torch.float64).ours("exact-dense")
    e = Estimate(penalty)
    first = float(torch.dot(e.values.double(), e.cost.double()))
    rows = []
    for name, estimate in estimators(e, torch.Generator().manual_seed(0)).items():
        values, cosines, times = [], [], []
        for _ in range(options.draws):
            start = time.perf_counter()
            tail, in_values, in_cost = estimate()
            times.append(time.perf_counter() - start)
            found = e.weight_gradient(in_values, in_cost).double()
            values.append(first + float(tail))
            cosines.append(float(torch.cosine_similarity(found, gradient, dim=0)))
        cosine = statistics.mean(cosines)
        rows.append(
            {
                "probes": name,
                "seconds": statistics.median(times),
                "relative_sd": statistics.stdev(values) / value,
                "bias_in_standard_errors": (statistics.mean(values) - value)
                / (statistics.stdev(values) / len(values) ** 0.5),
                "gradient_cosine": cosine,
            }
        )
        print("; ".join(f"{k} {v:.4g}" if isinstance(v, float) else v for k, v in rows[-1].items()), flush=True)
    print(f"written to {save('bench_probes', rows)}")


if __name__ == "__main__":
    main()
