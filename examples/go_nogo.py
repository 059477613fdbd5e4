"""Go/NoGo: remember over a delay whether the stimulus said go.

    python examples/go_nogo.py --help
    python examples/go_nogo.py --connectome 6_6_2 --data-root DIR --variants 'W*D*C' WD W --seeds 3

Trains each variant on this task, shows progress, prints the table, and writes tables, learned weights and figures to --out. Started
again with the same --out, it goes on where it was.
"""

# %% What to run
from pathlib import Path

from graphcortex.cli import run_example
from graphcortex.study import StudyConfig, StudyResults

TASK = "go_nogo"
DEFAULT = StudyConfig(tasks=(TASK,), out=Path("results") / TASK)


# %% What must hold
def check(results: StudyResults) -> None:
    """Assert what this example claims."""
    study = results.study
    assert len(results.runs) == len(study.keys())
    assert results.runs["accuracy"].between(0, 1).all()
    # Function-derived weights carry the stimulus over the delay, where random weights under the same penalty forget it.
    if (
        "6_6_2" in study.connectomes
        and study.protocols["published"].epochs >= 10
        and {"W*D*C", "W"} <= set(map(str, study.variants))
    ):
        mean = results.runs.groupby("variant")["accuracy"].mean()
        assert mean["W*D*C"] > mean["W"] + 0.2, mean


# %% Train, print, draw
if __name__ == "__main__":
    check(run_example(DEFAULT, __doc__))
