"""How the results of a study are told: to a person, or as JSON."""

from __future__ import annotations

import json
import math
import shlex
import sys
from typing import Any

import pandas as pd

from graphcortex.cli._terminal import for_stdout
from graphcortex.study import StudyResults, describe_intervals, floor_warnings


def tell(results: StudyResults, more: str = "", *, as_json: bool = False) -> int:
    """Print the results, the runs that failed on stderr, and return the exit code: 1 where some did.

    Args:
        results: The results.
        more: What else was written, for the last line.
        as_json: Print one JSON object, and nothing else, on stdout.
    """
    if as_json:
        print(to_json(as_plain(results)))
    else:
        intervals = {name: protocol.interval for name, protocol in results.study.protocols.items()}
        print(for_stdout(f"\n{results}\n\n{describe_intervals(results.table, intervals)}\n"), flush=True)
        for line in floor_warnings(results):
            print(for_stdout(f"{line}\n"), flush=True)
        print(f"{results.folder}: table.csv, runs.csv{more}")
    return tell_failures(results)


def tell_failures(results: StudyResults) -> int:
    """Print the runs that failed on stderr, with their tracebacks, and return the exit code: 1 where some did."""
    for failure in results.failures:
        print(f"\nfailed: {failure}\n{failure.traceback}", end="", file=sys.stderr)
    if results.failures:
        print(
            f"\ngraphcortex: {len(results.failures)} of {len(results.study.keys())} runs failed, as said above and in "
            f"{results.folder / 'failures'}; the same command tries them again.",
            file=sys.stderr,
        )
    return 1 if results.failures else 0


def tell_unfinished(results: StudyResults) -> int:
    """Print on stderr how many runs of a folder are missing and failed, and return the exit code: 1 where some failed."""
    missing, failed = len(results.missing), len(results.failures)
    if missing or failed:
        print(
            f"graphcortex: {missing} of the {len(results.study.keys())} runs asked for last are missing, and {failed} runs of the "
            f"folder failed; graphcortex resume {shlex.quote(str(results.folder))} computes those asked for last.",
            file=sys.stderr,
        )
    return 1 if failed else 0


def as_plain(results: StudyResults) -> dict[str, Any]:
    """Return the results as plain values."""
    failures = [{"run": f.key.slug, "error": f.error, "traceback": f.traceback} for f in results.failures]
    return {
        "folder": str(results.folder),
        "finished": len(results.runs),
        "missing": [key.slug for key in results.missing],
        "failures": failures,
        "runs": rows(results.runs),
        "table": rows(results.table),
        "warnings": floor_warnings(results),
    }


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values, with None for what is not a number, which JSON has not."""
    return [
        {
            str(name): None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in row.items()
        }
        for row in table.astype(object).to_dict("records")
    ]


def to_json(value: Any) -> str:
    """Return plain values as JSON."""
    return json.dumps(value, indent=2, allow_nan=False, default=lambda number: number.item())
