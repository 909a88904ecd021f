"""The memory format that outputs and gradients take over from the input."""
import torch
import torch.nn.functional as F
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


def spread_planes(tensor: Tensor) -> Tensor:
    """The images' channels (B, C, H, W) at distances that suit a cache.

    Where channels are a multiple of 4 KiB apart, all values of a pixel compete
    for the same few lines of a CPU's first cache: reading them pixel by pixel
    takes several times as long as this copy and then reading it.
    """
    if tensor.device.type != 'cpu' or \
            tensor.stride(1) * tensor.element_size() % 4096:
        return tensor
    planes = tensor.flatten(2)
    size = planes.shape[2]
    spread = F.pad(planes, (0, 64 // tensor.element_size()))[..., :size]
    return spread.unflatten(2, tensor.shape[2:])
