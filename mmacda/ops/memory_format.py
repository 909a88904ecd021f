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


def _planes_collide(tensor: Tensor) -> bool:
    """Whether channels (B, C, H, W) are a multiple of 4 KiB apart.

    Then all values of a pixel compete for the same few lines of a CPU's first
    cache: reading them pixel by pixel takes several times as long.
    """
    distance = tensor.stride(1) * tensor.element_size()
    return tensor.device.type == 'cpu' and tensor.numel() > 0 \
        and distance > 0 and distance % 4096 == 0


def spread_planes(tensor: Tensor) -> Tensor:
    """The images' channels (B, C, H, W), copied apart where they collide."""
    if not _planes_collide(tensor):
        return tensor
    planes = tensor.flatten(2)
    size = planes.shape[2]
    spread = F.pad(planes, (0, 64 // tensor.element_size()))[..., :size]
    return spread.unflatten(2, tensor.shape[2:])


def copy_to_pixels(source: Tensor, target: Tensor) -> None:
    """Copy (B, C, H, W) to where a pixel's channels are neighbours."""
    if not _planes_collide(source):
        target.copy_(source)
        return
    # A few channels at a time: no copy on the way is full-size.
    step = max(16, 2**18 // source[0, 0].numel())
    for image, pixels in zip(source.split(1), target.split(1)):
        for planes, part in zip(image.split(step, 1), pixels.split(step, 1)):
            part.copy_(spread_planes(planes))
