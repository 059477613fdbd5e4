"""Train W*D*C with the exact penalty and with the stochastic one, and compare what was learned, within the spread of seeds.

    python benchmarks/compare_penalty_methods.py --connectome 6_6_2 --data-root DIR [--seeds 5] [--task go_nogo] [--probes 16]

Both arms share initial weights, trials and noise, seed by seed. A metric agrees if the difference of the means is within two
standard errors of seeds, or if neither arm varies and both say the same.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from environment import save

from graphcortex.data import load_connectome
from graphcortex.study import Protocol, Variant
from graphcortex.study.run import RunKey, run_one

METRICS = ("accuracy", "val_accuracy", "modularity", "small_worldness", "assortativity", "entropy")
METHODS = ("exact-dense", "stochastic")


def compare(runs: pd.DataFrame) -> pd.DataFrame:
    """Return per metric the mean and the sd of both arms, and whether they agree."""
    rows = []
    for metric in (name for name in METRICS if name in runs.columns):
        arms = [runs.loc[runs["method"] == method, metric] for method in METHODS]
        means, spreads = ([float(f(arm)) for arm in arms] for f in (pd.Series.mean, pd.Series.std))
        bound = 2 * math.sqrt(sum(s**2 for s in spreads) / len(arms[0]))
        row = {"metric": metric}
        for method, mean, spread in zip(METHODS, means, spreads, strict=True):
            row |= {method: mean, f"sd {method}": spread}
        rows.append(row | {"difference": means[1] - means[0], "agrees": abs(means[1] - means[0]) <= bound + 1e-12})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connectome", default="6_6_2")
    parser.add_argument("--data-root", type=Path, default=None)
    parser.add_argument("--task", default="go_nogo")
    parser.add_argument("--variant", default="W*D*C")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--probes", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    connectome = load_connectome(options.connectome, options.data_root)
    rows = []
    for seed in range(options.seeds):
        for method in METHODS:
            protocol = replace(
                Protocol.published(),
                epochs=options.epochs,
                communicability_method=method,
                communicability_probes=options.probes,
            )
            row = run_one(connectome, RunKey(options.task, Variant.parse(options.variant), seed=seed), protocol).row()
            rows.append({"method": method, **row})
            print(
                ", ".join(
                    f"{name} {rows[-1][name]}"
                    for name in ("method", "seed", *METRICS)
                    if name in row or name == "method"
                )
            )
    table = compare(pd.DataFrame(rows))
    print(table.to_string(index=False))
    kept = [{name: value for name, value in row.items() if isinstance(value, (int, float, str))} for row in rows]
    print(f"written to {save('compare_penalty_methods', [*kept, *table.to_dict('records')])}")


if __name__ == "__main__":
    main()
