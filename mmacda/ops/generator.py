"""An atom generator as operators take it."""
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor


class Generator(NamedTuple):
    """Makes basis coefficients of hidden maps, pixel by pixel.

    ``alpha = act(matrix @ [h; 1])``: a pointwise convolution with its norm
    and activation, the last layer of the atom generator (Section A.3).

    Attributes:
        matrix (Tensor): Shape (m * J, H + 1): the convolution's weight times
            the norm's scale; the last column is the shift.
        num_atoms (int): m.
        tanh (bool): Whether Tanh follows. Default: True.
        hidden_norm (Tensor, optional): Shape (2, H): scale and shift of
            hidden maps that come without their own norm and Tanh. Without
            gradients only. Default: None, maps as they are.
        first (Tensor, optional): Shape (H, C + 1): a pointwise first
            convolution with its norm, the last column the shift. The maps
            are then its input (B, C, Ho, Wo), and Tanh follows. Without
            gradients only. Default: None, maps are hidden ones.
    """
    matrix: Tensor
    num_atoms: int
    tanh: bool = True
    hidden_norm: Optional[Tensor] = None
    first: Optional[Tensor] = None

    def to(self, dtype: torch.dtype) -> 'Generator':
        """The same in another dtype."""
        norm, first = self.hidden_norm, self.first
        return self._replace(
            matrix=self.matrix.to(dtype),
            hidden_norm=None if norm is None else norm.to(dtype),
            first=None if first is None else first.to(dtype))

    def coefficients(self, hidden: Tensor) -> Tensor:
        """alpha (B, m, J, Ho, Wo) of maps (B, H, Ho, Wo)."""
        if self.first is not None:
            hidden = F.conv2d(hidden, self.first[:, :-1, None, None],
                              self.first[:, -1]).tanh()
        if self.hidden_norm is not None:
            scale, shift = self.hidden_norm[:, :, None, None]
            hidden = (hidden * scale + shift).tanh()
        weight, shift = self.matrix[:, :-1], self.matrix[:, -1]
        alpha = F.conv2d(hidden, weight[:, :, None, None], shift)
        if self.tanh:
            alpha = alpha.tanh()
        return alpha.unflatten(
            1, (self.num_atoms, alpha.shape[1] // self.num_atoms))
