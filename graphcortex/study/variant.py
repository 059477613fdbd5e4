"""The names of the study's variants, as values: where the weights start, and what is penalised."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"(?P<weights>W[*!]?)(?P<distance>D\*?)?(?P<communicability>C\*?)?")
_WORDS = {"*": "star", "!": "renamed"}


@dataclass(frozen=True)
class Variant:
    """One cell of the study's design.

    Attributes:
        weights: ``"W"`` random orthogonal, ``"W*"`` from functional relations, ``"W!"`` the same with the neurons renamed.
        distance: None, ``"D"`` on a grid, ``"D*"`` from the positions.
        communicability: None, ``"C"`` weighs each length by communicability, ``"C*"`` compares communicability with the anatomy.

    Example:
        >>> Variant.parse("W*D*C")
        Variant(weights='W*', distance='D*', communicability='C')
        >>> str(Variant("W", "D"))
        'WD'
    """

    weights: str = "W"
    distance: str | None = None
    communicability: str | None = None

    def __post_init__(self):
        match = _NAME.fullmatch(str(self))
        if match is None or match.groupdict() != {
            "weights": self.weights,
            "distance": self.distance,
            "communicability": self.communicability,
        }:
            raise ValueError(_explain(str(self)))
        if self.communicability and not self.distance:
            raise ValueError(f"a variant with C must have a distance, D or D*: got {str(self)!r}.")

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
    def slug(self) -> str:
        """The name in letters alone, fit for a file: ``W*D*C`` is ``WstarDstarC``."""
        return "".join(_WORDS.get(letter, letter) for letter in str(self))

    @classmethod
    def from_slug(cls, slug: str) -> Variant:
        """Return the variant of a slug.

        Raises:
            ValueError: If no variant has it.
        """
        name = slug
        for letter, word in _WORDS.items():
            name = name.replace(word, letter)
        return cls.parse(name)

    def __str__(self) -> str:
        return f"{self.weights}{self.distance or ''}{self.communicability or ''}"


def _explain(name: str) -> str:
    return (
        "a variant must be W, W* or W!, then D or D* or nothing, then C or C* or nothing (only after a D), such as "
        f"'W*D*C'; got {name!r}."
    )


PUBLISHED_VARIANTS = tuple(
    map(Variant.parse, ("W*D*C", "WD*C", "WDC", "WD*", "WD", "W", "W*D*C*", "WD*C*", "W*DC*", "W!D*C", "W!D*C*"))
)
"""The eleven variants of the study, in its reporting order."""
