"""One small study with its report, and one browser, for all tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphcortex.study import StudyResults, run_study
from graphcortex.viz.report import write_report
from tests.study._small import SmallConfig
from tests.viz.report._browser import NAMES, Browser, find_browser
from tests.viz.report._studies import CLAIMS


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> StudyResults:
    config = SmallConfig(
        out=tmp_path_factory.mktemp("study") / "out",
        variants=("W*D*C", "W"),
        tasks=("go_nogo", "one_choice_inference"),
        seeds=2,
    )
    return run_study(config, progress=False)


@pytest.fixture(scope="session")
def report(study) -> Path:
    return write_report(study, claims=CLAIMS, formats=(".png",))


@pytest.fixture(scope="session")
def browser():
    path = find_browser()
    if path is None:
        pytest.skip(
            f"no browser is here: none of {', '.join(NAMES)}; apt-get install chromium, or set GRAPHCORTEX_BROWSER"
        )
    found = Browser(path)
    yield found
    found.close()
