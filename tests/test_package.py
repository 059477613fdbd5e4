"""The package as a whole: importing it costs nothing, its names exist, and its rooms keep to their layers."""

from __future__ import annotations

import configparser
import importlib.metadata
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import graphcortex
from graphcortex._optional import DISTRIBUTION, install_command

ROOT = Path(__file__).resolve().parents[1]

# What the extras bring. The library works without any of it, up to the moment it is needed.
OPTIONAL = [
    "torch_scatter", "caveclient", "sklearn", "h5py", "dask", "distributed", "statsmodels", "matplotlib", "plotly",
    "jinja2", "tyro", "neurogym", "networkx", "bct", "hypothesis",
]  # fmt: skip
HEAVY = ["torch", "torch_geometric", "numpy", "scipy", "pandas", "igraph", "pyarrow", "pooch", *OPTIONAL]


def run_python(code: str, *options: str) -> str:
    """Run code in a fresh interpreter, away from the checkout, and return all it printed."""
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_importing_the_package_loads_nothing_heavy_and_says_nothing():
    said = run_python(
        f"""
        import sys
        before = set(sys.modules)
        import graphcortex
        dir(graphcortex)
        loaded = {{name.split(".")[0] for name in set(sys.modules) - before}}
        assert not loaded & set({HEAVY!r}), sorted(loaded & set({HEAVY!r}))
        rooms = [name for name in sys.modules if name.startswith("graphcortex.")]
        assert not rooms, rooms
        """,
        "-Werror",
    )
    assert said == ""


def test_every_room_imports_without_the_extras_and_touches_no_global_generator():
    """Only `testing.strategies` needs more: it is made of hypothesis strategies."""
    run_python(
        f"""
        import importlib, pkgutil, random, sys
        import numpy as np, torch, torch_geometric

        for name in {OPTIONAL!r}:  # from here on, importing one fails as if it were not installed
            for loaded in [m for m in sys.modules if m.split(".")[0] == name]:
                del sys.modules[loaded]
            sys.modules[name] = None

        def states():
            kind, keys, *rest = np.random.get_state()
            return random.getstate(), (kind, keys.tolist(), *rest), torch.get_rng_state().tolist()

        def settings():
            return torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(), np.geterr()

        before = states(), settings()
        import graphcortex
        for module in pkgutil.walk_packages(graphcortex.__path__, "graphcortex."):
            if not module.name.startswith("graphcortex.testing.strategies"):
                importlib.import_module(module.name)
        assert (states(), settings()) == before
        """
    )


def test_figures_load_matplotlib_when_one_is_drawn():
    run_python("import sys, graphcortex.viz; assert 'matplotlib' not in sys.modules")


def test_a_missing_extra_is_named_where_it_is_needed():
    said = run_python(
        """
        import sys
        sys.modules["matplotlib"] = None
        import torch
        from graphcortex.viz import plot_matrix
        try:
            plot_matrix(torch.zeros(2, 0).long(), torch.zeros(0), 3)
        except ImportError as error:
            print(error)
        """
    )
    assert "needs matplotlib, which is not installed: pip install 'graphcortex-rnn[study]'" in said


def test_laws_are_checked_without_hypothesis_and_drawing_graphs_asks_for_it():
    said = run_python(
        """
        import sys
        sys.modules["hypothesis"] = None
        import torch
        from graphcortex.metrics import assortativity
        from graphcortex.testing import Edges, assert_metric_laws
        assert_metric_laws(assortativity, Edges(torch.tensor([[0, 0, 0], [1, 2, 3]]), torch.ones(3), 4), scale=0)
        try:
            from graphcortex.testing import edges
        except ImportError as error:
            print(error)
        """
    )
    assert "needs hypothesis, which is not installed: pip install 'graphcortex-rnn[test]'" in said


def test_every_text_names_the_distribution_and_an_extra_that_it_has():
    """The name ``graphcortex`` on the package index is another project: who is told to install that gets the wrong package."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["name"] == DISTRIBUTION
    extras = set(config["options.extras_require"])
    sources = [
        *ROOT.glob("*.md"),
        *ROOT.glob("*.cfg"),
        *(ROOT / "scripts").glob("*"),
        *(ROOT / "requirements").glob("*"),
    ]
    for folder in ("graphcortex", "docs", "examples", "benchmarks", "tests"):
        sources += [
            path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".html", ".sh", ".txt")
        ]
    named = []
    for path in sources:
        for line in path.read_text("utf-8").splitlines():
            # Also as an expression that a message is held against.
            wrong = re.search(r"\bgraphcortex\\?\[[a-z]|pip install[^`]*\bgraphcortex\b(?!-rnn)(?!/)", line)
            assert wrong is None or path == Path(__file__), (
                f"{path.name}: must name {DISTRIBUTION}, got {line.strip()!r}"
            )
            named += re.findall(r"\bgraphcortex-rnn\[([a-z,]+)\]", line)
    assert {extra for names in named for extra in names.split(",")} <= {*extras, "draw"}
    assert all(install_command(extra) == f"pip install 'graphcortex-rnn[{extra}]'" for extra in extras)
    assert {"study", "cave", "test", "neurogym"} <= set(named)  # it does read the texts


def test_every_public_name_of_testing_is_there():
    import graphcortex.testing

    for name in graphcortex.testing.__all__:
        assert callable(getattr(graphcortex.testing, name))
        assert name in dir(graphcortex.testing)
    with pytest.raises(AttributeError, match=r"module 'graphcortex.testing' has no attribute 'nonsense'"):
        graphcortex.testing.nonsense  # noqa: B018


@pytest.mark.parametrize("name", graphcortex.__all__)
def test_every_public_name_is_there(name):
    assert getattr(graphcortex, name) is not None
    assert name in dir(graphcortex)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'graphcortex' has no attribute 'nonsense'"):
        graphcortex.nonsense  # noqa: B018


def test_version_is_the_installed_one():
    assert importlib.metadata.version(DISTRIBUTION) == graphcortex.__version__


def test_rooms_keep_to_their_layers():
    """The contracts stand in setup.cfg; `make lint` checks the same."""
    importlinter = pytest.importorskip("importlinter.cli", reason="the extra [dev] is not installed")
    code = (
        f"import os, sys; os.chdir({str(ROOT)!r}); from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    )
    assert importlinter is not None
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
