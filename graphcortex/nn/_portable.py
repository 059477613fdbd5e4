"""Modules on the move: pickled together with their constraints, and loaded from a state as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize


class Portable(nn.Module):
    """A module that pickles with its constraints, and that a refused state leaves as it was.

    ``torch.nn.utils.parametrize`` gives a constrained module a class of its own, which no other process can look up, and forbids to
    pickle it. Here the class without constraints is pickled, and the other one is made anew where the module is loaded.
    """

    # Buffers that say which graph this is: a state with others is one of another network.
    fixed_buffers: tuple[str, ...] = ()

    def __reduce_ex__(self, protocol):
        """Return what pickles this module."""
        if not parametrize.is_parametrized(self):
            return super().__reduce_ex__(protocol)
        unconstrained = type(self).__mro__[1]
        state = getattr(unconstrained, "__getstate__", vars)(self)  # Python 3.10 has no object.__getstate__
        return _blank, (unconstrained, tuple(self.parametrizations)), state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False):
        """Load a state of the same graph, as :meth:`torch.nn.Module.load_state_dict` does. A state that is refused changes nothing.

        Raises:
            RuntimeError: If names or shapes do not fit, or the state is one of another graph.
        """
        before = [(name, value, value.detach().clone()) for name, value in self.state_dict(keep_vars=True).items()]
        try:
            return super().load_state_dict(state_dict, strict, assign)
        except Exception:
            with torch.no_grad():
                for name, value, content in before:
                    owner, _, name = name.rpartition(".")
                    setattr(self.get_submodule(owner), name, value)  # with assign=True, another tensor may be there
                    value.copy_(content)
            raise

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        other = [
            name
            for name in self.fixed_buffers
            if isinstance(given := state_dict.get(prefix + name), torch.Tensor)
            and (own := getattr(self, name)) is not None
            and own.shape == given.shape
            and not (own.dtype == given.dtype and torch.equal(own, given.to(own.device)))
        ]
        if other:
            own = self.state_dict(prefix=prefix, keep_vars=True)
            error_msgs += [_other_graph(name, own[prefix + name], state_dict[prefix + name]) for name in other]
            # The own values in place of those of the state: nothing of this module changes, also within a module that is not ours.
            state_dict.update({key: value for key, value in own.items() if key in state_dict})
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def _blank(unconstrained: type[nn.Module], names: tuple[str, ...]) -> nn.Module:
    """Return a module without a state, of the class that has constraints on some tensors."""
    module = unconstrained.__new__(unconstrained)
    nn.Module.__init__(module)
    for name in names:
        module.register_buffer(name, torch.empty(0))
        parametrize.register_parametrization(module, name, nn.Identity(), unsafe=True)
    return module


def _other_graph(name: str, own: torch.Tensor, given: torch.Tensor) -> str:
    if given.dtype != own.dtype:
        return f"{name} must be {own.dtype}, got {given.dtype}."
    different = (own != given.to(own.device)).reshape(-1, own.size(-1)).any(0)
    advice = ""
    if name == "edge_index":
        advice = (
            " If its edges moved during training, call set_edges(state['edge_index']) of the network first; otherwise make the "
            "network of the graph of the state."
        )
    return (
        f"{name} must be that of the network, got another one in {int(different.sum())} of {own.size(-1)} places (the first at "
        f"{int(different.nonzero()[0])}): the state is one of another graph.{advice}"
    )
