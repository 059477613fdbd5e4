"""The Python in README.md and some pages of docs runs as it stands there, and what is shown of its output is of the right form."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
from hypothesis import settings

from graphcortex._optional import is_installed
from tests.data._tiny_nwb import scan_name, write_scan

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    "README.md", "docs/coactivity.md", "docs/communicability.md", "docs/controls.md", "docs/metrics.md", "docs/statistics.md",
    "docs/study.md", "docs/tables.md", "docs/tasks.md",
]  # fmt: skip
LINKED = sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"```python\n(?P<code>.*?)```(?:\n+```text\n(?P<shown>.*?)```)?", re.DOTALL)


def form(text: str) -> list[str]:
    """Return the lines without numbers, which machines round differently, and without the space around them."""
    return [" ".join(re.sub(r"-?\d[\d,.e+-]*", "#", line).split()) for line in text.strip().splitlines()]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs_and_prints_what_is_shown(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if page == "docs/coactivity.md" and is_installed("h5py"):
        write_scan(tmp_path / "000402" / scan_name())
    blocks = list(BLOCK.finditer((ROOT / page).read_text()))
    assert blocks
    namespace, left_out = {"__name__": page}, 0
    for number, block in enumerate(blocks):
        if "neurogym" in block["code"].lower() and not is_installed("neurogym"):
            left_out += 1
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block["code"], f"{page}, block {number}", "exec"), namespace)
        if block["shown"]:
            assert form(printed.getvalue()) == form(block["shown"]), (
                f"{page}, block {number}, now prints:\n{printed.getvalue()}"
            )
    for name, test in list(namespace.items()):
        if name.startswith("test_"):
            settings(max_examples=10)(test)()
    if left_out:
        pytest.skip(
            f"{left_out} blocks of {page} need NeuroGym, and did not run: pip install 'graphcortex-rnn[neurogym]'"
        )


@pytest.mark.parametrize("page", ["README.md", *LINKED])
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text())
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    assert not missing


def test_each_number_may_differ_and_no_word():
    assert form("modularity   0.2985   0.2324 ± 0.004  -5.1") == form("modularity 0.3  0.21 ± 0.005  6")
    assert form("modularity 0.3") != form("reciprocity 0.3")
