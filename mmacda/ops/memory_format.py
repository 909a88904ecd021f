"""The memory format that outputs and gradients take over from the input."""
import torch
from torch import Tensor


def memory_format_of(tensor: Tensor) -> torch.memory_format:
    """channels_last for a 4-D tensor that is stored so, else contiguous."""
    if not tensor.is_contiguous() and tensor.is_contiguous(
            memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format


def make_dense(tensor: Tensor) -> Tensor:
    """The tensor, or a copy where its memory overlaps, has gaps or jumps."""
    return tensor.contiguous(memory_format=memory_format_of(tensor))
