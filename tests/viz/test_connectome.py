"""The connectome in space: colours, shapes, and which pairs are lines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from graphcortex.data import ConnectomeError
from graphcortex.viz import plot_connectome, save_figure
from graphcortex.viz._style import COLOURS, INK, NEGATIVE, PALE, POSITIVE
from graphcortex.viz.connectome import _SYNAPSES
from tests.data._graphs import connectome


def lines(axes, colours):
    """Return the segments of some colours as a set of pairs of places, and their widths."""
    found = [artist for artist in axes.collections if isinstance(artist, Line3DCollection)]
    out = {}
    for artist in found:
        seen = [to_hex(c) for c in artist.get_colors()]
        seen = seen * len(artist._segments3d) if len(seen) == 1 else seen
        for segment, colour, width in zip(artist._segments3d, seen, artist.get_linewidths(), strict=True):
            if colour in colours:
                key = frozenset(tuple(np.round(end, 3)) for end in segment)
                assert key not in out
                out[key] = (colour, width)
    return out


def dots(axes):
    """Return the colour and the number of markers by place."""
    out = {}
    for artist in axes.collections:
        if isinstance(artist, PathCollection):
            place = np.array(artist._offsets3d).T
            colours = [to_hex(c) for c in PathCollection.get_facecolor(artist)]
            colours = colours * len(place) if len(colours) == 1 else colours
            out |= {tuple(np.round(p, 3)): (c, len(artist.get_paths()[0])) for p, c in zip(place, colours, strict=True)}
    return out


def legend(axes):
    return [text.get_text() for text in axes.figure.legends[0].get_texts()]


def places(graph):
    return [tuple(p) for p in np.round(graph.pos.double().numpy(), 3)]


@pytest.fixture
def graph():
    types = ["23P", "BC", "unknown"]
    given = {"area": torch.arange(12) % 2, "cell_type": torch.tensor([0] * 6 + [1] * 4 + [2] * 2)}
    names = {"area": ["V1", "RL"], "cell_type": types, "layer": ["2/3", "4", "5"]}
    return connectome(12, **given, names=names)


def test_colour_is_the_type_and_shape_the_area(graph):
    axes = plot_connectome(graph)
    seen = dots(axes)
    assert set(seen) == set(places(graph))
    for i, place in enumerate(places(graph)):
        assert seen[place][0] == (COLOURS[0] if i < 6 else COLOURS[1] if i < 10 else PALE).lower()
    shapes = [seen[place][1] for place in places(graph)]
    assert len(set(shapes[::2])) == len(set(shapes[1::2])) == 1
    assert shapes[0] != shapes[1]
    assert legend(axes)[:5] == ["23P: 6", "BC: 4", "no cell type: 2", "RL: 6", "V1: 6"]


@pytest.mark.parametrize(("kind", "expected"), [("layer", ["2/3: 4", "4: 4", "5: 4"]), ("area", ["RL: 6", "V1: 6"])])
def test_colour_may_be_chosen(graph, kind, expected):
    axes = plot_connectome(graph, colour_by=kind)
    assert legend(axes)[: len(expected)] == expected
    seen = dots(axes)
    code = graph["neuron"][kind].tolist()
    by_code = {}
    for c, place in zip(code, places(graph), strict=True):
        by_code.setdefault(c, set()).add(seen[place][0])
    assert all(len(colours) == 1 for colours in by_code.values())
    assert len(set.union(*by_code.values())) == len(by_code)


def test_what_is_past_the_palette_is_grey():
    graph = connectome(12, cell_type=torch.arange(12), area=None, names={"layer": ["2/3", "4", "5"]})
    axes = plot_connectome(graph)
    assert sum(colour == PALE for colour, _ in dots(axes).values()) == 3
    assert "3 more: 3" in legend(axes)
    assert "cell type 0: 1" in legend(axes)


def test_without_types_layers_or_areas_neurons_are_dark():
    graph = connectome(5, cell_type=None, layer=None, area=None, names=None)
    axes = plot_connectome(graph)
    assert {colour for colour, _ in dots(axes).values()} == {INK}
    assert legend(axes)[0] == "neuron"
    with pytest.raises(ConnectomeError, match="colour_by='layer' must be in the connectome, got none of its kind"):
        plot_connectome(graph, colour_by="layer")


@pytest.mark.parametrize("number", [0, 1, 5, 1000])
def test_lines_are_the_pairs_with_most_synapses_and_the_strongest_activity(graph, number):
    axes = plot_connectome(graph, num_synapses=number, num_coactivity=number, measure="sttc")
    where = places(graph)
    for store, name, colours in (
        (graph.synapses, "count", {_SYNAPSES}),
        (graph.coactivity, "sttc", {POSITIVE, NEGATIVE}),
    ):
        strongest: dict = {}
        for (i, j), value in zip(store.edge_index.T.tolist(), store[name].tolist(), strict=True):
            key = frozenset((where[i], where[j]))
            if i != j and abs(value) > abs(strongest.get(key, 0)):
                strongest[key] = value
        drawn = lines(axes, colours)
        assert len(drawn) == min(number, len(strongest))
        kept = sorted((abs(value) for value in strongest.values()), reverse=True)[:number]
        assert sorted((abs(strongest[key]) for key in drawn), reverse=True) == kept
        widths = [drawn[key][1] for key in sorted(drawn, key=lambda key: abs(strongest[key]))]
        assert (np.diff(widths) >= -1e-9).all()
        if name == "sttc":
            assert all(colour == (POSITIVE if strongest[key] > 0 else NEGATIVE) for key, (colour, _) in drawn.items())


def test_a_random_sample_is_one_of_the_seed(graph):
    def sample(**options):
        return set(lines(plot_connectome(graph, num_coactivity=9, sample="random", **options), {POSITIVE, NEGATIVE}))

    assert sample(rng=3) == sample(rng=3)
    assert sample(rng=3) != sample(rng=4)
    assert len(sample()) == 9
    strongest = set(lines(plot_connectome(graph, num_coactivity=9), {POSITIVE, NEGATIVE}))
    assert sample(rng=3) != strongest


def test_no_global_generator_is_touched(graph):
    before = torch.get_rng_state()
    plot_connectome(graph, sample="random")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_title_counts_what_is_drawn(graph):
    text = plot_connectome(graph, num_coactivity=7, sample="random", title="Mine").figure.get_suptitle()
    assert text.startswith("Mine\n12 neurons, ")
    assert text.endswith("7 randomly drawn of 66 recorded pairs")
    alone = connectome(3, synapse_index=torch.zeros(2, 0).long(), count=[], size=None)
    assert "no synapses" in plot_connectome(alone).figure.get_suptitle()


def test_what_is_long_in_y_lies_on_its_side():
    pos = torch.rand(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    worm = connectome(8, pos=pos * torch.tensor([50.0, 700.0, 120.0]))
    axes = plot_connectome(worm)
    assert [axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()] == ["y (µm)", "z (µm)", "x (µm)"]
    turned = {tuple(np.round(p, 3)) for p in worm.pos.double().numpy()[:, [1, 2, 0]]}
    assert set(dots(axes)) == turned
    cube = plot_connectome(connectome(8))
    assert [cube.get_xlabel(), cube.get_ylabel(), cube.get_zlabel()] == ["x (µm)", "y (µm)", "z (µm)"]


@pytest.mark.parametrize("N", [1, 2, 700])
def test_any_number_of_neurons_is_drawn(N, tmp_path):
    graph = connectome(N) if N < 10 else connectome_without_activity(N)
    assert save_figure(plot_connectome(graph), tmp_path / "x.png").stat().st_size > 1000


def connectome_without_activity(N):
    from graphcortex.data import Connectome

    rng = torch.Generator().manual_seed(0)
    ends = torch.stack([torch.arange(N), (torch.arange(N) * 7 + 1) % N])
    return Connectome.from_arrays(torch.rand(N, 3, generator=rng) * 500, ends, torch.ones(N).long())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"colour_by": "size"}, "colour_by must be one of 'cell_type', 'layer', 'area'; got 'size'"),
        ({"measure": "count"}, "measure must be one of 'correlation', 'sttc', 'precision'"),
        ({"sample": "all"}, "sample must be one of 'strongest', 'random'"),
        ({"num_synapses": -1}, "num_synapses must be a whole number of at least 0"),
        ({"num_coactivity": 1.5}, "num_coactivity must be a whole number"),
        ({"rng": "x"}, "rng must be"),
    ],
)
def test_rejects(graph, options, says):
    with pytest.raises(ValueError, match=says):
        plot_connectome(graph, **options)


def test_a_measure_that_is_not_there_is_named():
    graph = connectome(3, sttc=None, self_sttc=None)
    with pytest.raises(ConnectomeError, match="measure='sttc' must be in the connectome, got correlation, precision"):
        plot_connectome(graph, measure="sttc")
