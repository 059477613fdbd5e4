"""What the interactive figures share: colours by name, numbers kept short, a layout that leaves its looks to the page.

A colour is written ``var(--c0)``. The page looks it up in its style sheet when it draws, so that one figure serves light and dark.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from typing import Any

from graphcortex.viz._style import COLOURS

DASHES = ("solid", "dash", "dashdot", "dot")
_MERGE_BELOW = 0.05  # of the axis: names of levels that would touch share a line


def colour(index: int, *, faint: bool = False) -> str:
    """Return the colour of the ``index``-th variant or module of a figure."""
    return f"var(--c{index % len(COLOURS)}{'a' if faint else ''})"


def text(name: str) -> str:
    """Return a name as plotly shows it letter by letter: it reads a few tags, and entities."""
    return html.escape(str(name), quote=False)


def short(values: Iterable[float]) -> list[float | None]:
    """Return numbers in five digits, and None where one is none: JSON has no NaN."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in map(float, values)]


def layout(*, x: dict[str, Any], y: dict[str, Any], height: int, **more: Any) -> dict[str, Any]:
    """Return the layout of a flat figure of a height in pixels."""
    axis = {
        "gridcolor": "var(--grid)",
        "zerolinecolor": "var(--grid)",
        "linecolor": "var(--rule)",
        "automargin": True,
        "ticks": "",
        "title": {"standoff": 10},
    }
    return {
        "height": height,
        "font": {"family": "inherit", "size": 13, "color": "var(--ink-2)"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 14, "t": 26, "b": 8},
        "hoverlabel": {
            "bgcolor": "var(--paper)",
            "bordercolor": "var(--rule)",
            "font": {"color": "var(--ink)"},
            "namelength": -1,
        },
        "hovermode": "closest",
        "uirevision": "stay",
        "showlegend": False,
        "xaxis": _axis(axis, x),
        "yaxis": _axis(axis, y),
        **more,
    }


def _axis(base: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    title = given.get("title")
    return {**base, **given, "title": {**base["title"], "text": title}} if title else {**base, **given}


def levels(known: dict[str, float], *, along: str) -> tuple[list[dict], list[dict]]:
    """Return lines and names of chance, floor and ceiling.

    Args:
        known: Value by name.
        along: The axis they are read on, ``"x"`` or ``"y"``.
    """
    other = "y" if along == "x" else "x"
    lines, names = [], []
    for level in sorted(set(known.values())):
        dash = "solid" if "ceiling" in [name for name, value in known.items() if value == level] else "dot"
        lines.append(
            {
                "type": "line", "layer": "below", "line": {"color": "var(--level)", "width": 1.2, "dash": dash},
                f"{along}0": level, f"{along}1": level, f"{other}0": 0, f"{other}1": 1, f"{other}ref": "paper",
            }
        )  # fmt: skip
    groups: list[list[tuple[float, str]]] = []
    for level, name in sorted((level, name) for name, level in known.items()):
        if groups and level - groups[-1][-1][0] < _MERGE_BELOW:
            groups[-1].append((level, name))
        else:
            groups.append([(level, name)])
    for group in groups:
        same = len({level for level, _ in group}) == 1
        said = (
            f"{' = '.join(name for _, name in group)} {_tight(group[0][0])}"
            if same
            else ", ".join(f"{name} {_tight(level)}" for level, name in group)
        )
        at = group[-1][0]
        place = (
            {"x": at, "y": 1, "yref": "paper", "xanchor": "right" if at > 0.8 else "center", "yanchor": "bottom"}
            if along == "x"
            else {"x": 1, "xref": "paper", "y": at, "xanchor": "right", "yanchor": "bottom"}
        )
        plain = {
            "showarrow": False,
            "font": {"size": 11, "color": "var(--ink-2)"},
            "bgcolor": "var(--paper)",
            "opacity": 0.9,
        }
        names.append({"text": said, **plain, **place})
    return lines, names


def _tight(value: float) -> str:
    return f"{value:.3g}".removeprefix("0") if 0 < value < 1 else f"{value:.3g}"
