"""The whole layer and whole networks, against their conv twins."""
import copy
from typing import Callable, Dict, Optional, Sequence
from unittest import mock

import torch
from mmcv.cnn import build_conv_layer  # noqa: F401  registers Conv2d
from mmengine.registry import MODELS

import mmacda  # noqa: F401  registers ours
from mmacda.layers import on_the_fly

from . import goals
from .common import Report, time_interleaved
from .contestants import GateError
from .peak_memory import measure_model

SECTION = 'models'
# Of a network: the input's gradient too, and no step of an optimizer.
INSIDE = 'training inside'
MIB = 2**20
ACDA = dict(
    type='ACDAConv', kernel_size=3, padding=1, scales=(3, 5, 7), bias=False)
# Both convolutions of the generator pointwise, or the second alone.
LIGHT = dict(ACDA, atom_generator='light')
HALF = dict(ACDA, atom_generator='medium')
TOLERANCE = 1e-5
WITHOUT_MODELS = 'AdResNet is not registered: whole networks are left out'


class Step:
    """A network with a batch: inference, or one training iteration.

    With ``half`` under autocast of that dtype and in channels-last memory. A
    ``part`` of a network trains as it does inside of one: it gets what
    autocast makes of features, and gives their gradient back.
    """

    def __init__(self,
                 config: dict,
                 shape: Sequence[int],
                 device: str,
                 half: Optional[torch.dtype] = None,
                 part: bool = False):
        torch.manual_seed(0)
        self.model = MODELS.build(dict(config)).to(device)
        self.images = torch.rand(*shape, device=device)
        if half is not None:
            self.model.to(memory_format=torch.channels_last)
            self.images = self.images.contiguous(
                memory_format=torch.channels_last)
        if part:
            self.images = self.images.to(half or torch.float32)
            self.images.requires_grad_()
        self.part = part
        # What autocast keeps from call to call, no graph can replay.
        self.precision = torch.autocast(
            device,
            half or torch.bfloat16,
            enabled=half is not None,
            cache_enabled=False)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=1e-3, momentum=0.9)

    def output(self) -> torch.Tensor:
        """Of the model in the mode that it is in."""
        with self.precision:
            output = self.model(self.images)
        return output[-1] if isinstance(output, tuple) else output

    def infer(self) -> torch.Tensor:
        self.model.eval()
        with torch.no_grad():
            return self.output()

    def train(self) -> None:
        self.model.train()
        self.optimizer.zero_grad()
        self.images.grad = None
        self.output().float().square().mean().backward()
        if not self.part:
            self.optimizer.step()

    def function(self, train: bool) -> Callable:
        return self.train if train else self.infer

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())


class PlacedStep(Step):
    """One whose layers make coefficients on the fly on these devices alone.

    Args:
        devices (Sequence[str]): Types of devices; none for the plain way.
        *args, **kwargs: Of a step.
    """

    def __init__(self, devices: Sequence[str], *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.devices = tuple(devices)

    def output(self) -> torch.Tensor:
        with mock.patch.object(on_the_fly, 'DEVICES', self.devices):
            return super().output()


def layer_configs(channels: int) -> Dict[str, dict]:
    """The layer by generator, the default one alone, and two convs."""
    width = dict(in_channels=channels, out_channels=channels, bias=False)
    conv = dict(type='Conv2d', **width)
    return {
        'acda':
        dict(ACDA, **width),
        'acda-half':
        dict(HALF, **width),
        'acda-light':
        dict(LIGHT, **width),
        'generator':
        dict(type='AtomGenerator', in_channels=channels, out_channels=6 * 18),
        'conv3':
        dict(conv, kernel_size=3, padding=1),
        'conv7':
        dict(conv, kernel_size=7, padding=3)
    }


def model_configs(arch: str) -> Dict[str, dict]:
    model = dict(type='AdResNet', arch=arch)
    return {
        'acda': dict(model),
        'acda-light': dict(model, acda_cfg=dict(atom_generator='light')),
        'conv': dict(model, conv_type='conv')
    }


def lenet_configs() -> Dict[str, dict]:
    """LeNet, whose layers have 3 and 6 channels, by generator."""
    return {
        'acda': dict(type='ACDALeNet'),
        'acda-half': dict(
            type='ACDALeNet', acda_cfg=dict(atom_generator='medium')),
        'acda-light': dict(
            type='ACDALeNet', acda_cfg=dict(atom_generator='light')),
        'conv': dict(type='ACDALeNet', conv_type='conv')
    }


def check_layer(config: dict,
                shape: Sequence[int],
                device: str = 'cpu',
                tolerance: float = TOLERANCE) -> None:
    """Coefficients made on the fly against those that are made first.

    Raises:
        GateError: If an output or a gradient differs.
    """
    layer = Step(config, shape, device).model
    results = []
    for plain in (False, True):
        found = copy.deepcopy(layer)
        if plain:  # a hook looks inside
            found.atom_generator.register_forward_hook(lambda *_: None)
            if device != 'cpu':
                found.backend = 'stock'
        torch.manual_seed(1)
        x = torch.rand(shape).to(device).requires_grad_()
        output = found(x)
        output.square().mean().backward()
        results.append([output, x.grad, *(p.grad for p in
                                          found.parameters())])
    largest = max(grad.abs().max() for grad in results[1][1:])
    for ours, theirs in zip(*results):
        scale = max(theirs.abs().max(), 0.1 * largest)
        if not (ours - theirs).abs().max() < tolerance * scale:
            raise GateError(f'{config} at {tuple(shape)} is wrong: nothing '
                            'of it is timed')


def run(report: Report, layers: Sequence[tuple], images: Sequence[int],
        archs: Sequence[str], rounds: int, device: str) -> None:
    """Layers at their (B, C, H, W), then networks on a batch of images."""
    for shape in layers:
        if device == 'cpu':
            for config in (HALF, LIGHT):
                check_layer(
                    dict(config, in_channels=shape[1],
                         out_channels=shape[1]), shape)
        _compare(report, f'layer {"x".join(map(str, shape))}',
                 layer_configs(shape[1]), shape, rounds, device,
                 ('conv7', 'conv3'))
    if MODELS.get('AdResNet') is None:
        print(WITHOUT_MODELS)
        return
    if archs:
        shape = (16 * images[0], 3, 32, 32)
        _compare(report, f'LeNet {"x".join(map(str, shape))}',
                 lenet_configs(), shape, rounds, device, ('conv', ))
    for arch in archs:
        _compare(report, f'Ad-ResNet-{arch} {"x".join(map(str, images))}',
                 model_configs(arch), images, rounds, device, ('conv', ))


def _compare(report: Report, case: str, configs: Dict[str, dict],
             shape: Sequence[int], rounds: int, device: str,
             rivals: Sequence[str]) -> None:
    measures = [('inference', False, False), ('training', True, False)]
    if case in goals.LAYER_LIMITS and device == 'cpu':
        measures.append((INSIDE, True, True))
    for measure, train, part in measures:
        steps = {
            name: Step(config, shape, device, part=part)
            for name, config in configs.items()
        }
        times = time_interleaved(
            {
                name: step.function(train)
                for name, step in steps.items()
            }, rounds, device)
        report.add_times(SECTION, case, measure, times)
        for rival in rivals:
            for name in configs:
                if name not in rivals:
                    goal = goals.layer_limit(case, measure, name, rival,
                                             device)
                    report.add_ratio(SECTION, case, measure, times, name,
                                     rival, goal)
        for name, config in ({} if part else configs).items():
            extra = measure_model(config, shape, train, device)['extra']
            report.add(SECTION, case, f'{measure}, peak', name, '',
                       *[extra / MIB] * 3, 'MiB')
