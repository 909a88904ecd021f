"""What a layer with bases does with them, and with files."""
from typing import Any, Optional

import torch.nn as nn
from torch import Tensor

from ..ops.tracing import is_symbolic
from .bases import LayerBases, tell_difference

EXTRA_STATE = '_extra_state'  # PyTorch's key of it


class BasesKeeper(nn.Module):
    """Bases that are right whatever is done to a layer, and told in files.

    The layer holds their values on the host, and no buffer: there is nothing
    to move, to round, to lose or to restore. A fingerprint of them goes with
    the weights, as PyTorch's extra state.

    Attributes:
        bases (LayerBases, optional): None for direct atoms.
    """
    bases: Optional[LayerBases]
    weight: Tensor

    @property
    def atom_bases(self) -> Optional[Tensor]:
        """psi (J, k, k) on the weight's device in its dtype; read-only.

        None for direct atoms. Exact whatever was done to the layer: it holds
        the values on the host, and no buffer.
        """
        if self.bases is None:
            return None
        weight: Any = self.weight
        if is_symbolic(weight):  # which has no device: look past the tracer
            weight = self._parameters['weight']
        return self.bases.fixed.beside(weight)

    def get_extra_state(self) -> Optional[Tensor]:
        """The fingerprint of the bases, which goes with the weights."""
        return None if self.bases is None else self.bases.fingerprint()

    def set_extra_state(self, state: Any) -> None:
        """Nothing: loading compares it, see ``_load_from_state_dict``."""

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.bases is None:
            del destination[prefix + EXTRA_STATE]

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict,
                              missing_keys, unexpected_keys, error_msgs):
        super()._load_from_state_dict(state_dict, prefix, local_metadata,
                                      strict, missing_keys, unexpected_keys,
                                      error_msgs)
        key = prefix + EXTRA_STATE
        if key in missing_keys:  # of an earlier version
            missing_keys.remove(key)
        difference = tell_difference(prefix[:-1], self.bases,
                                     state_dict.get(key))
        if difference:
            error_msgs.append(difference)

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        if 'bases' not in state:  # of an earlier version: a buffer
            buffer = self._buffers.pop('atom_bases')
            self._non_persistent_buffers_set.discard('atom_bases')
            self.bases = None if buffer is None else LayerBases.recover(buffer)
