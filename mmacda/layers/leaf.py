"""Layers that torch.fx records as one step, as it does those of PyTorch."""
from functools import wraps
from typing import Any, Callable, TypeVar, cast

import torch.nn as nn

from ..ops.tracing import is_symbolic


Forward = TypeVar('Forward', bound=Callable[..., Any])


def traced_as_leaf(forward: Forward) -> Forward:
    """Decorate the ``forward`` of a layer that is one node of a graph.

    Its checks need sizes, which no symbolic value has, and what follows it
    in a graph (fusion, quantization, extraction of features) should find a
    module. No option of the tracer is needed. A layer that is the root of
    the trace, or no part of it, is looked into.
    """

    @wraps(forward)
    def forward_or_record(self: nn.Module, x: Any) -> Any:
        if is_symbolic(x) and x.tracer.root is not self:
            try:
                path = x.tracer.path_of_module(self)
            except NameError:  # made on the way
                return forward(self, x)
            return x.tracer.create_proxy('call_module', path, (x, ), {})
        return forward(self, x)

    return cast(Forward, forward_or_record)
