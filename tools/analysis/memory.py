"""Memory that a model needs for training: fixed, and per megapixel of input.

Prints what a forward pass in training keeps for backward, measured on a CPU
in float32, beside what does not grow with the images: weights, gradients and
the optimizer's state. Not in it: the temporary workspaces of forward and
backward, and what CUDA itself takes.

    python tools/analysis/memory.py
    python tools/analysis/memory.py --config my_config.py --size 512
"""
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Callable, Dict, NamedTuple, Optional

import torch
import torch.nn as nn
from mmengine.config import Config, DictAction

from mmacda.apis.export import TensorModel, input_channels
from mmacda.apis.load_model import load_model

MIB = 2**20
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


def measure(model: nn.Module, size: int) -> Memory:
    """Memory of a model in training, by one image of size x size pixels."""
    model.train()
    network = TensorModel(model)
    # Two images: batch norms need more than one value per channel.
    x = torch.rand(2, input_channels(model), size, size)
    saved = saved_storages(lambda: network(x))
    for tensor in (*model.parameters(), *model.buffers()):
        saved.pop(tensor.untyped_storage().data_ptr(), None)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Memory(parameters, sum(saved.values()) / (2 * size**2))


def measure_config(path: str, size: int, options: Optional[dict]) -> Memory:
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(options or {})
    return measure(load_model(cfg), size)


def parse_args() -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--config', help='this config alone; default: those of README')
    parser.add_argument(
        '--size',
        type=int,
        default=256,
        help='side of the measured images in pixels; default: 256')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override entries of --config')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    rows = [(name, CONFIGS / config, options)
            for name, config, options in ROWS]
    if args.config is not None:
        rows = [(Path(args.config).stem, args.config, args.cfg_options)]
    print('| model | parameters | fixed, SGD with momentum | fixed, Adam | '
          'per megapixel of input |')
    print('|---|---|---|---|---|')
    for name, config, options in rows:
        memory = measure_config(str(config), args.size, options)
        print(f'| {name} | {memory.parameters / 1e6:.2f} M | '
              f'{memory.fixed(3):.0f} MiB | {memory.fixed(4):.0f} MiB | '
              f'{memory.per_megapixel:,.0f} MiB |')
    print(f'\nKept for backward, in float32, measured on a CPU with torch '
          f'{torch.__version__} at {args.size} x {args.size} pixels.')


if __name__ == '__main__':
    main()
