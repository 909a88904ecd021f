"""The second layer of an atom generator, as backends take it."""
from typing import NamedTuple

import torch
from torch import Tensor


class Generator(NamedTuple):
    """Makes basis coefficients of hidden maps, pixel by pixel.

    ``alpha = act(matrix @ [h; 1])``.

    Attributes:
        matrix (Tensor): Shape (m * J, H + 1); the last column is added.
        tanh (bool): Whether Tanh follows.
        num_atoms (int): m.
        hidden_tanh (bool): Whether the maps come without the Tanh that
            belongs to them (forward only).
    """
    matrix: Tensor
    tanh: bool
    num_atoms: int
    hidden_tanh: bool = False

    def coefficients(self, hidden: Tensor) -> Tensor:
        """alpha (B, m, J, Ho, Wo) of hidden maps (B, H, Ho, Wo)."""
        weight, shift = self.matrix[:, :-1], self.matrix[:, -1]
        alpha = torch.nn.functional.conv2d(hidden, weight[:, :, None, None],
                                           shift)
        if self.tanh:
            alpha = alpha.tanh()
        return alpha.unflatten(1, (self.num_atoms, -1))
