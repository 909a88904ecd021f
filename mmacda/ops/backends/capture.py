"""CUDA graphs and streams: what may not happen, and what must outlive them."""
from typing import List, Optional, Sequence, Set

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
        stream = torch.cuda.current_stream(self.tensors[0].device)
        if not self._in_graphs and torch.cuda.is_current_stream_capturing():
            self._in_graphs = True
            _captured.append(self.tensors)
        elif stream.cuda_stream not in self._streams:
            if not self._in_graphs:
                for tensor in self.tensors:
                    tensor.record_stream(stream)
            self._streams.add(stream.cuda_stream)
        return stream.cuda_stream


# What graphs hold.
_captured: List[List[Tensor]] = []
