"""Reproduction: the study's own field and protocol, each number beside the one that was reported.

    python examples/reproduce_paper.py --data-root DIR --seeds 6

Runs six variants on the three tasks on field 6_6_2, and writes table.md to --out: per task, variant and metric the mean over the
seeds, the paper's mean and 95 % interval, the difference with its 95 % interval, the smallest true difference that so many seeds
would show (power .8), and whether the two agree: Welch's t test, or Fisher's exact test of how many runs diverged, at .05.
Started again with more seeds and the same --out, it adds the missing runs.
"""

# %% What to run
import math
from pathlib import Path

import pandas as pd

from graphcortex.cli import run_example
from graphcortex.study import PUBLISHED_VARIANTS, StudyConfig, StudyResults
from graphcortex.study.store import write_text

VARIANTS = ("W*D*C", "WD*C", "WD", "W", "W*D*C*", "W!D*C")
DEFAULT = StudyConfig(connectome="6_6_2", variants=VARIANTS, seeds=6, out=Path("results/reproduction"))


# %% One line per cell
def line(row: pd.Series) -> str:
    texts = [row["task"], row["recurrence"], f"`{row['variant']}`", row["metric"]]
    for mean, low, high in (("mean", "ci95_low", "ci95_high"), ("paper_mean", "paper_low", "paper_high")):
        center, ends = row[mean], "" if math.isnan(row[low]) else f" [{row[low]:.3f}, {row[high]:.3f}]"
        texts.append("" if math.isnan(center) else f"{center:.3f}{ends}")
    seen = "" if math.isnan(row["detectable"]) else f"{row['detectable']:.3f}"
    texts += [str(row["diverged"]), seen, "yes" if row["agrees"] else "**no**"]
    return f"| {' | '.join(texts)} |"


def compare(results: StudyResults) -> str:
    table = results.table[results.table["variant"].isin(map(str, PUBLISHED_VARIANTS))]
    names = ("task", "recurrence", "variant", "metric", "mean", "paper", "diverged", "detectable", "agrees")
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n"
    counts = f"\n\n{int(table['agrees'].sum())} of {len(table)} cells agree, over {len(results.study.seeds)} seeds.\n"
    return head + "\n".join(line(row) for _, row in table.iterrows()) + counts


# %% Train, print, write
if __name__ == "__main__":
    results = run_example(DEFAULT, __doc__)
    assert "paper_mean" in results.table, "the paper's numbers hold for field 6_6_2 and the published protocol alone"
    text = compare(results)
    write_text(results.folder / "table.md", text)
    print(text.splitlines()[-1])
