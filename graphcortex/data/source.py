"""A connectome by its name or its path: a field, the synthetic cortex, a file, or a folder of tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphcortex.data import _field_files as files
from graphcortex.data._unpickle import DataFileError
from graphcortex.data.connectome import Connectome
from graphcortex.data.fields import MicronsFields
from graphcortex.data.graphml import read_graphml
from graphcortex.data.npz import read_npz
from graphcortex.data.synthetic import SyntheticCortex
from graphcortex.data.table_folder import read_tables
from graphcortex.data.tables import from_tables

_READERS = {".pt": Connectome.load, ".npz": read_npz, ".graphml": read_graphml}
Connectomes = Connectome | str | os.PathLike[str] | Sequence[Any] | Mapping[str, Any]
"""A connectome, its name or its path; several of these; or a dict of them by names of one's own."""

_RECORD = "connectome.json"
_EXPECTED = (
    'the name of a MICrONS field such as 6_6_2, "synthetic", a file of a connectome '
    f"({', '.join(_READERS)}), or a folder of tables (neurons.csv, synapses.csv; or .tsv, .parquet)"
)


@dataclass(frozen=True)
class ConnectomeSource:
    """Where one connectome comes from; nothing is read or downloaded before :meth:`load`.

    Attributes:
        kind: ``"synthetic"``, ``"field"``, ``"file"``, ``"saved tables"`` or ``"tables"``.
        name: The name of the field, or that of the file or folder.
        path: The file or folder; of a field the root that holds its folder; None for the synthetic cortex.
        download: Whether missing files of a field are downloaded into the root.
    """

    kind: str
    name: str
    path: Path | None = None
    download: bool = True

    def load(self) -> Connectome:
        """Read the connectome.

        Raises:
            ValueError: If a file is missing, damaged or no connectome.
        """
        if self.kind == "synthetic":
            return SyntheticCortex()[0]
        assert self.path is not None
        if self.kind == "field":
            return self.fields()[self.name]
        if self.kind == "file":
            return _READERS[self.path.suffix.lower()](self.path)
        return read_tables(self.path) if self.kind == "saved tables" else _load_tables(self.path)

    def fields(self) -> MicronsFields:
        """Return the dataset that holds the field."""
        assert self.path is not None
        return MicronsFields(self.path, names=[self.name], download=self.download)


def find_connectome(
    source: str | os.PathLike[str], data_root: str | os.PathLike[str] | None = None
) -> ConnectomeSource:
    """Return where a connectome comes from, without reading or downloading it.

    Args:
        source: The name of a MICrONS field such as ``6_6_2``; ``synthetic``; a file (``.pt`` of :meth:`Connectome.save`, ``.npz``,
            ``.graphml``); or a folder: one of :func:`to_tables`, one with a table ``neurons`` and a table ``synapses`` that
            :func:`from_tables` can read, or the folder of one field. What looks like the name of a field is one: write
            ``./6_6_2`` for a folder of that name.
        data_root: Folder with the MICrONS fields; missing files are downloaded into it. Default: that of :func:`default_data_root`.

    Raises:
        DataFileError: If there is no such field, file or folder, or ``data_root`` is no folder.
    """
    text = os.fspath(source)
    if text == "synthetic":
        return ConnectomeSource("synthetic", text)
    if files.FIELD_NAME.fullmatch(text):
        return ConnectomeSource("field", text, _root_of(text, data_root))
    path = Path(text).expanduser()
    if path.is_file() and path.suffix.lower() in _READERS:
        return ConnectomeSource("file", path.stem, path)
    if not path.is_dir():
        got = f"a file that ends in {path.suffix!r}" if path.is_file() else "no such name, file or folder"
        raise DataFileError(f"a connectome must be {_EXPECTED}; got {text!r}, {got}.")
    name = path.absolute().name
    if (path / _RECORD).is_file():
        return ConnectomeSource("saved tables", name, path)
    if any(_tables(path, table) for table in ("neurons", "synapses")):
        return ConnectomeSource("tables", name, path)
    if files.FIELD_NAME.fullmatch(name):
        return ConnectomeSource("field", name, path.absolute().parent, download=False)
    raise DataFileError(f"a connectome must be {_EXPECTED}; got {text!r}, a folder with neither tables nor a field.")


def load_connectome(source: str | os.PathLike[str], data_root: str | os.PathLike[str] | None = None) -> Connectome:
    """Return the connectome of a name or a path, see :func:`find_connectome`.

    Raises:
        ValueError: If there is no such field, file or folder, or what is there is no connectome.

    Example:
        >>> load_connectome("synthetic").num_neurons
        120
    """
    return find_connectome(source, data_root).load()


def load_connectomes(sources: Connectomes, data_root: str | os.PathLike[str] | None = None) -> dict[str, Connectome]:
    """Return connectomes by name. All sources are looked up before the first is read or downloaded.

    Args:
        sources: A connectome, or its name or path; several of these; or a dict of them by names of your own. Without a dict, a
            field has its name, a file or folder the name of it, and an object that of its field, or else ``"connectome"``.
        data_root: Folder with the MICrONS fields, see :func:`find_connectome`.

    Raises:
        TypeError: If something is neither a connectome nor a name nor a path.
        ValueError: If two have one name, there is no such field, file or folder, or what is there is no connectome.
    """
    if isinstance(sources, (str, os.PathLike, Connectome)):
        sources = [sources]
    if isinstance(sources, Mapping):
        named = {name: _find(one, data_root) for name, one in sources.items()}
    elif isinstance(sources, Sequence):
        named = {}
        for one in sources:
            place = _find(one, data_root)
            name = place.name if isinstance(place, ConnectomeSource) else _name_of(place)
            if name in named and named[name] is not place and named[name] != place:
                raise ValueError(
                    f"connectomes must have different names, got two called {name!r}; give them names by a dict."
                )
            named[name] = place
    else:
        raise TypeError(
            "connectomes must be a connectome, a name or a path, several of these, or a dict of them by name; got "
            f"{type(sources).__name__}."
        )
    return {name: one.load() if isinstance(one, ConnectomeSource) else one for name, one in named.items()}


def default_data_root() -> Path:
    """Return where the MICrONS fields are looked for, and downloaded to, unless a folder is given."""
    if os.environ.get("GRAPHCORTEX_DATA"):
        return Path(os.environ["GRAPHCORTEX_DATA"]).expanduser() / "microns-fields"
    import pooch

    return Path(pooch.os_cache("graphcortex")) / "microns-fields"


def _root_of(name: str, data_root: str | os.PathLike[str] | None) -> Path:
    if data_root is None:
        return default_data_root()
    root = Path(data_root).expanduser()
    if not root.is_dir():
        raise DataFileError(
            f"data root {root}: expected a folder with MICrONS fields, got no such folder; check the path, or download the field "
            f"into it: graphcortex fetch --fields {name} --data-root {root}."
        )
    return root


def _find(one: object, data_root: str | os.PathLike[str] | None) -> ConnectomeSource | Connectome:
    if isinstance(one, Connectome):
        return one
    if isinstance(one, (str, os.PathLike)):
        return find_connectome(one, data_root)
    raise TypeError(f"a connectome must be a Connectome, a name or a path; got {type(one).__name__}.")


def _name_of(connectome: Connectome) -> str:
    return str(getattr(connectome, "provenance", {}).get("field", "connectome"))


def _tables(folder: Path, table: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower().split(".")[0] == table)


def _load_tables(folder: Path) -> Connectome:
    """Read a folder of somebody's tables of neurons and synapses, and of recorded pairs where there is one."""
    paths = {table: _tables(folder, table) for table in ("neurons", "synapses", "coactivity")}
    for table, matches in paths.items():
        if len(matches) > 1 or (not matches and table != "coactivity"):
            got = ", ".join(path.name for path in matches) or "none"
            raise DataFileError(f"{folder}: expected one table {table} (.csv, .tsv or .parquet), got {got}.")
    coactivity = paths["coactivity"][0] if paths["coactivity"] else None
    try:
        return from_tables(paths["neurons"][0], paths["synapses"][0], coactivity=coactivity)
    except ValueError as error:
        raise DataFileError(
            f"{folder}: {error} Name the columns so that they say it, or read the tables with "
            "graphcortex.data.from_tables, save the connectome, and give its .pt file."
        ) from error
