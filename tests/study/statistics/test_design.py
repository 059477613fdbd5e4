from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study import PUBLISHED_VARIANTS
from graphcortex.study.statistics import Design, UnidentifiableDesignError

PUBLISHED = [(v.weights, v.distance or "-", v.communicability or "-") for v in PUBLISHED_VARIANTS]
grids = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("pq")), min_size=1, max_size=12
)


def naive_parts(cells: list[tuple[str, ...]]) -> set[frozenset]:
    """Try every choice of levels; keep those that are complete, vary, and are in no other."""
    cells = set(cells)
    levels = [sorted({cell[k] for cell in cells}) for k in range(3)]
    subsets = [[c for r in range(1, len(v) + 1) for c in itertools.combinations(v, r)] for v in levels]
    found = []
    for part in itertools.product(*subsets):
        grid = frozenset(itertools.product(*part))
        if grid <= cells and len(grid) > 1:
            found.append(grid)
    return {grid for grid in found if not any(grid < other for other in found)}


def test_the_eleven_published_variants_are_refused_with_reasons():
    design = Design.of(("W", "D", "C"), PUBLISHED)
    with pytest.raises(UnidentifiableDesignError) as caught:
        design.check()
    error = caught.value
    assert len(error.missing) == 27 - 11
    assert ("W*", "D*", "-") in error.missing
    assert ("W!", "D", "C") in error.missing
    assert error.aliased == ("W:D", "W:C", "D:C", "W:D:C")
    assert error.complete[0] == {"W": ("W*", "W", "W!"), "D": ("D*",), "C": ("C", "C*")}
    assert {"W": ("W",), "D": ("D*", "D"), "C": ("C", "-")} in error.complete
    message = str(error)
    for words in ("16 of 27 cells", "W*D*,", "W:D:C", "W in {W*, W, W!} x D in {D*} x C in {C, C*}"):
        assert words in message


@given(grids)
def test_complete_parts_match_a_search_of_all_choices(cells):
    parts = Design.of(("W", "D", "C"), cells).complete_parts()
    assert {frozenset(itertools.product(*part.values())) for part in parts} == naive_parts(cells)
    sizes = [len(list(itertools.product(*part.values()))) for part in parts]
    assert sizes == sorted(sizes, reverse=True)


@given(grids)
def test_a_complete_design_has_nothing_aliased(cells):
    design = Design.of(("W", "D", "C"), cells)
    if not design.missing:
        assert design.aliased() == ()
        design.check()
    else:
        assert design.aliased()


def test_factors_that_always_change_together_are_aliased():
    design = Design.of(("W", "D"), [("W", "D"), ("W*", "D*")])
    assert design.aliased() == ("W", "D", "W:D")


def test_a_control_with_many_levels_is_searched_too():
    cells = [(f"w{i}", f"d{j}", c) for i in range(9) for j in range(5) for c in "pq" if not i == j == 2]
    parts = Design.of(("W", "D", "C"), cells).complete_parts()
    assert len(parts) == 2
    assert [len(v) for v in parts[0].values()] == [8, 5, 2]


def test_no_cells():
    design = Design.of(("W", "D"), [])
    assert design.missing == ()
    assert design.complete_parts() == ()
