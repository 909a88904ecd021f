"""Parameters and multiply-adds of any model, without tracing it."""
from contextlib import contextmanager
from math import prod
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import torch
import torch.nn as nn
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from ..layers import ACDAConv


class Complexity(NamedTuple):
    """What a model costs for one image."""
    params: int
    flops: int  # multiply-adds
    modules: Dict[str, Tuple[int, int]]  # name -> its params and flops


def _convolution(out, x, weight, bias, stride, padding, dilation,
                 transposed, *_) -> int:
    return prod(x if transposed else out) * prod(weight[1:])


def _product(out, a, b, *_) -> int:
    return prod(out) * a[-1]


def _sum_and_product(out, bias, a, b, *_) -> int:
    return _product(out, a, b)


def _attention(out, query, key, value, *_) -> int:
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _norm(out, x, weight, *_) -> int:
    return prod(x) * (4 + (weight is not None))


def _frozen_norm(out, x, weight, *_) -> int:
    return prod(x) * (1 + (weight is not None))


def _batch_norm(out, x, weight, bias, mean, var, training, *_) -> int:
    return (_norm if training else _frozen_norm)(out, x, weight)


def _layer_norm(out, x, shape, weight=None, *_) -> int:
    return _norm(out, x, weight)


def _pooling(out, x, *_) -> int:
    return prod(x)


def _global_pooling(out, x, dim=None, *_) -> int:
    """A pooling to one pixel is a mean; no other mean is counted."""
    spatial = {len(x) - 1, len(x) - 2}
    pooled = len(x) == 4 and dim and {d % len(x) for d in dim} == spatial
    return prod(x) if pooled else 0


def _per_output(cost: int) -> Callable:
    return lambda out, *_: cost * prod(out)


# Of PyTorch's operators as they run, from the sizes of the output and the
# arguments; those that MMEngine counts, as it counts them, and attention.
COSTS: Dict[str, Callable] = {
    'aten.convolution': _convolution,
    'aten.mm': _product,
    'aten.bmm': _product,
    'aten.addmm': _sum_and_product,
    'aten.baddbmm': _sum_and_product,
    'aten._scaled_dot_product_flash_attention': _attention,
    'aten._scaled_dot_product_flash_attention_for_cpu': _attention,
    'aten._scaled_dot_product_efficient_attention': _attention,
    'aten.native_batch_norm': _batch_norm,
    'aten.cudnn_batch_norm': _batch_norm,
    'aten.native_group_norm': _norm,
    'aten.native_layer_norm': _layer_norm,
    'aten._adaptive_avg_pool2d': _pooling,
    'aten.mean': _global_pooling,
    'aten.upsample_nearest2d': _per_output(1),
    'aten.upsample_bilinear2d': _per_output(4),
    'aten.grid_sampler_2d': _per_output(4),
}


def _size(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, Tensor) else value


class _Counter(TorchDispatchMode):
    """Adds up what the operators cost that run inside of it.

    PyTorch's own (:mod:`torch.utils.flop_counter`) takes operators apart
    before it counts them, into others from version to version.
    """
    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        cost = COSTS.get(str(func.overloadpacket))
        if cost is not None:
            first = output[0] if isinstance(output, tuple) else output
            self.total += cost(_size(first), *tree_map(_size, args))
        return output


@contextmanager
def _as_products(model: nn.Module) -> Iterator[None]:
    """Eval mode, and adaptive layers made of matrix products, for a while."""
    modes = [(module, module.training) for module in model.modules()]
    layers = [(m, m.backend) for m in model.modules()
              if isinstance(m, ACDAConv)]
    try:
        model.eval()
        for layer, _ in layers:
            layer.backend = 'reference'
        yield
    finally:
        for layer, backend in layers:
            layer.backend = backend
        for module, training in modes:
            module.training = training


def count_model(model: nn.Module, shape: Tuple[int, ...],
                **options: Any) -> Complexity:
    """Count what a model has and computes, adaptive layers included.

    FLOPs are multiply-adds, as in the paper and in MMEngine's counter, whose
    counts of norms, poolings and resizing are kept: two operations per value
    of a batch norm. What runs is counted, so that any model that runs can be.

    Args:
        model (nn.Module): Called with one image; OpenMMLab's models compute
            in mode 'tensor'. Left as it was. On the device ``meta`` it is
            counted without being computed.
        shape (Tuple[int, ...]): Channels, height and width of the image.
        **options: More arguments of the model, such as ``data_samples``.

    Returns:
        Complexity: Also of each module that computes something.
    """
    image = next(model.parameters(), torch.empty(0)).new_zeros((1, *shape))
    counter = _Counter()
    flops: Dict[str, int] = {}
    started: List[int] = []

    def start(module: nn.Module, inputs: tuple) -> None:
        started.append(counter.total)

    def stop(name: str) -> Callable:

        def add(module: nn.Module, inputs: tuple, output: Any) -> None:
            flops[name] = flops.get(name, 0) + counter.total - started.pop()

        return add

    handles: list = []
    with torch.no_grad(), _as_products(model), counter:
        try:
            for name, module in model.named_modules():
                handles += [
                    module.register_forward_pre_hook(start),
                    module.register_forward_hook(stop(name))
                ]
            model(image, **options)
        finally:
            for handle in handles:
                handle.remove()
    sizes = {
        name: sum(p.numel() for p in module.parameters())
        for name, module in model.named_modules()
    }
    return Complexity(
        sizes[''], counter.total,
        {name: (sizes[name], count) for name, count in flops.items() if count})
