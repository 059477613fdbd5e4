"""Perceptual decision: integrate noisy evidence over time, and remember which side had more.

    python examples/perceptual_decision.py --help
    python examples/perceptual_decision.py --connectome 6_6_2 --data-root DIR --variants 'W*D*C' WD W --seeds 3

Trains each variant on this task, shows progress, prints the table, and writes tables, learned weights and figures to --out. Started
again with the same --out, it goes on where it was.
"""

# %% What to run
from pathlib import Path

from graphcortex.cli import run_example
from graphcortex.study import StudyConfig, StudyResults
from graphcortex.tasks import get_task

TASK = "perceptual_decision"
DEFAULT = StudyConfig(tasks=(TASK,), out=Path("results") / TASK)


# %% What must hold
def check(results: StudyResults) -> None:
    """Assert what this example claims."""
    study = results.study
    assert len(results.runs) == len(study.keys())
    assert results.runs["accuracy"].between(0, 1).all()
    # No observer does better than the ideal one, but for luck in the trials.
    assert results.runs["test_accuracy"].max() < get_task(TASK).ceiling + 0.03


# %% Train, print, draw
if __name__ == "__main__":
    check(run_example(DEFAULT, __doc__))
