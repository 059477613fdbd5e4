"""The names of the study's variants and of its controls, as values: where the weights start, and what is penalised."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

WEIGHTS = MappingProxyType(
    {
        "W": "random orthogonal",
        "W*": "log-normal draws shaped by functional relations",
        "W!": "W* with the neurons renamed, self-connections and all",
        "W*[diagonal]": "the self-connections of W* alone",
        "W*[no-diagonal]": "W* without its self-connections, at the same spectral radius",
        "W*[shuffled]": "W* with its weights between different neurons shuffled among themselves",
        "W[diagonal]": "log-normal self-connections, no neural data",
        "W[positive]": "log-normal draws, no neural data, at the spectral radius of W*",
        "W[synapses]": "synapse counts, at the spectral radius of W*",
    }
)
"""Where the weights start."""

DISTANCES = MappingProxyType(
    {
        "D": "on a grid",
        "D*": "between the positions",
        "D*[shuffled]": "between the positions, shuffled among the neurons",
    }
)
"""The distances that a penalty takes."""

COMMUNICABILITIES = MappingProxyType(
    {"C": "each length weighed by communicability", "C*": "communicability compared with that of the anatomy"}
)
"""What a penalty takes besides length."""

SUPPORTS = MappingProxyType({"sparse": "only the pairs that a synapse joins are connected and learn"})
"""Which pairs of neurons are connected, unless all."""

WIRINGS = MappingProxyType(
    {
        "degree": "synapses rewired, keeping how many each neuron gives and receives",
        "degree-length": "synapses rewired, keeping that and their lengths",
    }
)
"""What stands in for the wiring where a variant uses it."""

_NAME = re.compile(
    r"(?P<weights>W[*!]?(?:\[[a-z-]+\])?)(?P<distance>D\*?(?:\[[a-z-]+\])?)?(?P<communicability>C\*?)?"
    r"(?:\+(?P<support>[a-z-]+))?(?:@(?P<wiring>[a-z-]+))?"
)
_LEVELS = MappingProxyType(
    {
        "weights": WEIGHTS,
        "distance": DISTANCES,
        "communicability": COMMUNICABILITIES,
        "support": SUPPORTS,
        "wiring": WIRINGS,
    }
)


@dataclass(frozen=True)
class Variant:
    """One cell of the design of a study, named by its levels: ``W*D*C``, ``W*[no-diagonal]D*C``, ``W*D*C*+sparse@degree``.

    Attributes:
        weights: Where the weights start, one of :data:`WEIGHTS`.
        distance: None, or what distances a penalty takes, one of :data:`DISTANCES`.
        communicability: None, or one of :data:`COMMUNICABILITIES`; only with a distance.
        support: None: all pairs are connected; or one of :data:`SUPPORTS`, after a ``+``.
        wiring: None: the wiring as it is; or one of :data:`WIRINGS`, after an ``@``; only where the wiring is used.

    Raises:
        ValueError: If there is no such level, or the levels do not go together.

    Example:
        >>> Variant.parse("W*D*C")
        Variant(weights='W*', distance='D*', communicability='C', support=None, wiring=None)
        >>> str(Variant("W[synapses]", "D", support="sparse"))
        'W[synapses]D+sparse'
    """

    weights: str = "W"
    distance: str | None = None
    communicability: str | None = None
    support: str | None = None
    wiring: str | None = None

    def __post_init__(self):
        for name, levels in _LEVELS.items():
            level = getattr(self, name)
            if level not in levels and not (level is None and name != "weights"):
                raise ValueError(_explain(str(self)))
        if self.communicability and not self.distance:
            raise ValueError(f"a variant with C must have a distance, D or D*: got {str(self)!r}.")
        if self.wiring and not self.uses_wiring:
            raise ValueError(
                f"a variant with @{self.wiring} must use the wiring, by C*, W[synapses] or +sparse: got {str(self)!r}."
            )

    @classmethod
    def parse(cls, name: str | Variant) -> Variant:
        """Return the variant of a name such as ``W*D*C``.

        Raises:
            ValueError: If the name does not follow the grammar.
        """
        if isinstance(name, Variant):
            return name
        match = _NAME.fullmatch(name.strip()) if isinstance(name, str) else None
        if match is None:
            raise ValueError(_explain(name))
        return cls(**match.groupdict())

    @property
    def uses_wiring(self) -> bool:
        """Whether the synapses matter to it."""
        return self.weights == "W[synapses]" or self.communicability == "C*" or self.support == "sparse"

    @property
    def uses_activity(self) -> bool:
        """Whether functional relations matter to it."""
        return self.weights.startswith(("W*", "W!"))

    @property
    def slug(self) -> str:
        """The name fit for a file: ``W*D*C`` is ``WstarDstarC``, and ``W*[diagonal]D`` is ``Wstar_diagonal_D``."""
        return str(self).replace("*", "star").replace("!", "renamed").replace("[", "_").replace("]", "_")

    @classmethod
    def from_slug(cls, slug: str) -> Variant:
        """Return the variant of a slug.

        Raises:
            ValueError: If no variant has it.
        """
        name = slug.replace("star", "*").replace("renamed", "!")
        return cls.parse(re.sub(r"_([a-z-]+)_", r"[\1]", name))

    def describe(self) -> str:
        """Say in words what the variant is."""
        levels = ((name, getattr(self, name)) for name in _LEVELS)
        return "; ".join(f"{level}: {_LEVELS[name][level]}" for name, level in levels if level is not None)

    def __str__(self) -> str:
        name = f"{self.weights}{self.distance or ''}{self.communicability or ''}"
        return name + (f"+{self.support}" if self.support else "") + (f"@{self.wiring}" if self.wiring else "")


def factorial(
    *,
    weights: Sequence[str] = ("W", "W*"),
    distance: Sequence[str | None] = (None, "D", "D*"),
    communicability: Sequence[str | None] = (None, "C", "C*"),
    support: Sequence[str | None] = (None,),
    wiring: Sequence[str | None] = (None,),
) -> tuple[Variant, ...]:
    """Return every variant that combines the given levels; combinations that cannot be (``C`` without a distance) are left out.

    Args:
        weights: Levels of :data:`WEIGHTS`.
        distance: Levels of :data:`DISTANCES`, or None.
        communicability: Levels of :data:`COMMUNICABILITIES`, or None.
        support: Levels of :data:`SUPPORTS`, or None.
        wiring: Levels of :data:`WIRINGS`, or None.

    Raises:
        ValueError: If a level is unknown, or nothing can be combined.

    Example:
        >>> [str(variant) for variant in factorial(weights=("W", "W*"), distance=(None, "D*"), communicability=(None, "C"))]
        ['W', 'WD*', 'WD*C', 'W*', 'W*D*', 'W*D*C']
    """
    given = dict(zip(_LEVELS, (weights, distance, communicability, support, wiring), strict=True))
    for name, levels in given.items():
        unknown = [
            level for level in levels if level not in _LEVELS[name] and not (level is None and name != "weights")
        ]
        if isinstance(levels, str) or unknown:
            raise ValueError(f"{name} must be a sequence of levels among {', '.join(_LEVELS[name])}; got {levels!r}.")
    found = []
    for levels in itertools.product(*given.values()):
        parts = dict(zip((field.name for field in fields(Variant)), levels, strict=True))
        if parts["communicability"] and not parts["distance"]:
            continue
        if parts["wiring"] and not Variant(**{**parts, "wiring": None}).uses_wiring:
            continue
        found.append(Variant(**parts))
    if not found:
        raise ValueError("the levels must combine to at least one variant; a C needs a distance, an @ the wiring.")
    return tuple(dict.fromkeys(found))


def _explain(name: object) -> str:
    controls = ", ".join(level for level in (*WEIGHTS, *DISTANCES) if "[" in level)
    return (
        "a variant must be W, W* or W!, then D or D* or nothing, then C or C* or nothing (only after a D), such as "
        f"'W*D*C'; controls are {controls}, and +sparse, @degree or @degree-length at the end; got {name!r}."
    )


PUBLISHED_VARIANTS = tuple(
    map(Variant.parse, ("W*D*C", "WD*C", "WDC", "WD*", "WD", "W", "W*D*C*", "WD*C*", "W*DC*", "W!D*C", "W!D*C*"))
)
"""The eleven variants of the study, in its reporting order."""
