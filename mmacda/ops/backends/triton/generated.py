"""Coefficients that are made in the tile, in the place of a tensor of them."""
from typing import List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from ...generator import Generator


class Made:
    """What stands for alpha (B, m, J, Ho, Wo), and is sliced as it is.

    Args:
        hidden (Tensor): h, shape (B, 1, H, Ho, Wo).
        matrix (Tensor): As the kernels read it, see :func:`spread_matrix`.
        norm (Tensor, optional): Of the hidden maps, contiguous.
        weight (Tensor): The generator's, (m * J, H).
        atoms (int): m.
    """

    def __init__(self, hidden: Tensor, matrix: Tensor,
                 norm: Optional[Tensor], weight: Tensor, atoms: int):
        self.hidden, self.matrix, self.norm = hidden, matrix, norm
        self.weight, self.atoms = weight, atoms

    @property
    def shape(self) -> Tuple[int, ...]:
        shape = self.hidden.shape
        return (shape[0], self.atoms, len(self.weight) // self.atoms,
                *shape[3:])

    def stride(self) -> Tuple[int, ...]:
        """Of the hidden maps: their channels are those of coefficients."""
        return self.hidden.stride()

    def __getitem__(self, index: tuple) -> 'Made':
        return Made(self.hidden[index], self.matrix, self.norm, self.weight,
                    self.atoms)


class MadeGradient:
    """What stands for the gradient of alpha: it goes on to hidden maps.

    Args:
        made (Made): Its coefficients.
        grad_hidden (Tensor, optional): Written, as ``made.hidden``.
        need_matrix (bool): Whether that of the matrix is wanted.
    """

    def __init__(self, made: Made, grad_hidden: Optional[Tensor],
                 need_matrix: bool, parts: Optional[List[Tensor]] = None):
        self.made, self.grad_hidden = made, grad_hidden
        self.need_matrix = need_matrix
        self.parts: List[Tensor] = [] if parts is None else parts

    def __getitem__(self, index: tuple) -> 'MadeGradient':
        return MadeGradient(
            self.made[index], self.grad_hidden
            if self.grad_hidden is None else self.grad_hidden[index],
            self.need_matrix, self.parts)

    def of_matrix(self, matrix: Tensor) -> Optional[Tensor]:
        """What was added, as the matrix is; None if it is not wanted."""
        if not self.need_matrix:
            return None
        if not self.parts:  # an empty batch
            return torch.zeros_like(matrix)
        return self.parts[0].to(matrix.dtype)

    def add(self, before: Tensor) -> None:
        """``before`` (pixels, m * J): before the activation."""
        hidden = self.made.hidden.squeeze(1)
        pixels = hidden.permute(0, 2, 3, 1)
        if self.grad_hidden is not None:
            grad = before @ self.made.weight
            self.grad_hidden.squeeze(1).permute(0, 2, 3, 1).copy_(
                grad.view(pixels.shape))
        if self.need_matrix:
            part = torch.cat(
                (before.t() @ pixels.reshape(-1, hidden.shape[1]),
                 before.sum(0, dtype=torch.float32)[:, None].to(
                     before.dtype)), 1).float()
            self.parts[:] = [self.parts[0] + part if self.parts else part]


class Making(NamedTuple):
    """What a plan knows of a generator."""
    channels: int
    tanh: bool
    has_norm: bool


def make(hidden: Tensor, generator: Generator, columns: int,
         coefficients: int, lines: int) -> Tuple[Made, Making]:
    """In the place of alpha, and what its plan is to know.

    The matrix is padded with zeros to ``lines`` atoms of ``coefficients``,
    with ``columns`` hidden values and the shift behind them.
    """
    matrix, atoms = generator.matrix.to(hidden.dtype), generator.num_atoms
    channels = hidden.shape[1]
    count = len(matrix) // atoms
    padded = matrix.new_zeros((lines, coefficients, columns + 8))
    values = matrix.view(atoms, count, channels + 1)
    padded[:atoms, :count, :channels] = values[..., :-1]
    padded[:atoms, :count, columns] = values[..., -1]
    norm = generator.hidden_norm
    return (Made(hidden[:, None], padded,
                 norm if norm is None else norm.contiguous(),
                 matrix[:, :-1].contiguous(), atoms),
            Making(channels, generator.tanh, norm is not None))
