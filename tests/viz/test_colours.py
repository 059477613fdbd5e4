"""Colours that readers with and without all three cones tell apart."""

from __future__ import annotations

import itertools
import re
from importlib import resources

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from graphcortex.viz._style import COLOURS, NUM_MODULE_COLOURS, PALE, module_colour
from graphcortex.viz.report._page import DARK_COLOURS

# What is seen without one kind of cone, from linear RGB to linear RGB, at severity 1.
# Machado, Oliveira & Fernandes (2009), https://doi.org/10.1109/TVCG.2009.113
VISIONS = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
TOLD_APART = 10.0  # four times a difference that is just noticed, since dots are small and lie apart


def lab(colour: str, vision: np.ndarray) -> np.ndarray:
    """Return CIE L*a*b* of a colour as it is seen."""
    value = np.array(to_rgb(colour))
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    t = TO_XYZ @ np.clip(vision @ linear, 0, 1) / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one: str, other: str, vision: np.ndarray) -> float:
    return float(np.linalg.norm(lab(one, vision) - lab(other, vision)))


def of_page(name: str) -> list[str]:
    """Return a color of the style sheet of the report: in light, and in dark as the browser and as the reader asks for it."""
    sheet = resources.files("graphcortex.viz.report").joinpath("templates/report.css").read_text()
    return re.findall(rf"--{name}: (#[0-9a-f]{{6}});", sheet)


SETS = {
    "figures": [*COLOURS, PALE, "white"],
    "report in light": [*COLOURS, of_page("edge")[0], of_page("paper")[0]],
    "report in dark": [*DARK_COLOURS, of_page("edge")[1], of_page("paper")[1]],
}


def test_both_dark_sheets_are_one():
    for name in ("edge", "none", "paper"):
        light, *dark = of_page(name)
        assert dark == [dark[0]] * 2
        assert light != dark[0]


@pytest.mark.parametrize("vision", VISIONS.values(), ids=VISIONS.keys())
@pytest.mark.parametrize("colours", SETS.values(), ids=SETS.keys())
def test_colours_are_told_from_each_other_from_grey_and_from_paper(colours, vision):
    for one, other in itertools.combinations(colours, 2):
        assert difference(one, other, vision) > TOLD_APART, (one, other)


def test_the_measure_knows_what_is_and_what_is_not_told_apart():
    assert (
        difference("#9a9a9a", "#44AA99", VISIONS["deuteranopia"]) < 5 < 30 < difference("#9a9a9a", "#44AA99", np.eye(3))
    )
    assert difference("black", "white", np.eye(3)) == pytest.approx(100, abs=0.1)


def test_modules_without_a_colour_of_their_own_are_pale():
    assert [module_colour(rank, 2) for rank in range(NUM_MODULE_COLOURS)] == list(COLOURS[:NUM_MODULE_COLOURS])
    assert module_colour(NUM_MODULE_COLOURS, 2) == module_colour(0, 1) == PALE
