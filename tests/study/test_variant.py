from __future__ import annotations

import dataclasses
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.study import PUBLISHED_VARIANTS, RunKey, Variant, factorial
from graphcortex.study.variant import COMMUNICABILITIES, DISTANCES, SUPPORTS, WEIGHTS, WIRINGS

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


# --- controls, supports and wirings


def levels(weights: str, distance, communicability, support, wiring) -> Variant | None:
    """Return the variant of five levels, or None where they do not go together: said here once more, in other words."""
    uses_wiring = weights == "W[synapses]" or communicability == "C*" or support is not None
    if (communicability and not distance) or (wiring and not uses_wiring):
        return None
    return Variant(weights, distance, communicability, support, wiring)


LEVELS = (
    list(WEIGHTS),
    [None, *DISTANCES],
    [None, *COMMUNICABILITIES],
    [None, *SUPPORTS],
    [None, *WIRINGS],
)
EVERY = [variant for parts in itertools.product(*LEVELS) if (variant := levels(*parts))]
any_variant = st.sampled_from(EVERY)


def test_the_grammar_has_so_many_variants():
    """By hand: for each weight 1 + 3 x 3 penalties; on all pairs and sparse; three wirings where the wiring is used."""
    penalties, with_anatomy = 10, 3
    plain = penalties + 2 * with_anatomy
    assert len(EVERY) == 8 * (plain + 3 * penalties) + (3 * penalties + 3 * penalties)


@given(any_variant)
def test_any_variant_survives_its_name_and_its_slug(variant):
    assert Variant.parse(str(variant)) == variant
    assert Variant.from_slug(variant.slug) == variant
    assert re.fullmatch(r"[A-Za-z_+@-]+", variant.slug)


def test_names_and_slugs_are_distinct_on_any_file_system():
    assert len({str(variant) for variant in EVERY}) == len(EVERY)
    assert len({variant.slug.lower() for variant in EVERY}) == len(EVERY)


@given(any_variant)
def test_a_variant_says_what_it_is_and_what_it_needs(variant):
    said = variant.describe()
    assert f"{variant.weights}: {WEIGHTS[variant.weights]}" in said
    assert said.count(";") == sum(part is not None for part in dataclasses.astuple(variant)) - 1
    assert variant.uses_activity == ("*" in variant.weights or "!" in variant.weights)
    assert variant.uses_wiring == ("synapses" in str(variant) or "C*" in str(variant) or "+sparse" in str(variant))


@given(any_variant, st.integers(0, 10**6))
def test_a_run_of_any_variant_survives_its_slug(variant, seed):
    key = RunKey("go_nogo", variant, "nonnegative", seed, "6_6_2", "corrected-trials")
    assert RunKey.from_slug(key.slug) == key


def test_a_factorial_is_every_combination_that_can_be():
    everything = factorial(
        weights=LEVELS[0], distance=LEVELS[1], communicability=LEVELS[2], support=LEVELS[3], wiring=LEVELS[4]
    )
    assert list(everything) == EVERY


@given(st.data())
def test_a_factorial_of_some_levels_is_what_of_all_has_them(data):
    chosen = [data.draw(st.lists(st.sampled_from(each), min_size=1, unique=True)) for each in LEVELS]
    names = ("weights", "distance", "communicability", "support", "wiring")
    expected = {v for v in EVERY if all(getattr(v, name) in each for name, each in zip(names, chosen, strict=True))}
    given_levels = dict(zip(names, chosen, strict=True))
    if expected:
        got = factorial(**given_levels)
        assert set(got) == expected
        assert len(got) == len(expected)
    else:
        with pytest.raises(ValueError, match="must combine to at least one variant"):
            factorial(**given_levels)


def test_the_default_factorial_holds_the_published_variants_but_the_renamed():
    assert {str(v) for v in PUBLISHED_VARIANTS} - {str(v) for v in factorial()} == {"W!D*C", "W!D*C*"}


@pytest.mark.parametrize(
    "name",
    [
        "W*[moon]", "W[shuffled]", "W![diagonal]", "WD[shuffled]", "WD*[diagonal]", "W*D*C[shuffled]", "W+dense",
        "W@degree", "WDC@degree", "W+sparse@length", "W@degree+sparse", "W+sparse+sparse", "WDC*@", "W[]", "W[diagonal",
    ],
)  # fmt: skip
def test_controls_that_are_not_there_are_refused_and_told(name):
    with pytest.raises(ValueError, match=r"variant.*must .*got " + re.escape(repr(name))):
        Variant.parse(name)


@pytest.mark.parametrize(
    ("given_levels", "told"),
    [
        ({"weights": "W*"}, r"weights must be a sequence of levels among W, .*got 'W\*'"),
        ({"weights": ("W", None)}, "weights must be a sequence"),
        ({"distance": ("D", "E")}, r"distance must be a sequence of levels among D, .*got \('D', 'E'\)"),
        ({"weights": ()}, "must combine to at least one variant"),
        ({"distance": (None,), "communicability": ("C",)}, "a C needs a distance"),
    ],
)
def test_a_factorial_of_unknown_levels_is_refused(given_levels, told):
    with pytest.raises(ValueError, match=told):
        factorial(**given_levels)
