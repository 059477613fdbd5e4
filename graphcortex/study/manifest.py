"""What a study's folder says of itself: what decides its results, what was asked for, and on what it ran."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import time
from typing import Any

import torch

from graphcortex import __version__

FORMAT, VERSION = "graphcortex.Study", 1
GROWING = ("connectomes", "protocols", "tasks")
"""Settings by name: a study may come to have more of them; one that is there must stay the same."""

_TOLERANCE = 1e-4
"""How far apart numbers may be that are given as ``{"about": [...]}``: float32 computed by two machines differs by some 1e-7."""

_PACKAGES = ("torch", "torch-geometric", "numpy", "pandas", "scipy", "igraph", "pyarrow")


def machine() -> dict[str, Any]:
    """Return the versions and the hardware of this process."""
    versions = {"python": platform.python_version(), "graphcortex": __version__}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "unknown"
    gpus = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    hardware = {"system": platform.system(), "machine": platform.machine(), "cpus": os.cpu_count(), "gpus": gpus}
    return {"versions": versions, "hardware": {**hardware, "processor": _processor()}}


def new(settings: dict[str, Any], study: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of a study that begins."""
    began = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    head = {"format": FORMAT, "version": VERSION, "began": began}
    return {**head, "settings": settings, "study": study, "machines": [machine()]}


def grown(there: dict[str, Any], settings: dict[str, Any], study: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of a study that goes on: with the names that came in, the last thing asked for, and this machine."""
    merged = {**there["settings"], **settings}
    for name in GROWING:
        if name in merged:
            # What is there stays, to the digit: a machine that rounds otherwise does not change it.
            merged[name] = _merge(settings.get(name, {}), there["settings"].get(name, {}))
    machines = there["machines"] + [here for here in (machine(),) if here not in there["machines"]]
    return {**there, "settings": merged, "study": study or there["study"], "machines": machines}


def _merge(new: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    """Return all that either has, that which is there first."""
    both = {
        name: _merge(new[name], there[name])
        for name in new.keys() & there.keys()
        if isinstance(new[name], dict) and isinstance(there[name], dict)
    }
    return {**new, **{name: value for name, value in there.items() if value is not None}, **both}


def differences(there: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Name what differs between two settings, as ``protocols.published.epochs: 10 there, 2 asked for``."""
    return [
        difference
        for name in sorted(there.keys() | wanted.keys())
        for difference in _differences(there.get(name), wanted.get(name), name, growing=name in GROWING)
    ]


def agree(a: Any, b: Any) -> bool:
    """Return whether two plain values are the same, numbers of ``{"about": [...]}`` to within :data:`_TOLERANCE`."""
    return not _differences(a, b, "")


def _differences(a: Any, b: Any, name: str, *, growing: bool = False) -> list[str]:
    # A task that could draw no trials has no runs either.
    if (growing or name.endswith(".trials")) and (a is None or b is None):
        return []
    if name.endswith("trials") and isinstance(a, dict) and isinstance(b, dict):
        return [] if agree(a, b) else [f"{name}: the task draws other trials than it did for the runs that are there"]
    if isinstance(a, dict) and isinstance(b, dict):
        if set(a) == set(b) == {"about"}:
            a, b = a["about"], b["about"]
            near = [math.isclose(x, y, rel_tol=0, abs_tol=_TOLERANCE) for x, y in zip(a, b, strict=False)]
            return [] if len(a) == len(b) and all(near) else [f"{name}: other numbers"]
        names = sorted(a.keys() & b.keys() if growing else a.keys() | b.keys())
        return [difference for key in names for difference in _differences(a.get(key), b.get(key), f"{name}.{key}")]
    return [] if a == b else [f"{name}: {a!r} there, {b!r} asked for"]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
