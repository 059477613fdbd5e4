"""An audit of a connectome: what went wrong in published work, looked for in this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from graphcortex._random import derive_seed, draw_seed
from graphcortex._typing import RandomSource
from graphcortex.data import _audit_edges as edges
from graphcortex.data import _audit_ids as ids
from graphcortex.data import _audit_space as space
from graphcortex.data._finding import SEVERITIES, Finding
from graphcortex.data._validate import ConnectomeError
from graphcortex.data.connectome import Connectome


@dataclass(frozen=True)
class Audit:
    """What the checks of a connectome say; ``print`` it.

    Attributes:
        findings: What each check says, the worst first.
        num_neurons: Neurons of the connectome.
    """

    findings: tuple[Finding, ...]
    num_neurons: int

    def of(self, severity: str) -> tuple[Finding, ...]:
        """Return the findings of a severity: ``"error"``, ``"warning"``, ``"note"``, ``"skipped"`` or ``"passed"``."""
        if severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(map(repr, SEVERITIES))}; got {severity!r}.")
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What must not be used as it is."""
        return self.of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What should be looked at."""
        return self.of("warning")

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    @property
    def exit_code(self) -> int:
        """0 without errors, 1 with."""
        return int(not self.ok)

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as plain values, fit for JSON."""
        return {
            "ok": self.ok,
            "num_neurons": self.num_neurons,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per finding: ``check``, ``severity``, ``message``, ``evidence`` (a dict) and ``remedy``."""
        columns = list(Finding.__dataclass_fields__)
        return pd.DataFrame([asdict(finding) for finding in self.findings], columns=columns)

    def __str__(self) -> str:
        """Return the audit as text."""
        counts = ", ".join(f"{len(self.of(severity))} {severity}" for severity in SEVERITIES)
        return "\n".join([f"Audit of {self.num_neurons:,} neurons: {counts}", *map(str, self.findings)])


def audit(
    connectome: Connectome,
    *,
    spikes: Sequence | None = None,
    lengths: Tensor | None = None,
    rng: RandomSource = 0,
) -> Audit:
    """Look for what went wrong in published work.

    Checks: ``schema`` (it validates), ``ids`` (repeated, swapped, rounded by a float or a spreadsheet), ``units`` (voxels, nm,
    mm or scaled positions for um), ``axes`` (an ``(N, 3)`` array reshaped where a transpose was due), ``distance`` (co-activity
    must fall with distance), ``wiring`` (so should connections), ``symmetry`` of co-activity, ``self`` (self-connections and
    diagonals that dominate), ``orientation`` of the wiring, and where they are given ``spikes`` and ``lengths``.

    A check that cannot tell is skipped, and says why. Positions of co-activity that does not fall with distance are an error
    where chance, found by shuffling positions among neurons, is far below the fall of .25 or more (correlation with log
    distance) that recordings of cortex have.

    Args:
        connectome: A connectome; it need not be valid.
        spikes: Spike times of each neuron in s.
        lengths: Distances that a model uses, of all ordered pairs, shape ``(N, N)`` or ``(N * N,)``, in any unit.
        rng: A generator (one draw is taken) or an int seed, for the shuffling.

    Returns:
        The findings, the worst first.

    Raises:
        ConnectomeError: If it is no connectome.

    Example:
        >>> from graphcortex.data import SyntheticCortex
        >>> connectome = SyntheticCortex(60, rng=0)[0]
        >>> audit(connectome).ok
        True
        >>> scrambled = connectome.clone()
        >>> scrambled.pos = connectome.pos.reshape(3, -1).T.contiguous()
        >>> print(audit(scrambled).errors[0].message)
        every axis interleaves x, y and z: an (N, 3) array was reshaped to (3, N) where a transpose was due
    """
    if not isinstance(connectome, Connectome):
        raise ConnectomeError(f"audit needs a Connectome, got {type(connectome).__name__}; see Connectome.from_arrays.")
    seed = draw_seed(rng)

    def numbers(name: str) -> np.random.Generator:
        # Each check has numbers of its own, so that one that is skipped does not change another.
        return np.random.default_rng(derive_seed("audit", seed, name))

    checks = {
        "ids": lambda: ids.check_ids(connectome),
        "units": lambda: space.check_units(connectome),
        "axes": lambda: space.check_axes(connectome),
        "distance": lambda: space.check_distance(connectome, numbers("distance")),
        "wiring": lambda: space.check_wiring_distance(connectome, numbers("wiring")),
        "symmetry": lambda: edges.check_symmetry(connectome),
        "self": lambda: edges.check_self(connectome),
        "orientation": lambda: edges.check_orientation(connectome, numbers("orientation")),
    }
    if spikes is not None:
        checks["spikes"] = lambda: edges.check_spikes(connectome, spikes)
    if lengths is not None:
        checks["lengths"] = lambda: space.check_lengths(connectome, lengths, numbers("lengths"))
    try:
        connectome.validate()
        findings = [Finding("schema", "passed", "every field fits the schema")]
        valid = True
    except ConnectomeError as error:
        remedy = "see Connectome.from_arrays"
        findings, valid = [Finding("schema", "error", str(error).rstrip("."), {}, remedy)], False
    pos = connectome["neuron"].get("pos") if "neuron" in connectome.node_types else None
    if not isinstance(pos, Tensor) or pos.dim() != 2 or pos.size(1) != 3:
        # Without positions of (N, 3) it is not even known how many neurons there are.
        return Audit(tuple(findings), 0)
    for name, check in checks.items():
        try:
            findings += check()
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError) as error:
            # Of a connectome that is not valid anything may be missing; of a valid one, it is an error of the check.
            if valid and name not in ("spikes", "lengths"):
                raise
            findings.append(Finding(name, "skipped", f"it cannot be checked as it is ({' '.join(str(error).split())})"))
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Audit(tuple(findings), connectome.num_neurons)
