"""The connectome: one kind of neuron, two kinds of edges over the same neurons, as a PyTorch Geometric graph."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.data.storage import EdgeStorage

from graphcortex.data._batch import batch_alike
from graphcortex.data._notes import Notes
from graphcortex.data._save import read_connectome, write_connectome
from graphcortex.data._validate import ConnectomeError, as_tensor, check_connectome
from graphcortex.data.card import Card, describe
from graphcortex.data.schema import COACTIVITY, NEURON, STORES, SYNAPSE, fields_of

_LONGEST_NOTES = 400  # characters of names or provenance in the repr


class Connectome(HeteroData):
    """A cortical connectome: positions, synapses and co-activity of the same neurons.

    Node type ``"neuron"``; edge types ``("neuron", "synapse", "neuron")`` and, where activity was recorded,
    ``("neuron", "coactivity", "neuron")``, each with its own ``edge_index`` ``(2, E)`` from source (row 0, presynaptic)
    to target (row 1). :mod:`graphcortex.data.schema` lists every field. It is a
    :class:`torch_geometric.data.HeteroData`: it subgraphs, batches, moves and loads like any other, and comes back as a
    ``Connectome``. Graphs of one batch must hold the same fields; where they have other names for their codes, the batch has one
    table of names for all, and the codes are translated.

    Make one with :meth:`from_arrays`. Because ``size`` is also a method of PyG's stores, read the synapse sizes as
    ``connectome.synapses["size"]``.

    Example:
        >>> import numpy as np
        >>> connectome = Connectome.from_arrays(
        ...     pos=np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [0.0, 20.0, 0.0]]),
        ...     synapse_index=np.array([[0, 2], [1, 0]]),
        ...     count=np.array([3, 1]),
        ...     provenance={"source": "by hand"},
        ... )
        >>> connectome
        Connectome(
          3 neurons: pos
          2 synaptic pairs, 4 synapses: count
          provenance: {'source': 'by hand'}
        )
        >>> connectome.count_matrix()[0, 1]
        tensor(3., dtype=torch.float64)
        >>> connectome.subgraph(torch.tensor([0, 1])).num_neurons
        2
    """

    def __setattr__(self, key: str, value: Any) -> None:
        # HeteroData would put `connectome.pos = ...` beside the stores, where the property never looks.
        if isinstance(getattr(type(self), key, None), property):
            object.__setattr__(self, key, value)
            return
        if key in fields_of("graph") and isinstance(value, Mapping):
            value = Notes({name: _plain_names(item) for name, item in value.items()} if key == "names" else value)
        super().__setattr__(key, value)

    @classmethod
    def from_arrays(
        cls,
        pos: Any,
        synapse_index: Any,
        count: Any,
        *,
        size: Any = None,
        coactivity_index: Any = None,
        correlation: Any = None,
        sttc: Any = None,
        precision: Any = None,
        recording: Any = None,
        self_correlation: Any = None,
        self_sttc: Any = None,
        self_precision: Any = None,
        root_id: Any = None,
        nucleus_id: Any = None,
        unit_id: Any = None,
        session: Any = None,
        scan: Any = None,
        field: Any = None,
        area: Any = None,
        layer: Any = None,
        cell_type: Any = None,
        neuron_name: Any = None,
        proofread_axon: Any = None,
        proofread_dendrite: Any = None,
        pref_ori: Any = None,
        pref_dir: Any = None,
        osi: Any = None,
        dsi: Any = None,
        gosi: Any = None,
        gdsi: Any = None,
        cc_abs: Any = None,
        cc_max: Any = None,
        readout_x: Any = None,
        readout_y: Any = None,
        names: Mapping[str, Sequence[str]] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> Connectome:
        """Make a connectome from tensors or NumPy arrays, and validate it.

        Args:
            pos: Positions of the neurons in um, floating point, shape ``(N, 3)``.
            synapse_index: Presynaptic (row 0) and postsynaptic (row 1) neuron of each connected pair, shape ``(2, E)``.
            count: Number of synapses of each pair, whole, at least 1, shape ``(E,)``.
            size: Summed size of the synapses of each pair, shape ``(E,)``.
            coactivity_index: The recorded pairs of neurons, both directions, no self-pairs, shape ``(2, E_c)``.
            correlation: Correlation of each recorded pair, in [-1, 1], shape ``(E_c,)``.
            sttc: Spike time tiling coefficient of each recorded pair, in [-1, 1], shape ``(E_c,)``.
            precision: Entry of the inverse covariance for each recorded pair, shape ``(E_c,)``.
            recording: Code of the recording that each value is of, shape ``(E_c,)``; with it, a pair may be there once
                for each recording.
            self_correlation: Diagonal of the correlation matrix, shape ``(N,)``.
            self_sttc: Diagonal of the STTC matrix, shape ``(N,)``.
            self_precision: Diagonal of the precision matrix, shape ``(N,)``.
            root_id: Segment of each neuron, whole, 0 where missing, shape ``(N,)``.
            nucleus_id: Nucleus of each neuron, whole, 0 where missing, shape ``(N,)``.
            unit_id: Functional unit of each neuron, whole, shape ``(N,)``.
            session: Session of each neuron's recording, whole, 0 where missing, shape ``(N,)``.
            scan: Scan within the session, whole, 0 where missing, shape ``(N,)``.
            field: Imaging plane within the scan, whole, 0 where missing, shape ``(N,)``.
            area: Code of the cortical area of each neuron, shape ``(N,)``.
            layer: Code of the layer of each neuron, shape ``(N,)``.
            cell_type: Code of the cell type of each neuron, shape ``(N,)``.
            neuron_name: Code of the name of each neuron, where neurons have names, shape ``(N,)``.
            proofread_axon: Code of whether the axon was proofread, shape ``(N,)``.
            proofread_dendrite: Code of whether the dendrite was proofread, shape ``(N,)``.
            pref_ori: Preferred orientation in rad, in [0, pi], NaN where not measured, shape ``(N,)``. Named by the
                direction in which the bar moves: 0 is a vertical bar; counter-clockwise.
            pref_dir: Preferred direction in rad, in [0, 2 pi], 0 to the right, counter-clockwise, shape ``(N,)``.
            osi: Orientation selectivity, NaN where not measured, as all that follow, shape ``(N,)``.
            dsi: Direction selectivity, shape ``(N,)``.
            gosi: Global orientation selectivity, shape ``(N,)``.
            gdsi: Global direction selectivity, shape ``(N,)``.
            cc_abs: Correlation of a model's prediction with the response, in [-1, 1], shape ``(N,)``.
            cc_max: Greatest such correlation that the noise allows, shape ``(N,)``.
            readout_x: Receptive field centre, left (-1) to right (1) of the screen, shape ``(N,)``.
            readout_y: Receptive field centre, bottom (-1) to top (1) of the screen, shape ``(N,)``.
            names: The names behind the codes, as ``{"cell_type": ["23P", "BC"]}``: code ``k`` is the ``k``-th name.
            provenance: Where the connectome came from: plain values (text, numbers, lists and dicts of them).

        Raises:
            ConnectomeError: If something does not fit; see :meth:`validate`.
        """
        given = dict(locals())
        out = cls()
        for level, store in STORES.items():
            edges = given.get(f"{level}_index")
            if level == "coactivity" and edges is None:
                extra = [name for name in fields_of(level) if given.get(name) is not None]
                if extra:
                    raise ConnectomeError(
                        f"{', '.join(extra)} need coactivity_index, the pair of each value; got None."
                    )
                continue
            for name, expected in fields_of(level).items():
                value = edges if name == "edge_index" else given[name]
                if value is not None or expected.required:
                    label = f"{level}_index" if name == "edge_index" else name
                    out[store][name] = as_tensor(value, expected, label)
        for name in fields_of("graph"):
            if given[name] is not None:
                setattr(out, name, given[name])
        return out.validate()

    @property
    def num_neurons(self) -> int:
        """Number of neurons :math:`N`."""
        return self._node_store_dict[NEURON].num_nodes if NEURON in self._node_store_dict else 0

    @property
    def pos(self) -> Tensor:
        """Positions of the neurons in um, shape ``(N, 3)``, float32."""
        return self[NEURON]["pos"]

    @pos.setter
    def pos(self, value: Tensor) -> None:
        self[NEURON]["pos"] = value

    @property
    def synapses(self) -> EdgeStorage:
        """The store of the connected pairs: ``edge_index``, ``count`` and, where known, ``["size"]``."""
        return self[SYNAPSE]

    @property
    def has_coactivity(self) -> bool:
        """Whether pairs of neurons with recorded activity are there."""
        return COACTIVITY in self._edge_store_dict

    @property
    def coactivity(self) -> EdgeStorage:
        """The store of the recorded pairs: ``edge_index`` and some of ``correlation``, ``sttc``, ``precision``.

        Raises:
            ConnectomeError: If no activity was recorded.
        """
        if not self.has_coactivity:
            raise ConnectomeError("this connectome must have recorded pairs for that, got none; see has_coactivity.")
        return self[COACTIVITY]

    def wiring(self) -> Data:
        """Return the synapses alone, as a plain graph.

        Returns:
            ``edge_index`` ``(2, E)`` int64, ``edge_weight`` ``(E,)`` float32 (synapses of the pair), ``pos`` ``(N, 3)``
            in um and ``num_nodes``.
        """
        store = self.synapses
        weight = store["count"].to(torch.float32)
        return Data(edge_index=store.edge_index, edge_weight=weight, pos=self.pos, num_nodes=self.num_neurons)

    def count_matrix(self) -> Tensor:
        """Return the synapse counts as a dense matrix ``W[source, target]``, shape ``(N, N)``, float64."""
        source, target = self.synapses.edge_index
        matrix = torch.zeros(self.num_neurons, self.num_neurons, dtype=torch.float64, device=source.device)
        matrix[source, target] = self.synapses["count"].to(torch.float64)
        return matrix

    def coactivity_matrix(self, name: str) -> Tensor:
        """Return one measure of co-activity as a dense matrix, with its diagonal as it was stored.

        Args:
            name: ``"correlation"``, ``"sttc"`` or ``"precision"``.

        Returns:
            Shape ``(N, N)``, float64, entry ``[source, target]``.

        Raises:
            ConnectomeError: If there is no such measure, it has no diagonal, or pairs are missing.
        """
        measures = [field.name for field in fields_of("coactivity").values() if field.kind == "value"]
        if name not in measures:
            raise ConnectomeError(f"name must be one of {', '.join(map(repr, measures))}; got {name!r}.")
        store, N = self.coactivity, self.num_neurons
        if name not in store:
            there = ", ".join(measure for measure in measures if measure in store) or "none"
            raise ConnectomeError(f"this connectome must hold {name} for that; its measures are: {there}.")
        diagonal = self[NEURON].get(f"self_{name}")
        if diagonal is None:
            raise ConnectomeError(
                f"the diagonal of {name} must be known for a full matrix, got no self_{name}; pass it to from_arrays."
            )
        if store.num_edges != N * (N - 1):
            raise ConnectomeError(
                f"a full {name} matrix of {N} neurons needs all {N * (N - 1)} ordered pairs, got {store.num_edges}; "
                "use the edges of connectome.coactivity as they are."
            )
        pairs = store.edge_index[0] * N + store.edge_index[1]
        if "recording" in store and pairs.unique().numel() != pairs.numel():
            raise ConnectomeError(
                f"a full {name} matrix needs one value per pair, got pairs of several recordings; choose the edges of one "
                "code of connectome.coactivity.recording."
            )
        matrix = torch.diag(diagonal)
        matrix[store.edge_index[0], store.edge_index[1]] = store[name]
        return matrix

    def concat(self, data: Connectome) -> Connectome:
        """Return this connectome and another as one, without edges between them.

        The neurons of the other come after those of this one. Where codes have other names, they are translated.

        Args:
            data: The other connectome, with the same fields.

        Returns:
            The connectome of both. Its provenance lists theirs, as ``graphs``.

        Raises:
            ConnectomeError: If a field is there in one only, or an id is in both.

        Example:
            >>> one = Connectome.from_arrays(torch.rand(2, 3), [[0], [1]], [2])
            >>> one.concat(one).synapses.edge_index.tolist()
            [[0, 2], [1, 3]]
        """
        batch = Batch.from_data_list([self, data])
        out = type(self)()
        for store in (*batch.node_stores, *batch.edge_stores):
            for name, value in store.items():
                if name in fields_of(store._key if store._key == NEURON else store._key[1]):
                    out[store._key][name] = value
        if "names" in batch._global_store:
            out.names = batch.names[0]
        if "provenance" in batch._global_store:
            out.provenance = {"source": "concatenation", "graphs": [dict(notes) for notes in batch.provenance]}
        return out.validate()

    def subgraph(self, subset: Any) -> Connectome:
        """Keep some neurons and the edges among them.

        Args:
            subset: Neurons to keep: their numbers (their new order), or a mask of shape ``(N,)``; or PyG's form,
                ``{"neuron": subset}``.

        Raises:
            ConnectomeError: If a neuron is out of range or named twice, or the mask has another length.
        """
        if isinstance(self, Batch):
            raise ConnectomeError("subgraph needs one connectome, got a batch: take it of each graph, then batch.")
        if isinstance(subset, Mapping):
            unknown = set(subset) - {NEURON}
            if unknown:
                raise ConnectomeError(f"a connectome has the one node type 'neuron', got {sorted(map(str, unknown))}.")
            subset = subset.get(NEURON, torch.arange(self.num_neurons))
        subset = torch.as_tensor(subset, device=self.pos.device)
        N = self.num_neurons
        if subset.dtype == torch.bool:
            if subset.shape != (N,):
                raise ConnectomeError(
                    f"a mask must have shape ({N},), one entry per neuron, got {tuple(subset.shape)}."
                )
            subset = subset.nonzero().view(-1)
        elif subset.numel() == 0:
            subset = subset.to(torch.int64)
        if subset.dtype != torch.int64 or subset.dim() != 1:
            raise ConnectomeError(
                f"subset must be a mask or int64 numbers of neurons in one dimension, got {subset.dtype} of shape "
                f"{tuple(subset.shape)}."
            )
        if subset.numel() and (int(subset.min()) < 0 or int(subset.max()) >= N):
            raise ConnectomeError(f"subset must lie in 0 .. {N - 1}, got {int(subset.min())} .. {int(subset.max())}.")
        if subset.unique().numel() != subset.numel():
            raise ConnectomeError("subset must name each neuron once, got some neuron twice; call .unique().")
        return super().subgraph({NEURON: subset})

    def validate(self) -> Connectome:
        """Check every field against the schema, and return the connectome itself.

        Each graph of a batch is checked on its own.

        Raises:
            ConnectomeError: If a field is unknown, missing, of the wrong shape or dtype, out of its bounds, NaN or
                infinite; if positions look like voxels or nm; if ids repeat or are stored as floats; if an edge is out
                of range or repeated; if names do not cover their codes. The message says what was expected, what was
                got and what to do.
        """
        graphs = self.to_data_list() if isinstance(self, Batch) else [self]
        for graph in graphs:
            check_connectome(graph)
        return self

    def describe(self) -> Card:
        """Return a card to print: size, density, degrees, units, fields, areas and types, and where it all came from.

        Raises:
            ConnectomeError: If the connectome is not valid, or a batch.

        Example:
            >>> import numpy as np
            >>> pos = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [0.0, 20.0, 0.0]])
            >>> card = Connectome.from_arrays(pos, np.array([[0, 2], [1, 0]]), np.array([3, 1])).describe()
            >>> print(str(card).splitlines()[0])
            Connectome of 3 neurons, 2 connected pairs, 4 synapses
            >>> card.density, card.origin["licence"]
            (0.3333333333333333, 'not stated')
        """
        return describe(self)

    def save(self, path: str | os.PathLike) -> None:
        """Write the connectome to a file, whole or not at all.

        Args:
            path: The file, by custom ``*.pt``. It is replaced if it is there.

        Raises:
            ConnectomeError: If the connectome is not valid, or a batch, or there is no such folder.
        """
        if isinstance(self, Batch):
            raise ConnectomeError("save takes one connectome, got a batch: save each of batch.to_data_list().")
        self.validate()
        write_connectome(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Connectome:
        """Read a connectome that :meth:`save` wrote, onto the CPU. No code of the file is run.

        Raises:
            ConnectomeError: If the file is missing, damaged, asks to run code, holds something else, or does not
                validate.
        """
        return read_connectome(cls, path)

    def __repr__(self) -> str:
        lines = []
        if NEURON in self.node_types:
            lines.append(f"{self.num_neurons:,} neurons: {', '.join(self[NEURON].keys())}")
        for edge_type, noun in ((SYNAPSE, "synaptic pairs"), (COACTIVITY, "recorded pairs")):
            if edge_type in self.edge_types:
                store = self[edge_type]
                total = f", {int(store['count'].sum()):,} synapses" if "count" in store else ""
                fields = ", ".join(name for name in store.keys() if name != "edge_index")
                lines.append(f"{store.num_edges:,} {noun}{total}: {fields}")
        lines += [f"{name}: {_shortened(repr(value))}" for name, value in self._global_store.items()]
        if isinstance(self, Batch):
            lines.insert(0, f"{self.num_graphs} graphs")
        body = "".join(f"\n  {line}" for line in lines)
        return f"{type(self).__name__}({body}\n)" if body else f"{type(self).__name__}()"


batch_alike(Connectome)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_NOTES else f"{text[:_LONGEST_NOTES]} ... (print describe())"


def _plain_names(names: Any) -> Any:
    # Text of NumPy would not be read back from a file; what is not a list of names is left for validate to name.
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        return names
    return tuple(str(name) if isinstance(name, str) else name for name in names)
