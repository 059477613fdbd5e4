"""The set-up: pins that fit the ranges on every Python, and a script that says what is wrong."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def read_pins(python: str) -> dict[str, str]:
    """Return the one version of each package that the constraints give to a Python."""
    pins: dict[str, str] = {}
    for line in (ROOT / "requirements" / "constraints.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate({"python_version": python}):
            (version,) = pin.specifier
            assert version.operator == "=="
            assert canonicalize_name(pin.name) not in pins, f"{pin.name} is pinned twice for Python {python}"
            pins[canonicalize_name(pin.name)] = version.version
    return pins


def read_setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    return config


def requirements() -> list[str]:
    config = read_setup()
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    return sorted({line for text in texts for line in text.splitlines() if line.strip()})


@pytest.mark.parametrize("requirement", requirements())
@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_within_its_range(requirement, python):
    wanted = Requirement(requirement)
    pins = read_pins(python)
    assert canonicalize_name(wanted.name) in pins, f"{wanted.name} has no pin for Python {python}"
    assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)])


def test_the_tests_run_on_the_pins():
    """Where one of the main packages is another, a result of the tests says nothing about the pins."""
    import importlib.metadata
    import sys

    pins = read_pins(f"{sys.version_info.major}.{sys.version_info.minor}")
    if os.environ.get("CI") != "true":
        pytest.skip("only in CI: elsewhere the ranges of setup.cfg hold")
    for name in ("torch", "torch-geometric", "numpy", "pandas", "scipy", "igraph", "pyarrow"):
        assert importlib.metadata.version(name).split("+")[0] == pins[name]


def test_classifiers_name_the_pythons_that_the_set_up_accepts():
    named = re.findall(r"Python :: (3\.\d+)", read_setup()["metadata"]["classifiers"])
    assert named == PYTHONS
    assert "(3, 10) <= sys.version_info[:2] <= (3, 13)" in (ROOT / "scripts" / "setup.sh").read_text()


def fake_python(folder: Path, version: str) -> str:
    """Make an interpreter that fails every check of its version, and says which it is."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\ncase "$2" in *platform*) echo {version} ;; *) exit 1 ;; esac\n')
    path.chmod(0o755)
    return str(path)


def run_setup(**environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", str(ROOT / "scripts" / "setup.sh")],
        env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_wrong_python_is_refused_before_anything_is_made(tmp_path):
    done = run_setup(PYTHON=fake_python(tmp_path, "3.9.1"), VENV=str(tmp_path / "venv"))
    assert done.returncode == 1
    assert re.search(
        r"Python 3\.10 to 3\.13 is needed, '.*python' is 3\.9\.1\. Name another: make setup PYTHON=", done.stderr
    )
    assert not (tmp_path / "venv").exists()


def test_a_missing_python_is_said_to_be_missing(tmp_path):
    done = run_setup(PYTHON="no-such-python", VENV=str(tmp_path / "venv"))
    assert done.returncode == 1
    assert "no interpreter 'no-such-python'. Install Python 3.10, 3.11, 3.12 or 3.13" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_help_names_every_target():
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    for target in ("setup", "run", "test", "lint", "format", "clean"):
        assert f"make {target}\t" in said


@pytest.mark.parametrize(
    "path", ["Makefile", "setup.cfg", "ruff.toml", "requirements/constraints.txt", "scripts/setup.sh", ".ci/run"]
)
def test_no_registry_is_named(path):
    """Where packages come from is for the machine to say, not for the project."""
    text = (ROOT / path).read_text()
    assert not re.search(r"https?://|index-url|find-links|--trusted-host", text)
