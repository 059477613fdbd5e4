"""A connectome as GraphML, which igraph, networkx, Gephi and Cytoscape open, and back without loss."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TextIO
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from graphcortex.data._record import (
    columns_of,
    from_columns,
    from_text,
    numpy_type,
    readable_names,
    to_columns,
    to_connectome,
    to_levels,
    to_text,
)
from graphcortex.data._save import whole
from graphcortex.data._unpickle import DataFileError, UnsafeFileError
from graphcortex.data.connectome import Connectome
from graphcortex.data.schema import fields_of

_NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
_NOTES = "graphcortex"
_KIND = "kind"
_TYPES = {"i": "long", "f": "double"}
# XML admits no other control characters, and no half of a surrogate pair.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_graphml(connectome: Connectome, path: str | os.PathLike) -> Path:
    """Write a connectome as a GraphML file, whole or not at all.

    Nodes have ``x_um``, ``y_um``, ``z_um``, ids, codes, and the names of codes as text (``cell_type_name``). Edges have a
    ``kind``, ``"synapse"`` or ``"coactivity"``, and the values of that kind; both kinds stand in one directed graph, so a
    pair may have two. Provenance is an attribute of the graph.

    Args:
        connectome: What to write.
        path: The file, by custom ``*.graphml``. It is replaced if it is there.

    Returns:
        The path.

    Raises:
        ConnectomeError: If the connectome is not valid, or there is no such folder.

    Example:
        >>> import tempfile
        >>> from graphcortex.data import SyntheticCortex
        >>> cortex = SyntheticCortex(num_neurons=10, num_graphs=1, duration_s=60.0)[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read_graphml(to_graphml(cortex, f"{folder}/cortex.graphml")).num_neurons
        10
    """
    columns = {level: to_columns(arrays, level) for level, arrays in to_levels(connectome).items()}
    words = readable_names(connectome)
    with whole(path) as part, part.open("x", encoding="utf-8", newline="\n") as file:
        file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="{_NAMESPACE}">\n')
        _write_key(file, _NOTES, "graph", _NOTES, "string")
        _write_key(file, f"edge.{_KIND}", "edge", _KIND, "string")
        for level, values in columns.items():
            for name, column in values.items():
                if name not in ("pre", "post"):
                    where = "node" if level == "neuron" else "edge"
                    field = fields_of(level).get(name)
                    # Programs that keep every number as a float would round an id of 18 digits.
                    kind = "string" if field is not None and field.kind == "id" else _TYPES[column.dtype.kind]
                    _write_key(file, f"{level}.{name}", where, name, kind)
        for name in words:
            _write_key(file, f"neuron.{name}", "node", name, "string")
        file.write('<graph id="connectome" edgedefault="directed">\n')
        file.write(_data(_NOTES, to_text(connectome)) + "\n")
        nodes = {**columns["neuron"], **words}
        for i, row in enumerate(_rows(nodes)):
            file.write(f'<node id="n{i}">{_all_data("neuron", nodes, row)}</node>\n')
        for level in columns:
            if level != "neuron":
                values = dict(columns[level])
                for i, j, row in zip(values.pop("pre"), values.pop("post"), _rows(values), strict=True):
                    data = _data(f"edge.{_KIND}", level) + _all_data(level, values, row)
                    file.write(f'<edge source="n{i}" target="n{j}">{data}</edge>\n')
        file.write("</graph>\n</graphml>\n")
    return Path(path)


def read_graphml(path: str | os.PathLike) -> Connectome:
    """Read a connectome that :func:`to_graphml` wrote: the same fields, to the last bit.

    A document type, by which an XML file can define entities that unfold or read other files, is refused.

    Raises:
        UnsafeFileError: If the file has a document type.
        DataFileError: If it is missing, damaged or something else.
        ConnectomeError: If the graph is no valid connectome.
    """
    path = Path(path)
    reader = _Reader(path)
    parser = expat.ParserCreate(encoding="utf-8")  # whatever the file says: it may not choose a codec
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
        if reader.notes is None:
            raise DataFileError(f"{path}: expected a file written by to_graphml, got a graph from elsewhere.")
        record = from_text(reader.notes, str(path))
        levels = {level: reader.level(level, names) for level, names in record["fields"].items()}
    except FileNotFoundError:
        raise DataFileError(f"{path}: expected a GraphML file, got no file; check the path.") from None
    except DataFileError:
        raise
    except (expat.ExpatError, OSError, ValueError, KeyError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataFileError(
            f"{path}: expected a file written by to_graphml, got one that is damaged or of another kind ({reason})."
        ) from None
    return to_connectome(levels, record, path)


class _Reader:
    """Collects nodes, edges and notes while the parser walks through the file."""

    def __init__(self, path: Path):
        self.path = path
        self.notes: str | None = None
        self.keys: dict[str, str] = {}
        self.nodes: dict[str, dict[str, str]] = {}
        self.edges: list[tuple[str, str, dict[str, str]]] = []
        self._item: dict[str, str] | None = None
        self._key: str | None = None
        self._text: list[str] = []

    def refuse(self, *_: Any) -> None:
        raise UnsafeFileError(
            f"{self.path}: expected a file written by to_graphml, got one with a document type, which may define entities "
            "that unfold or read other files; refused."
        )

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "key":
            self.keys[attributes["id"]] = attributes["attr.name"]
        elif tag == "node":
            if attributes["id"] in self.nodes:
                raise DataFileError(f"{self.path}: expected each node once, got {attributes['id'][:80]!r} twice.")
            self._item = self.nodes[attributes["id"]] = {}
        elif tag == "edge":
            self._item = {}
            self.edges.append((attributes["source"], attributes["target"], self._item))
        elif tag == "data":
            self._key, self._text = self.keys[attributes["key"]], []

    def text(self, text: str) -> None:
        if self._key is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        if tag == "data" and self._key is not None:
            text = "".join(self._text)
            if self._item is not None:
                self._item[self._key] = text
            elif self._key == _NOTES:
                self.notes = text
            self._key = None
        elif tag in ("node", "edge"):
            self._item = None

    def level(self, level: str, names: list[str]) -> dict[str, np.ndarray]:
        """Return the arrays of one level."""
        items = list(self.nodes.values()) if level == "neuron" else []
        ends: dict[str, list[int]] = {"pre": [], "post": []}
        if level != "neuron":
            place = {node: i for i, node in enumerate(self.nodes)}
            for source, target, item in self.edges:
                if item.get(_KIND) == level:
                    items.append(item)
                    ends["pre"].append(place[source])
                    ends["post"].append(place[target])
        columns = {name: np.array(values, dtype=np.int64) for name, values in ends.items()}
        for name in names:
            field = fields_of(level)[name]
            if field.kind != "edges":
                kind, dtype = (int if numpy_type(field).kind == "i" else float), numpy_type(field)
                for column in columns_of(field):
                    with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, which validation names
                        wide = np.array([kind(item[column]) for item in items], dtype=np.dtype(kind))
                        columns[column] = wide.astype(dtype)
        return from_columns(columns, level, names)


def _write_key(file: TextIO, key: str, where: str, name: str, kind: str) -> None:
    file.write(f'<key id={quoteattr(key)} for="{where}" attr.name={quoteattr(name)} attr.type="{kind}"/>\n')


def _rows(columns: dict[str, Any]):
    """Yield rows of plain numbers and text; a float32 is written as the float64 that it is."""
    return zip(
        *(column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()), strict=True
    )


def _all_data(level: str, columns: dict[str, Any], row: tuple) -> str:
    return "".join(
        _data(f"{level}.{name}", value if isinstance(value, str) else repr(value))
        for name, value in zip(columns, row, strict=True)
    )


def _data(key: str, text: str) -> str:
    return f'<data key="{key}">{escape(_FORBIDDEN.sub(chr(0xFFFD), text))}</data>'
