"""What transforms share: the graphs they take, and where their random numbers come from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from graphcortex._random import as_generator, draw_seed
from graphcortex._typing import RandomSource
from graphcortex.data.connectome import Connectome


class Control(BaseTransform):
    """A transform that draws."""

    def __init__(self, rng: RandomSource):
        as_generator(rng)  # a wrong rng fails here, not at the first graph
        self.rng = rng

    def _permutation(self, data: Connectome | Data) -> Tensor:
        generator = as_generator(self.rng)
        drawn = torch.randperm(data.num_nodes, generator=generator, device=generator.device)
        return drawn.to(data.pos.device)

    def _seed(self) -> int:
        return draw_seed(self.rng) if isinstance(self.rng, torch.Generator) else int(self.rng)

    def __repr__(self) -> str:
        rng = "torch.Generator" if isinstance(self.rng, torch.Generator) else self.rng
        return f"{type(self).__name__}(rng={rng})"


def check_single(data: Connectome, transform: BaseTransform) -> None:
    """Check that a transform was given one connectome.

    Raises:
        ValueError: If it was given something else, a batch above all.
    """
    # PyG remembers where each graph of a batch begins: after a change of size or order it would cut in the wrong place.
    if not isinstance(data, Connectome) or isinstance(data, Batch):
        raise ValueError(_expected("one Connectome", data, transform))


def check_single_graph(data: Connectome | Data, transform: BaseTransform) -> None:
    """Check that a transform was given one connectome or one plain graph with edges.

    Raises:
        ValueError: If it was given something else, a batch above all.
    """
    if not isinstance(data, (Connectome, Data)) or isinstance(data, Batch):
        raise ValueError(_expected("one Connectome or Data", data, transform))


def _expected(what: str, data: object, transform: BaseTransform) -> str:
    return (
        f"{type(transform).__name__} must be given {what}, got {type(data).__name__}; apply it to each graph before they "
        "are batched."
    )
