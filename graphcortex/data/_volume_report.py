"""What came of stitching fields, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class FieldCounts:
    """One field of a volume.

    Attributes:
        name: The field.
        neurons: Its neurons.
        shared: Those that another field has too.
        connected_pairs: Its ordered pairs with synapses.
        recorded_pairs: Its unordered pairs with co-activity.
    """

    name: str
    neurons: int
    shared: int
    connected_pairs: int
    recorded_pairs: int


@dataclass(frozen=True)
class VolumeReport:
    """What was repeated, merged, contradictory or missing when fields were stitched; ``print`` it.

    Attributes:
        fields: Counts of each field.
        neurons: Distinct neurons.
        repeated_neurons: Those in more than one field.
        unknown_nuclei: Those without nucleus id, which were never merged.
        greatest_distance_um: Greatest distance between two positions of one nucleus.
        tolerance_um: What it was allowed to be.
        connected_pairs: Ordered pairs with synapses.
        merged_pairs: Those seen in more than one field, counted once.
        other_counts: Those whose counts differ; the greatest was kept.
        unseen_pairs: Pairs that some field does not connect although it holds both neurons, and another does; kept.
        recorded_pairs: Unordered pairs with co-activity.
        rerecorded_pairs: Those recorded more than once; each recording has its edge.
        pairs_in_no_field: Unordered pairs whose neurons no field holds together: neither co-activity nor wiring is known of them.
        conflicts: For each field of the cell, how many neurons have two values that differ; the first was kept.
        missing: What some fields lack, in words.
    """

    fields: tuple[FieldCounts, ...]
    neurons: int
    repeated_neurons: int
    unknown_nuclei: int
    greatest_distance_um: float
    tolerance_um: float
    connected_pairs: int
    merged_pairs: int
    other_counts: int
    unseen_pairs: int
    recorded_pairs: int
    rerecorded_pairs: int
    pairs_in_no_field: int
    conflicts: dict[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def all_pairs(self) -> int:
        """Unordered pairs of neurons."""
        return self.neurons * (self.neurons - 1) // 2

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as plain values."""
        return asdict(self) | {"fields": [asdict(counts) for counts in self.fields], "missing": list(self.missing)}

    def to_dataframe(self) -> pd.DataFrame:
        """Return the counts of the fields, one row each."""
        return pd.DataFrame([asdict(counts) for counts in self.fields])

    def __str__(self) -> str:
        """Return the report as text."""
        entries = sum(counts.neurons for counts in self.fields)
        lines = [f"Volume of {len(self.fields)} fields: {self.neurons:,} neurons from {entries:,} entries"]
        for counts in self.fields:
            lines.append(
                f"  {counts.name}: {counts.neurons:,} neurons ({counts.shared:,} also elsewhere), "
                f"{counts.connected_pairs:,} connected pairs, {counts.recorded_pairs:,} recorded pairs"
            )
        lines += [
            f"repeated neurons: {self.repeated_neurons:,}, their positions at most {self.greatest_distance_um:.3g} um apart "
            f"(tolerance {self.tolerance_um:g} um)",
            f"neurons without nucleus id, never merged: {self.unknown_nuclei:,}",
            f"connected pairs: {self.connected_pairs:,}; {self.merged_pairs:,} seen in more than one field and counted once, "
            f"{self.other_counts:,} of them with other counts (the greatest is kept)",
            f"connected in one field, but not in another that holds both neurons: {self.unseen_pairs:,} (kept)",
            f"recorded pairs: {self.recorded_pairs:,}; {self.rerecorded_pairs:,} in more than one recording, with an edge for each",
        ]
        lines += [
            f"contradictions in {name}: {count:,} neurons (the first is kept)" for name, count in self.conflicts.items()
        ]
        share = 100 * self.pairs_in_no_field / self.all_pairs if self.all_pairs else 0.0
        apart = self.all_pairs - self.recorded_pairs
        lines += [
            f"missing: {apart:,} of {self.all_pairs:,} pairs were never recorded together; {self.pairs_in_no_field:,} "
            f"({share:.1f} %) stand in no field together, so their wiring is not known either",
            *(f"missing: {text}" for text in self.missing),
        ]
        return "\n".join(lines)
