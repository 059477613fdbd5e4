"""What names one run of a study."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from graphcortex._checks import check_choice, check_count
from graphcortex.study.protocol import Protocol
from graphcortex.study.variant import Variant

RECURRENCE = ("free", "nonnegative")
"""The two arms of the study: recurrent weights of any sign, or kept at or above 0."""


_SAFE = re.compile(r"(?!\.)[\w.+:-]+(?<!\.)")  # as the name of a folder everywhere
_LONGEST = 200  # bytes
_LAST_SEED = 2**63 - 1  # what the file of a run can hold
_SLUG = re.compile(
    r"(?P<connectome>[^/]+)/(?P<protocol>[^/]+)/(?P<task>[^/]+)/(?P<variant>.+)-(?P<recurrence>[a-z]+)-seed(?P<seed>\d+)"
)


def check_names_differ(names: Iterable[str], what: str) -> None:
    """Check that no two names are those of one folder where the case of letters does not count.

    Raises:
        ValueError: If two differ in nothing but that.
    """
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(name.casefold(), name)
        if other != name:
            raise ValueError(
                f"{what} must have names that differ in more than the case of letters, since some file systems take such names "
                f"for one; got {other!r} and {name!r}."
            )


@dataclass(frozen=True)
class RunKey:
    """What names one run of a study.

    Attributes:
        task: Name of the task.
        variant: The variant; a name is parsed.
        recurrence: ``"free"`` or ``"nonnegative"``.
        seed: Seed of the initial weights, of the noise, and of the trials where the protocol draws them per seed. Runs that differ
            in the variant alone share the draws of a seed.
        connectome: Name of the connectome.
        protocol: Name of the protocol, see :meth:`graphcortex.study.Protocol.parse`.

    Raises:
        ValueError: If a part is unknown, a seed does not lie in ``0 .. 2**63 - 1``, or a name has other characters than letters,
            digits and ``_ . + : -``, begins or ends with a dot, or is longer than 200 bytes.
    """

    task: str
    variant: Variant
    recurrence: str = "free"
    seed: int = 0
    connectome: str = "synthetic"
    protocol: str = "published"

    def __post_init__(self):
        object.__setattr__(self, "variant", Variant.parse(self.variant))
        check_choice(self.recurrence, "recurrence", RECURRENCE)
        object.__setattr__(self, "seed", check_count(self.seed, "seed", minimum=0))
        if self.seed > _LAST_SEED:
            raise ValueError(f"seed must be at most {_LAST_SEED}, got {self.seed}.")
        for name in ("task", "connectome"):
            value = getattr(self, name)
            if not isinstance(value, str) or not _SAFE.fullmatch(value):
                raise ValueError(
                    f"{name} must be a name of letters, digits and _ . + : -, with no dot at either end, got {value!r}."
                )
        for name in ("task", "connectome", "protocol"):
            if len(str(getattr(self, name)).encode()) > _LONGEST:
                raise ValueError(f"{name} must be a name of at most {_LONGEST} bytes, got {getattr(self, name)!r}.")
        Protocol.parse(self.protocol)

    @property
    def slug(self) -> str:
        """A name for files, such as ``6_6_2/published/go_nogo/WstarDstarC-free-seed0``."""
        # No colon in names of files.
        task = self.task.replace(":", "=")
        return f"{self.connectome}/{self.protocol}/{task}/{self.variant.slug}-{self.recurrence}-seed{self.seed}"

    @classmethod
    def from_slug(cls, slug: str) -> RunKey:
        """Return the key of a slug.

        Raises:
            ValueError: If no run has it.
        """
        match = _SLUG.fullmatch(slug)
        if match is None:
            raise ValueError(f"slug must be like 6_6_2/published/go_nogo/WstarDstarC-free-seed0, got {slug!r}.")
        return cls(
            task=match["task"].replace("=", ":"),
            variant=Variant.from_slug(match["variant"]),
            recurrence=match["recurrence"],
            seed=int(match["seed"]),
            connectome=match["connectome"],
            protocol=match["protocol"],
        )

    def __str__(self) -> str:
        return f"{self.connectome} {self.protocol} {self.task} {self.variant} {self.recurrence} seed {self.seed}"
