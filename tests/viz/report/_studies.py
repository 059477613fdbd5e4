"""Studies for the tests of the report: small real ones, and made ones of every shape, which need no training."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data

from graphcortex.kernels import complete_edge_index
from graphcortex.study import ClaimsTable, Failure, Finding, RunKey, Study, manifest, summarize
from graphcortex.tasks import get_task
from tests.study._small import connectome

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
    first_seed: int = 0
    diverged: Any = ()
    """Seeds that diverge, or "all"."""
    failures: tuple[Failure, ...] = ()
    study: Study = field(init=False)
    store: Any = field(init=False)
    runs: pd.DataFrame = field(init=False)

    def __post_init__(self):
        neurons = {name: connectome(NUM_NEURONS) for name in self.connectomes}
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        given = {"seeds": seeds, "protocols": self.protocols, "recurrence": self.recurrences}
        self.study = Study(neurons, self.variants, self.tasks, **given)
        self.store = SimpleNamespace(manifest=manifest.new(self.study.settings(), {}))
        rng = np.random.default_rng(0)
        rows = []
        for name, protocol, recurrence, task, seed, variant in itertools.product(
            self.connectomes, self.protocols, self.recurrences, self.tasks, seeds, self.variants
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

    def of_folder(self) -> MadeStudy:
        return self

    def levels(self, task: str) -> dict[str, float]:
        return {name: getattr(get_task(task), name) for name in ("chance", "floor", "ceiling")}

    @property
    def keys(self) -> list[RunKey]:
        return self.study.keys()

    @property
    def table(self) -> pd.DataFrame:
        return summarize(self.runs)

    def history(self) -> pd.DataFrame:
        parts = []
        for row in self.runs.to_dict("records"):
            broken = not np.isfinite(row["accuracy"])
            curve = np.array([np.nan] * 3) if broken else np.linspace(0.3, row["accuracy"], 3)
            numbers = {"loss": 1 - curve, "accuracy": curve, "val_loss": 1 - curve, "val_accuracy": curve}
            names = {name: row[name] for name in ("connectome", "protocol", "recurrence", "task", "variant", "seed")}
            parts.append(pd.DataFrame({"epoch": [1, 2, 3], "diverged": broken, **numbers}).assign(**names))
        return pd.concat(parts, ignore_index=True)

    def learned_graph(self, key: RunKey) -> Data:
        rng = torch.Generator().manual_seed(key.seed)
        weight = torch.randn(NUM_NEURONS**2, generator=rng)
        edges = complete_edge_index(NUM_NEURONS)
        return Data(
            edge_index=edges, edge_weight=weight, pos=self.study.connectomes[key.connectome].pos, num_nodes=NUM_NEURONS
        )


SHAPES = {
    "one run": {"variants": ("W",), "seeds": 1},
    "one variant": {"variants": ("WD",)},
    "all diverged": {"diverged": "all"},
    "several of everything": {
        "connectomes": ("6_6_2", "5_3_8"), "protocols": ("published", "corrected"), "recurrences": ("nonnegative",),
        "tasks": ("go_nogo", "perceptual_decision"), "diverged": (0,),
    },
    "a control of every kind": {
        "variants": ("W*[shuffled]D*[shuffled]C*@degree-length", "W[positive]D*C*+sparse", "W*[no-diagonal]", "W"),
    },
}  # fmt: skip
"""A shape of a study that a report must bear is one more line."""

_FINDING = {
    "connectome": "synthetic", "protocol": "published", "recurrence": "free", "task": "go_nogo", "compared": "W* less W",
    "metric": "accuracy", "expected": "greater", "smallest_effect": 0.02, "effect": 0.25, "high": 0.4, "p_against": 0.5, "n": 3,
    "dropped": 0, "seeds_needed": None,
}  # fmt: skip
CLAIMS = ClaimsTable(
    tuple(
        Finding(**_FINDING, claim=name, verdict=verdict, low=low, p=p, reason=reason)
        for name, verdict, low, p, reason in (
            ("gain", "holds", 0.1, 1e-5, ""),
            ("space", "fails", -0.1, 0.3, "the interval holds zero"),
            ("names", "undecided", np.nan, np.nan, "one seed has no interval"),
        )
    ),
    {name: f"the statement of {name}" for name in ("gain", "space", "names")},
)


def evil_claims(words: str) -> ClaimsTable:
    """Return findings that say something else than they should."""
    return ClaimsTable(
        (Finding(**_FINDING | {"compared": words}, claim="gain", verdict="holds", low=0.1, p=0.1, reason=words),),
        {"gain": words},
    )
