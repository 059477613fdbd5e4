"""A run that was stopped goes on where it was: the state of one training in one file."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from graphcortex._atomic import UNFINISHED, replacing, save_with_torch
from graphcortex._bounded import load_tensors
from graphcortex.study.manifest import differences

_FORMAT = "graphcortex.study.Checkpoint"
_PARTS = {"format", "identity", "state"}


class CheckpointError(ValueError):
    """A checkpoint of something else than the run that asks for it."""


@dataclass(frozen=True)
class Checkpoint:
    """The file of one run's state. It appears whole or not at all, and reading it executes nothing.

    Attributes:
        path: The file; its folder is made when it is first written.
        identity: What decides the run, as plain values: only a checkpoint with the same is read.
    """

    path: Path
    identity: dict[str, Any]

    def save(self, state: dict[str, Any]) -> None:
        """Write the state, in place of an earlier one.

        Raises:
            OSError: If it cannot be written; an earlier one is there still.
        """
        with replacing(self.path) as unfinished:
            save_with_torch({"format": _FORMAT, "identity": json.dumps(self.identity), "state": state}, unfinished)

    def load(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """Return the state that was saved last, or None where there is none.

        A file that cannot be read is set aside as ``<name>.corrupt``, with a warning: the run then starts over, and a study
        does not stop for it.

        Raises:
            CheckpointError: If it is that of another run; the message names what differs.
        """
        for left in self.path.parent.glob(
            f".{self.path.name}.*{UNFINISHED}"
        ):  # of a process that was killed as it wrote
            left.unlink(missing_ok=True)
        if not self.path.exists():
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is odd about a file that is none of ours
                found = load_tensors(self.path, device)
            if not isinstance(found, dict) or set(found) != _PARTS or found["format"] != _FORMAT:
                raise ValueError("it is no checkpoint of a run")
            there = json.loads(found["identity"])
        except Exception as error:  # a damaged file fails in ways of zipfile, of pickle and of torch
            reason = str(error).split("\n")[0].split(". ")[0]  # torch goes on for a page
            aside = self.path.with_name(f"{self.path.name}.corrupt")
            os.replace(self.path, aside)
            warnings.warn(
                f"the checkpoint {self.path} cannot be read ({reason}); it is now {aside}, and the run starts over.",
                stacklevel=2,
            )
            return None
        changes = differences(there, json.loads(json.dumps(self.identity)))
        if changes:
            raise CheckpointError(
                f"{self.path} must be a checkpoint of this run, got that of another: {'; '.join(changes)}. Delete it, or name "
                "another file."
            )
        return found["state"]
