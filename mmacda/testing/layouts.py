"""How the memory of a case's tensors is laid out."""
from typing import Callable, Dict

from torch import Tensor


def _channels_last(x: Tensor) -> Tensor:
    # Any rank: the dimension after the batch varies fastest.
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def _channels_last_layer(x: Tensor) -> Tensor:
    """As a layer in channels-last memory has its coefficients."""
    flat = _channels_last(x.flatten(1, -3))
    return flat.unflatten(1, x.shape[1:-2])


def _sliced(x: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    larger = x.new_full((*x.shape[:-2], height + 2, 2 * width + 1), 1e4)
    view = larger[..., 1:-1, 1::2]
    return view.copy_(x)


LAYOUTS: Dict[str, Callable[[Tensor], Tensor]] = dict(
    contiguous=lambda x: x,
    channels_last=_channels_last,
    channels_last_layer=_channels_last_layer,
    sliced=_sliced,
    transposed=lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2),
    expanded=lambda x: x[:, :1].expand_as(x),
    expanded_batch=lambda x: x[:1].expand_as(x),
)
