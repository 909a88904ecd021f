"""Memory that a model needs for training: fixed, and per megapixel of input.

    python tools/analysis/memory.py
    python tools/analysis/memory.py my_config.py --size 512

Prints what a forward pass in training keeps for backward, measured on a CPU
in float32, beside what does not grow with the images: weights, gradients and
the optimizer's state. Not in it: the temporary workspaces of forward and
backward, and what CUDA itself takes.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import SUPPRESS, Namespace
from pathlib import Path
from typing import Callable, Dict, NamedTuple, Optional, Tuple

import torch
import torch.nn as nn

from mmacda.apis.command_line import (CommandParser, UsageError,
                                      add_cfg_options, add_model_arguments,
                                      positive_int, progress, run_command)
from mmacda.apis.export import TensorModel, input_channels
from mmacda.apis.input_size import image_size
from mmacda.apis.load_model import load_model
from mmacda.apis.read_config import read_config

MIB = 2**20
SIDE = 256
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
CHECKPOINTED = {'model.backbone.with_cp': True}
# Row, config, options.
ROWS = (
    ('Ad-ResNet-s', 'ad_resnet/ad-resnet-s_8xb32_in1k.py', {}),
    ('Ad-ResNet-s, 3x3 twin', 'ad_resnet/ad-resnet-s-conv_8xb32_in1k.py', {}),
    ('Ad-ResNet-s, with_cp', 'ad_resnet/ad-resnet-s_8xb32_in1k.py',
     CHECKPOINTED),
    ('Ad-ResNet-m', 'ad_resnet/ad-resnet-m_8xb32_in1k.py', {}),
    ('Ad-ResNet-m, with_cp', 'ad_resnet/ad-resnet-m_8xb32_in1k.py',
     CHECKPOINTED),
    ('counter, Ad-ResNet-s', 'counting/ad-resnet-s_synthetic.py', {}),
    ('restorer, 16 blocks', 'denoising/acda-restorer_sidd.py', {}),
    ('restorer, 3x3 twin', 'denoising/acda-restorer-conv_sidd.py', {}),
    ('restorer, with_cp', 'denoising/acda-restorer_sidd.py', {
        'model.generator.with_cp': True
    }),
)


class Memory(NamedTuple):
    """What training needs."""
    parameters: int
    per_pixel: float  # bytes kept for backward per pixel of input

    def fixed(self, copies: int) -> float:
        """MiB of weights, gradients and the optimizer's state, float32."""
        return 4 * copies * self.parameters / MIB

    @property
    def per_megapixel(self) -> float:
        """MiB per million pixels of input."""
        return 1e6 * self.per_pixel / MIB


def saved_storages(function: Callable) -> Dict[int, int]:
    """Bytes of every storage that a call keeps for backward, by address."""
    saved = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        output = function()
    del output  # alive until here: no storage took another's place
    return saved


def measure(model: nn.Module, height: int,
            width: Optional[int] = None) -> Memory:
    """Memory of a model in training, by images of height x width pixels."""
    width = width or height
    model.train()
    network = TensorModel(model)
    # Two images: batch norms need more than one value per channel.
    x = torch.rand(2, input_channels(model), height, width)
    saved = saved_storages(lambda: network(x))
    bases = (getattr(m, 'atom_bases', None) for m in model.modules())
    shared = [psi for psi in bases if psi is not None]  # by all layers
    for tensor in (*model.parameters(), *model.buffers(), *shared):
        saved.pop(tensor.untyped_storage().data_ptr(), None)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Memory(parameters, sum(saved.values()) / (2 * height * width))


def measure_config(path: str, size: Optional[int],
                   options: Optional[dict]) -> Tuple[Memory, tuple]:
    """Memory of a config's model, and the size that it was measured at.

    Raises:
        UsageError: If the model does not take images of that size.
    """
    cfg = read_config(path, options)
    shape = (size, size) if size else image_size(cfg) or (SIDE, SIDE)
    try:
        return measure(load_model(cfg), *shape), shape
    except (RuntimeError, ValueError) as error:  # of a layer
        raise UsageError(
            f'{path} does not take images of {shape[0]} x {shape[1]} pixels: '
            f'give their side by --size ({error})') from error


def report(args: Namespace) -> None:
    """Print what the command line asks for."""
    rows = [(name, str(CONFIGS / config), args.size or SIDE, options)
            for name, config, options in ROWS]
    if args.config is not None:
        rows = [(Path(args.config).stem, args.config, args.size,
                 args.cfg_options)]
    elif args.cfg_options:
        raise UsageError('--cfg-options are those of a CONFIG: give one')
    lines = []
    for name, config, size, options in progress(rows, 'measuring'):
        memory, shape = measure_config(config, size, options)
        lines.append(
            f'| {name} | {memory.parameters / 1e6:.2f} M | '
            f'{memory.fixed(3):.0f} MiB | {memory.fixed(4):.0f} MiB | '
            f'{memory.per_megapixel:,.0f} MiB |')
    print('| model | parameters | fixed, SGD with momentum | fixed, Adam | '
          'per megapixel of input |')
    print('|---|---|---|---|---|')
    print('\n'.join(lines))
    print(f'\nKept for backward, in float32, measured on a CPU with torch '
          f'{torch.__version__} at {shape[0]} x {shape[1]} pixels.')


def main() -> None:
    parser = CommandParser(__doc__)
    add_model_arguments(parser, checkpoint='', default=SUPPRESS)
    parser.add_argument(
        '--size',
        type=positive_int,
        help='side of the measured images in pixels; default: that of the '
        f"CONFIG's images where they all have one, else {SIDE}")
    add_cfg_options(parser)
    run_command(parser, report)


if __name__ == '__main__':
    main()
