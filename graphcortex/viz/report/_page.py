"""The page: jinja2 escapes every text that comes from data; plotly brings the script that draws."""

from __future__ import annotations

import datetime
import functools
import importlib.resources
from typing import Any

from graphcortex import __version__
from graphcortex._optional import require
from graphcortex.viz._labels import LABELS
from graphcortex.viz._style import COLOURS, LINE_STYLES
from graphcortex.viz.report import _rows
from graphcortex.viz.report._data import GROUP, ReportData, readable
from graphcortex.viz.report._figures import Figures
from graphcortex.viz.report._files import Files
from graphcortex.viz.report._provenance import provenance

_NEEDS = "Writing a report"
# The same hues as COLOURS, light enough to be read on a dark ground.
DARK_COLOURS = (
    "#9b87fc", "#e76d62", "#aefdc5", "#f7cb75", "#90fcf2", "#dd8fa0", "#a69419", "#2ccefa", "#c378b7",
)  # fmt: skip


def render(data: ReportData, figures: Figures, files: Files) -> str:
    """Return the page as text."""
    environment = _environment()
    drawn = figures.to_json() | {"files": files}
    return environment.get_template("report.html.j2").render(
        data=data,
        figures=figures,
        drawn=drawn,
        summary=_summary(data),
        claims=_rows.claim_rows(data.claims),
        provenance=provenance(data.results),
        tasks=[(group, _rows.task_rows(data, group)) for group in data.groups],
        effects=[(group, _rows.effect_rows(data, group)) for group in data.groups],
        diverged=_rows.diverged_rows(data),
        failures=data.results.failures,
        group_label=_group_label(data),
        labels=[LABELS[name] for name in data.metrics if name != "accuracy"],
        colours=list(zip(COLOURS, DARK_COLOURS, strict=True)),
        dashes=dict(zip(LINE_STYLES, ("", "7 3", "7 3 2 3", "2 3"), strict=True)),
        plotly=_plotly(),
        script=_text("report.js"),
        version=__version__,
        written=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _group_label(data: ReportData) -> str:
    """Return what the choice between groups is called: one thing where they differ in one thing."""
    differ = [name for name in GROUP if len({getattr(group, name) for group in data.groups}) > 1]
    return differ[0] if len(differ) == 1 else "runs"


def _environment():
    jinja2 = require("jinja2", "study", _NEEDS)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("graphcortex.viz.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters["number"] = _rows.number
    environment.filters["readable"] = readable
    return environment


def _text(name: str) -> str:
    return (importlib.resources.files("graphcortex.viz.report") / "templates" / name).read_text(encoding="utf-8")


@functools.lru_cache(maxsize=1)
def _plotly() -> str:
    script = require("plotly.offline", "study", _NEEDS).get_plotlyjs()
    return script.replace("</script", "<\\/script")


def _summary(data: ReportData) -> list[tuple[str, Any]]:
    """Return what the study is made of, as words and numbers."""
    runs = data.runs
    counted = [("runs", len(runs)), ("variants", len(data.variants))]
    counted += [(name + "s", runs[name].nunique()) for name in ("task", "seed", "connectome", "protocol")]
    counted += [("recurrence arms", runs["recurrence"].nunique())]
    counted = [(name, count) for name, count in counted if name in ("runs", "variants", "seeds", "tasks") or count > 1]
    singular = {name: name.removesuffix("s") for name, count in counted if count == 1}
    counted = [(singular.get(name, name), f"{count:,}") for name, count in counted]
    return [*counted, ("diverged", f"{len(data.diverged):,}"), ("failed", f"{len(data.results.failures):,}")]
