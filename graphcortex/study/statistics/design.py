"""Which effects a design can tell apart: cells that are missing, effects that cannot be told from others, complete parts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Cell = tuple[str, ...]


class UnidentifiableDesignError(ValueError):
    """The cells of a design do not determine its effects.

    Attributes:
        missing: Combinations of levels without a run.
        aliased: Effects that the cells there are do not tell from others of as many factors or fewer, such as ``"D:C"``.
        complete: The largest complete parts, most cells first: the levels of each factor.
    """

    def __init__(
        self, message: str, missing: tuple[Cell, ...], aliased: tuple[str, ...], complete: tuple[dict[str, Cell], ...]
    ):
        super().__init__(message)
        self.missing, self.aliased, self.complete = missing, aliased, complete


@dataclass(frozen=True)
class Design:
    """Factors, their levels and the cells there are.

    Attributes:
        factors: Names.
        levels: Levels of each, in order.
        cells: Combinations of levels that have runs.

    Example:
        >>> design = Design.of(("W", "D"), [("W", "D"), ("W*", "D"), ("W", "D*")])
        >>> design.missing, design.aliased()
        ((('W*', 'D*'),), ('W:D',))
        >>> design.complete_parts()[0]
        {'W': ('W',), 'D': ('D', 'D*')}
    """

    factors: tuple[str, ...]
    levels: tuple[Cell, ...]
    cells: frozenset[Cell]

    @classmethod
    def of(cls, factors: Sequence[str], cells: Sequence[Cell]) -> Design:
        """Return the design of a list of cells, levels in the order they come."""
        columns = zip(*cells, strict=True) if cells else ((),) * len(factors)
        return cls(tuple(factors), tuple(tuple(dict.fromkeys(c)) for c in columns), frozenset(map(tuple, cells)))

    @property
    def missing(self) -> tuple[Cell, ...]:
        """The combinations of levels that have no run."""
        return tuple(cell for cell in itertools.product(*self.levels) if cell not in self.cells)

    @property
    def effects(self) -> tuple[tuple[int, ...], ...]:
        """Main effects and interactions of the factors with two levels or more, as the factors' numbers."""
        varied = [k for k, levels in enumerate(self.levels) if len(levels) > 1]
        return tuple(e for size in range(1, len(varied) + 1) for e in itertools.combinations(varied, size))

    def name(self, effect: tuple[int, ...]) -> str:
        """Return the name of an effect, such as ``"W:D"``."""
        return ":".join(self.factors[k] for k in effect)

    def columns(self, effect: tuple[int, ...], cells: Sequence[Cell]) -> np.ndarray:
        """Return the effect's columns of the model matrix, shape ``(cells, df)``, in sum-to-zero coding."""
        matrix = np.ones((len(cells), 1))
        for k in effect:
            levels = self.levels[k]
            coding = np.vstack((np.eye(len(levels) - 1), -np.ones(len(levels) - 1)))
            rows = coding[[levels.index(cell[k]) for cell in cells]]
            matrix = (matrix[:, :, None] * rows[:, None, :]).reshape(len(cells), -1)
        return matrix

    def aliased(self) -> tuple[str, ...]:
        """Return the effects that the cells do not tell from other effects of as many factors or fewer."""
        cells = sorted(self.cells)
        blocks = {effect: self.columns(effect, cells) for effect in self.effects}
        found = []
        for effect, block in blocks.items():
            others = [m for other, m in blocks.items() if other != effect and len(other) <= len(effect)]
            rest = np.hstack((np.ones((len(cells), 1)), *others))
            added = np.linalg.matrix_rank(np.hstack((rest, block))) - np.linalg.matrix_rank(rest)
            if added < block.shape[1]:
                found.append(self.name(effect))
        return tuple(found)

    def complete_parts(self) -> tuple[dict[str, Cell], ...]:
        """Return the parts in which every combination has runs and which are in no larger one, most cells first.

        Parts in which nothing varies are left out.
        """
        chosen = [[self._subset(k, s) for s in range(1, 2 ** len(levels))] for k, levels in enumerate(self.levels)]
        # The last factor's levels follow from the others': all those that go with each of their combinations.
        parts: set[tuple[Cell, ...]] = set()
        for first in itertools.product(*chosen[:-1]):
            combinations = list(itertools.product(*first))
            last = tuple(v for v in self.levels[-1] if all((*c, v) in self.cells for c in combinations))
            if last and any(len(levels) > 1 for levels in (*first, last)):
                parts.add((*first, last))
        # A part that holds another has more cells, so it comes first.
        largest: list[tuple[Cell, ...]] = []
        for part in sorted(parts, key=lambda p: (-math.prod(map(len, p)), self._order(p))):
            if not any(_within(part, other) for other in largest):
                largest.append(part)
        return tuple(dict(zip(self.factors, part, strict=True)) for part in largest)

    def check(self) -> None:
        """Check that every combination of levels has a run.

        Raises:
            UnidentifiableDesignError: If one has none; the message names the cells, the effects they cost, and complete parts.
        """
        if not self.missing:
            return
        aliased, complete = self.aliased(), self.complete_parts()
        parts = "; ".join(format_part(part) for part in complete[:3]) or "none"
        raise UnidentifiableDesignError(
            f"the design must be a complete factorial of {' x '.join(self.factors)}: {len(self.missing)} of "
            f"{len(self.missing) + len(self.cells)} cells have no run ({_listed(self.missing)}), so these effects cannot be "
            f"told from others of as many factors or fewer: {', '.join(aliased)}. Run the missing cells, or take a part "
            f"that is complete; the largest: {parts}.",
            self.missing,
            aliased,
            complete,
        )

    def _subset(self, factor: int, bits: int) -> Cell:
        return tuple(level for k, level in enumerate(self.levels[factor]) if bits >> k & 1)

    def _order(self, part: tuple[Cell, ...]) -> list[list[int]]:
        return [[all_.index(v) for v in some] for all_, some in zip(self.levels, part, strict=True)]


def format_part(part: Mapping[str, Cell]) -> str:
    """Write a part of a design, such as ``W in {W, W*} x D in {D}``."""
    return " x ".join(f"{factor} in {{{', '.join(levels)}}}" for factor, levels in part.items())


def _within(part: tuple[Cell, ...], other: tuple[Cell, ...]) -> bool:
    return all(set(a) <= set(b) for a, b in zip(part, other, strict=True))


def _listed(cells: tuple[Cell, ...], most: int = 20) -> str:
    names = ["".join(level for level in cell if level != "-") or "-" for cell in cells]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
