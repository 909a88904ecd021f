"""Models as ONNX files that are proven equal to the original."""
import inspect
import warnings
from contextlib import contextmanager
from typing import (Any, Callable, Iterator, List, NamedTuple, Optional, Tuple,
                    Union)

import torch
import torch.nn as nn
from torch import Tensor

from ..io import check_output, whole_path
from ..layers import ACDAConv

MINIMUM_OPSET = 17
DYNAMO_OPSET = 18  # the lowest that PyTorch's newer exporter writes
# Added to the exported size for the comparison at a second one: odd sizes
# first, then multiples for models that take nothing else.
SECOND_SIZES = ((5, 9), (32, 64))
INPUT = 'input'


class Comparison(NamedTuple):
    """An exported model beside the original, on one random input."""
    shape: Tuple[int, int, int, int]
    error: float  # largest absolute difference, over the largest output


class TensorModel(nn.Module):
    """A model as a function from tensor to tensors.

    Args:
        model (nn.Module): Any network; OpenMMLab's models run in mode
            'tensor', without data preprocessor and post-processing.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        modes = 'mode' in inspect.signature(model.forward).parameters
        self.options = dict(mode='tensor') if modes else {}

    def forward(self, x: Tensor) -> Union[Tensor, Tuple[Tensor, ...]]:
        """What the model gives for images (B, C, H, W)."""
        output = self.model(x, **self.options)
        if isinstance(output, Tensor):
            return output
        if isinstance(output, (tuple, list)) and output \
                and all(isinstance(o, Tensor) for o in output):
            return output[0] if len(output) == 1 else tuple(output)
        raise TypeError('an exported model must give tensors, but '
                        f'{type(self.model).__name__} gives '
                        f'{type(output).__name__}')


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode, for a while."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _export_backend(model: nn.Module) -> Iterator[None]:
    """Convolutions and products in every adaptive layer, for a while."""
    layers = [m for m in model.modules() if isinstance(m, ACDAConv)]
    backends = [layer.backend for layer in layers]
    for layer in layers:
        layer.backend = 'export'
    try:
        yield
    finally:
        for layer, backend in zip(layers, backends):
            layer.backend = backend


def input_channels(model: nn.Module) -> int:
    """Channels of the images that a model takes: its first convolution's.

    Raises:
        ValueError: If it has no convolution.
    """
    for module in model.modules():
        if isinstance(module, (ACDAConv, nn.Conv2d)):
            return module.in_channels
    raise ValueError(f'{type(model).__name__} has no convolution that tells '
                     'the number of channels')


def export_onnx(model: nn.Module,
                path: str,
                size: Tuple[int, int] = (64, 64),
                opset: Optional[int] = None,
                channels: Optional[int] = None,
                tolerance: float = 1e-4,
                dynamo: bool = False) -> List[Comparison]:
    """Write a model as an ONNX file, once it equals the original.

    Batch, height and width are dynamic; height and width only where the model
    itself takes several. The file is compared with the model in onnxruntime
    at two sizes, and only then gets its name. Made by PyTorch's TorchScript
    exporter, which every torch from 2.1 on has and later ones deprecate, or
    by its successor on ``torch.export``.

    Args:
        model (nn.Module): Any network on a CPU; OpenMMLab's models are
            exported in mode 'tensor': logits, a density map, an image. Their
            data preprocessor is left out.
        path (str): File to write.
        size (Tuple[int, int]): Height and width to trace with, in pixels.
            Default: (64, 64).
        opset (int, optional): ONNX opset, at least 17, or 18 with
            ``dynamo``. Default: None, the least.
        channels (int, optional): Of the input. Default: None, the first
            convolution's.
        tolerance (float): Largest accepted difference over the largest
            output. Default: 1e-4.
        dynamo (bool): Export by ``torch.export`` and onnxscript; needs torch
            2.6. Default: False.

    Returns:
        List[Comparison]: One per compared input.

    Raises:
        ImportError: If onnx or onnxruntime is not installed, or with
            ``dynamo`` onnxscript.
        ValueError: If an argument is not supported, or the exported model
            differs.
    """
    runtime = _import_onnxruntime()
    export = _dynamo_exporter() if dynamo else _export
    least = DYNAMO_OPSET if dynamo else MINIMUM_OPSET
    opset = least if opset is None else opset
    if opset < least:
        raise ValueError(f'opset must be at least {least}'
                         f'{" with dynamo" if dynamo else ""}, but got '
                         f'{opset}')
    if min(size) < 1 or len(size) != 2:
        raise ValueError('size must be height and width of at least 1 pixel, '
                         f'but got {tuple(size)}')
    network = TensorModel(model)
    first = (1, channels or input_channels(model), *size)
    check_output(path)
    with whole_path(path) as temporary:
        with _evaluating(network):
            comparisons = _write(network, first, temporary, opset, runtime,
                                 export)
        worst = max(comparisons, key=lambda c: c.error)
        if not worst.error <= tolerance:
            raise ValueError(
                f'the exported model differs by {worst.error:.2g} for an '
                f'input of {worst.shape}, more than {tolerance:g}')
    return comparisons


def _write(network: TensorModel, first: Tuple[int, ...], path: str, opset: int,
           runtime: Any, export: Callable) -> List[Comparison]:
    outputs = _run(network, first)
    shapes = [first, (3, *first[1:])]
    second = next((shape for shape in _second_shapes(first)
                   if _accepts(network, shape)), None)
    if second is not None:
        shapes.append(second)
    export(network, first, outputs, path, opset, second is not None)
    return [_compare(runtime, path, network, shape) for shape in shapes]


def _import_onnxruntime():
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise ImportError('ONNX export needs onnx and onnxruntime: '
                          'pip install onnx onnxruntime') from error
    return onnxruntime


def _draw(shape: Tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.rand(shape, generator=generator)


def _run(network: TensorModel, shape: Tuple[int, ...]) -> Tuple[Tensor, ...]:
    try:
        with torch.no_grad():
            output = network(_draw(shape))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f'{type(network.model).__name__} cannot run on an '
                         f'input of {shape}: {error}') from error
    return output if isinstance(output, tuple) else (output, )


def _second_shapes(shape: Tuple[int, ...]) -> Iterator[Tuple[int, ...]]:
    for height, width in SECOND_SIZES:
        yield 2, shape[1], shape[2] + height, shape[3] + width


def _accepts(network: TensorModel, shape: Tuple[int, ...]) -> bool:
    try:
        _run(network, shape)
    except ValueError:
        return False
    return True


def _output_names(outputs: tuple) -> List[str]:
    return ['output'] if len(outputs) == 1 else [
        f'output_{n}' for n in range(len(outputs))
    ]


def _export(network: TensorModel, shape: Tuple[int, ...], outputs: tuple,
            path: str, opset: int, any_size: bool) -> None:
    names = _output_names(outputs)
    axes = {0: 'batch'}
    if any_size:
        axes.update({2: 'height', 3: 'width'})
    dynamic_axes = {INPUT: axes}
    for name, output in zip(names, outputs):
        dynamic_axes[name] = {0: 'batch'}
        if any_size and output.dim() == 4:
            dynamic_axes[name].update({
                2: f'{name}_height',
                3: f'{name}_width'
            })
    options = dict(
        input_names=[INPUT],
        output_names=names,
        dynamic_axes=dynamic_axes,
        opset_version=opset)
    if 'dynamo' in inspect.signature(torch.onnx.export).parameters:
        options['dynamo'] = False
    with _export_backend(network), warnings.catch_warnings():
        # Sizes that tracing took for constants show in the comparison.
        warnings.simplefilter('ignore')
        torch.onnx.export(network, (_draw(shape), ), path, **options)


def _dynamo_exporter() -> Callable:
    parameters = inspect.signature(torch.onnx.export).parameters
    if not {'dynamo', 'dynamic_shapes'} <= set(parameters):
        raise ImportError('dynamo=True needs torch 2.6 or later, but '
                          f'{torch.__version__} is installed')
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError('ONNX export with dynamo=True needs onnxscript: '
                          'pip install onnxscript') from error
    return _export_by_dynamo


def _export_by_dynamo(network: TensorModel, shape: Tuple[int, ...],
                      outputs: tuple, path: str, opset: int,
                      any_size: bool) -> None:
    dynamic = torch.export.Dim.DYNAMIC
    axes = {0: dynamic}
    if any_size:
        axes.update({2: dynamic, 3: dynamic})
    with _export_backend(network), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of PyTorch's own deprecations
        torch.onnx.export(
            network,
            # A batch of 1 would be taken for a constant.
            (_draw((2, *shape[1:])), ),
            path,
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=[INPUT],
            output_names=_output_names(outputs),
            dynamic_shapes=(axes, ),
            opset_version=opset)


def _compare(runtime: Any, path: str, network: TensorModel,
             shape: Tuple[int, ...]) -> Comparison:
    session = runtime.InferenceSession(
        path, providers=['CPUExecutionProvider'])
    try:
        outputs = session.run(None, {INPUT: _draw(shape).numpy()})
    except Exception as error:  # onnxruntime's have no public common class
        raise ValueError('the exported model cannot run on an input of '
                         f'{shape}: {error}') from error
    error = 0.
    for ours, theirs in zip(outputs, _run(network, shape)):
        if ours.shape != tuple(theirs.shape):
            return Comparison(shape, float('inf'))
        if theirs.numel():
            difference = (torch.from_numpy(ours) - theirs).abs().max()
            scale = theirs.abs().max().clamp(min=torch.finfo().tiny)
            error = max(error, (difference / scale).item())
    return Comparison(shape, error)
