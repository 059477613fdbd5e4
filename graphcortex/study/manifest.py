"""What a study's folder says of itself: what decides its results, what was asked for, and on what it ran."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from typing import Any

import torch

from graphcortex import __version__

FORMAT, VERSION = "graphcortex.Study", 1
GROWING = ("connectomes", "protocols", "tasks")
"""Settings by name: a study may come to have more of them; one that is there must stay the same."""

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
            merged[name] = {**there["settings"].get(name, {}), **settings.get(name, {})}
    machines = there["machines"] + [found for found in (machine(),) if found not in there["machines"]]
    return {**there, "settings": merged, "study": study or there["study"], "machines": machines}


def differences(there: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Name what differs between two settings, as ``protocols.published.epochs: 10 there, 2 asked for``."""
    return [
        difference
        for name in sorted(there.keys() | wanted.keys())
        for difference in _differences(there.get(name), wanted.get(name), name, growing=name in GROWING)
    ]


def _differences(a: Any, b: Any, name: str, *, growing: bool = False) -> list[str]:
    if growing and (a is None or b is None):
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        names = sorted(a.keys() & b.keys() if growing else a.keys() | b.keys())
        return [found for part in names for found in _differences(a.get(part), b.get(part), f"{name}.{part}")]
    return [] if a == b else [f"{name}: {a!r} there, {b!r} asked for"]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
