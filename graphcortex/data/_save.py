"""A connectome on disk: written whole or not at all, read without running anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from graphcortex._atomic import replacing, save_with_torch
from graphcortex._bounded import UnfoldsTooFarError, load_tensors
from graphcortex.data._digest import digest_of
from graphcortex.data._validate import ConnectomeError
from graphcortex.data.schema import STORES, fields_of, suggestion

if TYPE_CHECKING:
    from graphcortex.data.connectome import Connectome

    C = TypeVar("C", bound=Connectome)

_FORMAT = "graphcortex.Connectome"
_VERSION = 2


@contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """Give a name beside ``path`` to write a file or folder under, as ``replacing`` does, in a folder that is there.

    Raises:
        ConnectomeError: If the folder of ``path`` is not there, or another process wrote a folder of that name meanwhile.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ConnectomeError(f"{path}: expected a folder to write into, got no folder {path.parent}; make it first.")
    with replacing(path) as unfinished:
        yield unfinished
        if unfinished.is_dir() and path.is_dir() and any(path.iterdir()):
            raise ConnectomeError(f"{path}: another process wrote it meanwhile; that one is kept, choose another name.")


def write_connectome(graph: Connectome, path: str | os.PathLike) -> None:
    """Write a valid connectome beside ``path``, then give it that name.

    Raises:
        ConnectomeError: If the folder is not there.
    """
    record: dict[str, Any] = {"format": _FORMAT, "version": _VERSION}
    for level, store in STORES.items():
        if store in graph.node_types or store in graph.edge_types:
            # A slice of a larger tensor would be written with all of that tensor: clone.
            record[level] = {name: value.detach().cpu().clone() for name, value in graph[store].items()}
    record["graph"] = {name: dict(notes) for name, notes in graph._global_store.items()}
    record["sha256"] = _digest(record)
    with whole(path) as part:
        save_with_torch(record, part)


def read_connectome(cls: type[C], path: str | os.PathLike) -> C:
    """Read a connectome that :func:`write_connectome` wrote, and validate it.

    Raises:
        ConnectomeError: If the file is not one, whatever else it is; the message names it.
    """
    expected = f"{path}: expected a file written by Connectome.save"
    if not Path(path).is_file():
        raise ConnectomeError(f"{expected}, got no file; check the path.")
    try:
        record = load_tensors(path)
    except UnfoldsTooFarError as error:
        raise ConnectomeError(f"{expected}, got {error}. Save the connectome again with Connectome.save.") from None
    except (ValueError, OSError) as error:
        raise ConnectomeError(
            f"{expected}; {error}, and was refused. Save the connectome again with Connectome.save."
        ) from None
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise ConnectomeError(f"{expected}, got another kind of .pt file.")
    if record.get("version") != _VERSION:
        raise ConnectomeError(f"{expected} in version {_VERSION}, got {record.get('version')!r}; update graphcortex.")
    out = cls()
    for level in (*STORES, "graph"):
        stored = record.get(level, {})
        if not isinstance(stored, dict):
            raise ConnectomeError(f"{expected}, with the fields of level {level!r}, got {type(stored).__name__}.")
        for name, value in stored.items():
            if name not in fields_of(level):
                raise ConnectomeError(f"{path}: unknown field {name!r}; {suggestion(str(name), level)}.")
            if level == "graph":
                setattr(out, name, value)
            else:
                out[STORES[level]][name] = value
    try:
        out.validate()
    except ConnectomeError as error:
        raise ConnectomeError(f"{path}: {error}") from None
    # What is not valid has been named; the rest would pass for another connectome.
    if record.get("sha256") != _digest(record):
        raise ConnectomeError(
            f"{expected}, got another connectome than was written: it is damaged, or somebody changed it. Save it again."
        )
    return out


def _digest(record: dict[str, Any]) -> str:
    levels = {level: {name: value.numpy() for name, value in record.get(level, {}).items()} for level in STORES}
    return digest_of(levels, repr(record.get("graph")))
