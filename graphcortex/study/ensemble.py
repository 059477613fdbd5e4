"""Seeds of one design trained as one batch: larger products, and the same numbers to rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from graphcortex._checks import check_count
from graphcortex.data import Connectome
from graphcortex.study.key import RunKey
from graphcortex.study.logs import Log
from graphcortex.study.protocol import Protocol
from graphcortex.study.run import RunResult, finish_run, start_run, train_runs
from graphcortex.tasks import Task

_FASTER_BELOW = 100
"""Neurons below which a CPU trains seeds faster side by side than one after the other, as benchmarks/bench_study.py measured on one
thread: 1.3 times for 42 neurons and 4 seeds or more, where calls take more time than products; 1.0 to 1.1 for 126, and nothing for
312."""


def worthwhile(num_nodes: int, device: torch.device | str) -> bool:
    """Say whether seeds train faster side by side than one after the other: on a GPU always, on a CPU where networks are small.

    Example:
        >>> worthwhile(42, "cpu"), worthwhile(312, "cpu"), worthwhile(312, "cuda")
        (True, False, True)
    """
    return torch.device(device).type == "cuda" or num_nodes < _FASTER_BELOW


def group_keys(keys: Iterable[RunKey], size: int) -> list[list[RunKey]]:
    """Part runs into groups that differ in the seed alone, of at most ``size``; each is fit for :func:`run_ensemble`.

    Args:
        keys: The runs.
        size: Most runs of a group.

    Returns:
        The groups, in the order of their first run; every run is in one.

    Example:
        >>> keys = [RunKey("go_nogo", variant, seed=seed) for seed in range(3) for variant in ("W", "WD")]
        >>> [[f"{key.variant}{key.seed}" for key in group] for group in group_keys(keys, 2)]
        [['W0', 'W1'], ['WD0', 'WD1'], ['W2'], ['WD2']]
    """
    check_count(size, "size")
    open_groups: dict[RunKey, list[RunKey]] = {}
    groups: list[list[RunKey]] = []
    for key in keys:
        design = replace(key, seed=0)
        if design not in open_groups or len(open_groups[design]) == size:
            open_groups[design] = []
            groups.append(open_groups[design])
        open_groups[design].append(key)
    return groups


def run_ensemble(
    connectome: Connectome,
    keys: Sequence[RunKey],
    protocol: Protocol,
    *,
    task: Task | None = None,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[dict], None] | None = None,
    log: Log | None = None,
    checkpoints: Sequence[str | Path | None] | None = None,
    checkpoint_every: int = 1,
) -> list[RunResult]:
    """Train several seeds of one design side by side, and measure each: what :func:`run_one` gives for each, to rounding.

    Every member has its own draws, noise, trials, optimiser, clipping and early stopping; one that diverges or has nothing left to
    train leaves the others as they are. The seconds of a member are its share. :func:`worthwhile` says where this is faster.

    Args:
        connectome: The neurons.
        keys: The runs, which differ in the seed alone.
        protocol: How they are run.
        task: As for :func:`run_one`.
        device: Where the networks are trained.
        on_epoch: Called after each epoch of each run with its row of the history.
        log: As for :func:`run_one`.
        checkpoints: A file for each run, as for :func:`run_one`; the runs may have got differently far.
        checkpoint_every: As for :func:`run_one`.

    Returns:
        A result per key.

    Raises:
        ValueError: If the keys differ in more than the seed, or name one run twice; and as :func:`run_one`.
    """
    keys = list(keys)
    designs = {replace(key, seed=0) for key in keys}
    if len(designs) != 1 or len(set(keys)) != len(keys):
        raise ValueError(
            "keys must be at least one run, different in the seed and in nothing else; got "
            f"{', '.join(map(str, keys)) or 'none'}. group_keys parts them."
        )
    files = [None] * len(keys) if checkpoints is None else list(checkpoints)
    if len(files) != len(keys):
        raise ValueError(f"checkpoints must be a file for each of {len(keys)} runs, got {len(files)}.")
    runs = [
        start_run(connectome, key, protocol, task=task, device=device, checkpoint=file)
        for key, file in zip(keys, files, strict=True)
    ]
    train_runs(runs, on_epoch=on_epoch, log=log, checkpoint_every=checkpoint_every)
    return [finish_run(connectome, run) for run in runs]
