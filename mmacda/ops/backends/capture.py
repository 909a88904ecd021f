"""CUDA graphs and streams: what may not happen, and what must outlive them."""
from typing import Any, List, Optional, Sequence, Set

import torch
from torch import Tensor


def is_capturing() -> bool:
    """Whether a CUDA graph is being captured on the current stream."""
    return torch.cuda.is_available() \
        and torch.cuda.is_current_stream_capturing()


def refuse_capture(what: str) -> None:
    """End a call in which something is to happen that a graph cannot hold.

    Raises:
        RuntimeError: If a CUDA graph is being captured.
    """
    if is_capturing():
        raise RuntimeError(
            f'a CUDA graph is being captured, but {what}: make such a call '
            'once before the capture, or mmacda.ops.warm_up with the '
            'arguments of this one')


# At a tenth of the price of an object of it.
_raw_stream: Any = getattr(torch._C, '_cuda_getCurrentRawStream', None)


def current_stream(device: torch.device) -> int:
    """Handle of a GPU's current stream."""
    if _raw_stream is None or device.index is None:
        return torch.cuda.current_stream(device).cuda_stream
    return _raw_stream(device.index)


class Constants:
    """Tensors on one device that calls share and nobody writes to.

    They were complete before the first call got them. :meth:`use` keeps their
    memory from being taken by others: until all streams that read it are
    done, and as long as the process lives if a graph holds its address.
    """

    def __init__(self, tensors: Sequence[Tensor]):
        self.tensors = list(tensors)
        self._streams: Set[int] = set()
        self._in_graphs = False

    def use(self) -> Optional[int]:
        """To be called where the tensors are handed to the current stream.

        Returns:
            int, optional: That stream; None on a CPU.
        """
        if not (self.tensors and self.tensors[0].is_cuda):
            return None
        device = self.tensors[0].device
        stream = current_stream(device)
        if not self._in_graphs and torch.cuda.is_current_stream_capturing():
            self._in_graphs = True
            _captured.append(self.tensors)
        elif stream not in self._streams:
            if not self._in_graphs:
                for tensor in self.tensors:
                    tensor.record_stream(torch.cuda.current_stream(device))
            self._streams.add(stream)
        return stream


# What graphs hold.
_captured: List[List[Tensor]] = []
