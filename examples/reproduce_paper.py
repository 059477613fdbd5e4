"""Reproduction: the study's own field and protocol, each number beside the one that was reported.

    python examples/reproduce_paper.py --data-root DIR --seeds 6

Runs six variants on the three tasks on field 6_6_2, and writes table.md to --out: per task, variant and metric the mean over the
seeds, the paper's mean and 95 % interval, and whether the mean lies in that interval widened by two standard errors of these seeds.
Started again with more seeds and the same --out, it adds the missing runs.
"""

# %% What to run
import math
from pathlib import Path

import pandas as pd

from graphcortex.cli import run_example
from graphcortex.study import StudyConfig, StudyResults
from graphcortex.study.store import write_text

VARIANTS = ("W*D*C", "WD*C", "WD", "W", "W*D*C*", "W!D*C")
DEFAULT = StudyConfig(field="6_6_2", variants=VARIANTS, seeds=6, out=Path("results/reproduction"))


# %% One line per cell
def line(row: pd.Series) -> str:
    low = "" if math.isnan(row["paper_low"]) else f" [{row['paper_low']:.3f}, {row['paper_high']:.3f}]"
    verdict = "yes" if row["agrees"] else "**no**"
    cells = (row["task"], f"`{row['variant']}`", row["metric"], f"{row['mean']:.3f} ± {row['standard_error']:.3f}")
    return f"| {' | '.join(cells)} | {row['paper_mean']:.3f}{low} | {verdict} |"


def compare(results: StudyResults) -> str:
    table = results.table.dropna(subset=["paper_mean"])
    head = "| task | variant | metric | mean ± standard error | paper | agrees |\n|---|---|---|---|---|---|\n"
    counts = f"\n\n{int(table['agrees'].sum())} of {len(table)} cells agree, over {len(results.study.seeds)} seeds.\n"
    return head + "\n".join(line(row) for _, row in table.iterrows()) + counts


# %% Train, print, write
if __name__ == "__main__":
    results = run_example(DEFAULT, __doc__)
    assert "paper_mean" in results.table, "the paper's numbers hold for field 6_6_2 and the published protocol alone"
    text = compare(results)
    write_text(results.folder / "table.md", text)
    print(text.splitlines()[-1])
