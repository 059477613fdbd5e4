"""Write the report of a study."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphcortex._atomic import write_text
from graphcortex._checks import check_choice
from graphcortex.viz.report._data import read_study
from graphcortex.viz.report._figures import build_figures
from graphcortex.viz.report._files import write_files
from graphcortex.viz.report._page import render

if TYPE_CHECKING:
    from graphcortex.study import ClaimsTable, StudyResults

FORMATS = (".png", ".svg")


def write_report(
    results: StudyResults,
    path: str | os.PathLike[str] | None = None,
    *,
    claims: ClaimsTable | None = None,
    reference: str | None = None,
    formats: Sequence[str] = FORMATS,
    dpi: float = 150,
) -> Path:
    """Write a study as one HTML file that opens anywhere, without a network, and its figures and tables as files beside it.

    The page holds the claims, a table per task with chance, floor and ceiling, learning curves, the runs of each variant paired by
    seed, differences to a reference, learned graphs in space and as matrices, runs that diverged or failed, and what made the
    results. Figures can be turned and read off; text and tables need no JavaScript. The page is written last, under a temporary
    name that becomes its own, so that it is never half there.

    Args:
        results: The study: what :func:`graphcortex.study.run_study` or :func:`graphcortex.study.load_results` returned.
        path: The HTML file; by default ``report.html`` in the folder of the results. The figures and tables go into a folder of
            the same name without ``.html``.
        claims: What :func:`graphcortex.study.evaluate_claims` returned; by default that of these runs.
        reference: Variant that the others are compared with: by default ``W``, or the first where there is no ``W``.
        formats: Of the figures beside the page: ``.png``, ``.svg`` or both; none are drawn where it is empty.
        dpi: Pixels per inch of the ``.png`` files.

    Returns:
        The HTML file.

    Raises:
        ValueError: If ``path`` does not end in ``.html``, a format is another, or the reference is no variant of the study.
        MissingDependencyError: If plotly, jinja2 or matplotlib is not installed.
    """
    path = results.folder / "report.html" if path is None else Path(path).expanduser()
    check_choice(path.suffix, "the suffix of path", (".html",))
    for name in formats:
        check_choice(name, "formats", FORMATS)
    data = read_study(results, claims=claims, reference=reference)
    figures = build_figures(data)
    files = write_files(data, figures.graphs, path.with_suffix(""), formats, dpi)
    write_text(path, render(data, figures, files))
    return path
