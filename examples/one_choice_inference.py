"""One-choice inference: remember a goal over a delay, then choose the move towards it.

    python examples/one_choice_inference.py --help
    python examples/one_choice_inference.py --connectome 6_6_2 --data-root DIR --variants 'W*D*C' WD W --seeds 3

Trains each variant on this task, shows progress, prints the table, and writes tables, learned weights and figures to --out. Started
again with the same --out, it goes on where it was.
"""

# %% What to run
from pathlib import Path

from graphcortex.cli import run_example
from graphcortex.study import StudyConfig, StudyResults

TASK = "one_choice_inference"
DEFAULT = StudyConfig(tasks=(TASK,), out=Path("results") / TASK)


# %% What must hold
def check(results: StudyResults) -> None:
    """Assert what this example claims."""
    study = results.study
    assert len(results.runs) == len(study.keys())
    assert results.runs["accuracy"].between(0, 1).all()
    # What is learned: to choose at all. The choices alone, without the goal, already allow .625.
    if study.protocols["published"].epochs >= 10 and "W*D*C" in map(str, study.variants):
        assert results.runs.query("variant == 'W*D*C'")["accuracy"].max() > 0.5, "W*D*C should do better than guess"


# %% Train, print, draw
if __name__ == "__main__":
    check(run_example(DEFAULT, __doc__))
