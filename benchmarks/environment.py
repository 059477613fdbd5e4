"""What a benchmark ran on, for its JSON; and its files."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from pathlib import Path

import numpy
import scipy
import torch
import torch_geometric

import graphcortex

RESULTS = Path(__file__).parent / "results"


def describe() -> dict[str, object]:
    """Return the processor, the threads and the versions."""
    model = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    return {
        "date": date.today().isoformat(),
        "processor": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "graphcortex": graphcortex.__version__,
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }


def save(name: str, rows: list[dict]) -> Path:
    """Write the rows of a benchmark with its environment to ``results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"environment": describe(), "rows": rows}, indent=2) + "\n")
    return path
