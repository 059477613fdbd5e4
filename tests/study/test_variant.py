from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study import PUBLISHED_VARIANTS, Variant

# Three weights; no distance, or two distances with three communicabilities each.
NAMES = [
    w + rest
    for w in ("W", "W*", "W!")
    for rest in ("", *(d + c for d, c in itertools.product(("D", "D*"), ("", "C", "C*"))))
]


def test_the_grammar_has_21_names():
    assert len(set(NAMES)) == 21


@pytest.mark.parametrize("name", NAMES)
def test_a_name_survives_parsing_and_printing(name):
    variant = Variant.parse(name)
    assert str(variant) == name
    assert variant == Variant(variant.weights, variant.distance, variant.communicability)
    assert Variant.parse(variant) is variant
    assert Variant.parse(f"  {name} ") == variant


@pytest.mark.parametrize(
    ("name", "parts"),
    {"W": ("W", None, None), "W!D*C*": ("W!", "D*", "C*"), "WDC": ("W", "D", "C"), "W*D": ("W*", "D", None)}.items(),
)
def test_the_parts_are_read_into_their_places(name, parts):
    variant = Variant.parse(name)
    assert (variant.weights, variant.distance, variant.communicability) == parts


def test_slugs_are_distinct_and_fit_for_any_file_system():
    slugs = [Variant.parse(name).slug for name in NAMES]
    assert len({slug.lower() for slug in slugs}) == len(NAMES)
    assert all(re.fullmatch("[A-Za-z]+", slug) for slug in slugs)
    assert Variant.parse("W!D*C").slug == "WrenamedDstarC"


@given(st.one_of(st.text(max_size=8), st.text(alphabet="WDC*! \nw", max_size=8)))
def test_any_other_text_is_refused(text):
    if text.strip() in NAMES:
        assert str(Variant.parse(text)) == text.strip()
    else:
        with pytest.raises(ValueError, match=r"(?s)variant.*must .*got"):
            Variant.parse(text)


@pytest.mark.parametrize("name", ["", "WC", "W*C*", "D*C", "W**", "W!*", "WCD", "wDC", "WDCW", "W*D*C**", "WD C"])
def test_refused_names_are_told_with_the_grammar(name):
    with pytest.raises(ValueError, match=r"variant.*must .*got " + re.escape(repr(name))):
        Variant.parse(name)


@pytest.mark.parametrize("name", [None, 3, b"WD", ["W"]], ids=str)
def test_what_is_no_text_is_refused(name):
    with pytest.raises(ValueError, match=r"a variant must be W.*got"):
        Variant.parse(name)


@pytest.mark.parametrize(
    "parts",
    [
        ("W", None, "C"),
        ("W*", None, "C*"),
        ("W", "", None),
        ("W", "D", ""),
        ("WD", None, None),
        ("W", "C", None),
        (None,),
    ],
    ids=str,
)
def test_parts_out_of_place_are_refused(parts):
    with pytest.raises(ValueError, match=r"variant.*must .*got"):
        Variant(*parts)


def test_communicability_needs_a_distance():
    with pytest.raises(ValueError, match=r"must have a distance, D or D\*: got 'WC'"):
        Variant("W", None, "C")


def test_variants_are_values():
    assert len({Variant.parse("WD"), Variant("W", "D")}) == 1
    with pytest.raises(AttributeError):
        Variant.parse("WD").distance = None


def test_the_published_ones_stand_in_reporting_order():
    assert [str(v) for v in PUBLISHED_VARIANTS] == [
        "W*D*C", "WD*C", "WDC", "WD*", "WD", "W", "W*D*C*", "WD*C*", "W*DC*", "W!D*C", "W!D*C*",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_slug_names_its_variant(name):
    assert Variant.from_slug(Variant.parse(name).slug) == Variant.parse(name)


def test_a_slug_of_no_variant_is_refused():
    with pytest.raises(ValueError, match="got 'Wmoon'"):
        Variant.from_slug("Wmoon")
