"""Positions of a table: the unit that is said is believed, and what cannot be right is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from graphcortex.data import from_tables
from tests.data._tables import neurons, synapses

HERE = pd.DataFrame({"id": [1, 2], "x": [100_000, 105_000], "y": [200_000, 205_000], "z": [20_000, 24_000]})
PAIR = synapses((1, 2))


@pytest.mark.parametrize(
    ("factor", "options"),
    [
        ((1, 1, 1), {"voxel_nm": (1, 1, 1)}),
        ((0.25, 0.25, 0.025), {"voxel_nm": (4, 4, 40)}),
        ((1, 1, 1), {"unit": "nm"}),
        ((1e-3, 1e-3, 1e-3), {"unit": "um"}),
        ((1e-6, 1e-6, 1e-6), {"unit": "mm"}),
        ((1e-3, 1e-3, 1e-3), {}),
    ],
)
def test_units_that_are_said_are_believed(factor, options):
    """The same place in every unit; without a word, fractions within 2 cm are taken for um."""
    there = HERE.assign(x=HERE["x"] * factor[0], y=HERE["y"] * factor[1], z=(HERE["z"] + 0.5) * factor[2])
    graph = from_tables(there, PAIR, **options)
    np.testing.assert_allclose(graph.pos.numpy(), [[100, 200, 20.0005], [105, 205, 24.0005]], rtol=1e-6)


@pytest.mark.parametrize("suffix", ["um", "nm", "mm"])
def test_units_in_names_of_columns_are_read(suffix):
    factor = {"um": 1e-3, "nm": 1.0, "mm": 1e-6}[suffix]
    there = pd.DataFrame({"id": [1, 2], **{f"soma_{axis}_{suffix}": HERE[axis] * factor for axis in "xyz"}})
    graph = from_tables(there, PAIR)
    np.testing.assert_allclose(graph.pos.numpy(), [[100, 200, 20], [105, 205, 24]], rtol=1e-6)
    assert graph.provenance["unit"] == suffix
    assert torch.equal(from_tables(there, PAIR, unit=suffix).pos, graph.pos)


BAD_UNITS = {
    "voxels, and nothing said": (
        HERE,
        {},
        r"known unit, got whole numbers from \[100000.* look like voxels or nm; say",
    ),
    "nm as floats, and nothing said": (HERE.assign(x=HERE["x"] + 0.5), {}, r"known unit, got values from .*say which"),
    "both a unit and voxels": (HERE, {"unit": "nm", "voxel_nm": (4, 4, 40)}, r"positions have one unit"),
    "an unknown unit": (HERE, {"unit": "pixel"}, r"unit must be one of 'um', 'nm', 'mm'; got 'pixel'"),
    "um that are nm": (HERE, {"unit": "um"}, r"within 20000 um .*another unit"),
    "nm that are um": (HERE.assign(x=[5.0, 9.0], y=1, z=1), {"unit": "nm"}, r"an extent of 0.004 um .*another unit"),
    "two sizes of a voxel": (HERE, {"voxel_nm": (4, 40)}, r"along x, y and z, got \(4, 40\)"),
    "one size of a voxel": (HERE, {"voxel_nm": 4}, r"along x, y and z, got 4"),
    "a voxel of no size": (HERE, {"voxel_nm": (4, 4, 0)}, r"each of voxel_nm must be .* greater than 0"),
    "names against the unit": (neurons([1, 2, 3]), {"unit": "nm"}, r"say that they are in um, got unit='nm'"),
    "names against voxels": (neurons([1, 2, 3]), {"voxel_nm": (4, 4, 4)}, r"say that they are in um, got voxel_nm"),
    "no number": (HERE.assign(x=["a", "5"]), {"unit": "nm"}, r"x must hold numbers, got 'a' in row 0"),
    "infinite": (HERE.assign(x=[np.inf, 5.0]), {"unit": "nm"}, r"must be finite"),
    "two coordinates": (
        pd.DataFrame({"id": [1, 2], "pos": ["[1 2]", "[1 2 3]"]}),
        {"unit": "nm"},
        r"positions such as '\[x y z\]', got '\[1 2\]'",
    ),
    "two coordinates in a list": (
        pd.DataFrame({"id": [1, 2], "pos": [[1, 2], [1, 2, 3]]}),
        {"unit": "nm"},
        r"three coordinates, got '\[1, 2\]'",
    ),
    "no positions": (pd.DataFrame({"id": [1, 2]}), {}, r"must have positions, such as x_um.*got the columns id"),
    "another column": (HERE, {"pos": "where"}, r"pos='where' must be a column"),
    "two columns": (HERE, {"pos": ("x", "y")}, r"the three of x, y and z"),
}


@pytest.mark.parametrize(("table", "options", "says"), BAD_UNITS.values(), ids=BAD_UNITS.keys())
def test_positions_in_an_unknown_unit_are_refused(table, options, says):
    with pytest.raises(ValueError, match=says):
        from_tables(table, PAIR, **options)


@pytest.mark.parametrize(
    "cell",
    ["[1000 2000 3000]", "1000, 2000, 3000", "(1000;2000;3e3)", [1000, 2000, 3000], np.array([1000, 2000, 3000]),
     {"coordinates": [1000, 2000, 3000]}, {"x": 1000, "y": 2000, "z": 3000}],
    ids=str,
)  # fmt: skip
def test_a_position_may_be_written_in_many_ways(cell):
    table = pd.DataFrame({"id": [1, 2], "position": [cell, "[0 0 0]"]})
    assert from_tables(table, PAIR, unit="nm").pos.tolist() == [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]
