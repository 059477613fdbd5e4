"""Studies for the tests of the report: small real ones, and made ones of every shape, which need no training."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data

from graphcortex.kernels import complete_edge_index
from graphcortex.study import RunKey
from tests.study._small import SmallConfig, connectome

NUM_NEURONS = 12


@dataclass
class MadeStudy:
    """What a report reads of a study, drawn at random: a run of every combination."""

    folder: Path
    variants: tuple[str, ...] = ("W*D*C", "WD", "W")
    tasks: tuple[str, ...] = ("go_nogo",)
    connectomes: tuple[str, ...] = ("synthetic",)
    protocols: tuple[str, ...] = ("published",)
    recurrences: tuple[str, ...] = ("free",)
    seeds: int = 3
    diverged: Any = ()
    """Seeds that diverge, or "all"."""
    config: Any = field(init=False)
    connectome: Any = field(init=False)
    runs: pd.DataFrame = field(init=False)

    def __post_init__(self):
        self.config = SmallConfig(out=self.folder, tasks=("go_nogo",))
        self.connectome = connectome(NUM_NEURONS)
        rng = np.random.default_rng(0)
        rows = []
        for name, protocol, recurrence, task, seed, variant in itertools.product(
            self.connectomes, self.protocols, self.recurrences, self.tasks, range(self.seeds), self.variants
        ):
            broken = self.diverged == "all" or seed in self.diverged
            numbers = np.full(4, np.nan) if broken else rng.uniform(0.3, 1, 4)
            accuracy = np.nan if broken else rng.uniform(0.4, 1)
            rows.append(
                {
                    "connectome": name, "protocol": protocol, "recurrence": recurrence, "task": task,
                    "variant": variant, "seed": seed, "accuracy": accuracy,
                    **dict(zip(("modularity", "small_worldness", "assortativity", "entropy"), numbers, strict=True)),
                    "test_accuracy": accuracy, "diverged_epoch": 2.0 if broken else np.nan,
                }
            )  # fmt: skip
        self.runs = pd.DataFrame(rows)

    def history(self, task: str) -> pd.DataFrame:
        rows = self.runs[self.runs["task"] == task].drop_duplicates(["variant", "seed"])
        parts = []
        for row in rows.itertuples():
            broken = not np.isfinite(row.accuracy)
            part = pd.DataFrame({"epoch": [1, 2, 3], "variant": row.variant, "seed": row.seed, "diverged": broken})
            curve = np.array([np.nan] * 3) if broken else np.linspace(0.3, row.accuracy, 3)
            parts.append(part.assign(loss=1 - curve, accuracy=curve, val_loss=1 - curve, val_accuracy=curve))
        return pd.concat(parts, ignore_index=True)

    def learned_graph(self, key: RunKey) -> Data:
        rng = torch.Generator().manual_seed(key.seed)
        weight = torch.randn(NUM_NEURONS**2, generator=rng)
        edges = complete_edge_index(NUM_NEURONS)
        return Data(edge_index=edges, edge_weight=weight, pos=self.connectome.pos, num_nodes=NUM_NEURONS)


SHAPES = {
    "one run": {"variants": ("W",), "seeds": 1},
    "one variant": {"variants": ("WD",)},
    "all diverged": {"diverged": "all"},
    "all arms": {
        "connectomes": ("6_6_2", "5_3_8"), "protocols": ("published", "corrected"), "recurrences": ("free", "nonnegative"),
        "tasks": ("go_nogo", "perceptual_decision"), "diverged": (0,),
    },
    "a control of every kind": {
        "variants": ("W*[shuffled]D*[shuffled]C*@degree-length", "W[positive]D*C*+sparse", "W*[no-diagonal]", "W"),
    },
}  # fmt: skip
"""A shape of a study that a report must bear is one more line."""

CLAIMS = pd.DataFrame(
    [
        {
            "connectome": "synthetic", "protocol": "published", "recurrence": "free", "task": "go_nogo", "claim": name,
            "statement": f"the statement of {name}", "verdict": verdict, "effect": 0.25, "low": low, "high": 0.4, "p": p, "n": 3,
            "reason": reason,
        }
        for name, verdict, low, p, reason in (
            ("gain", "holds", 0.1, 1e-5, ""),
            ("space", "fails", -0.1, 0.3, "the interval holds zero"),
            ("names", "undecided", np.nan, np.nan, "one seed has no interval"),
        )
    ]
)  # fmt: skip
