"""The layer in half precision on a CPU, as autocast runs it."""
import copy
from typing import Dict, List, Sequence

import torch
import torch.nn as nn
from mmengine.registry import MODELS

from mmacda.ops.backends import native

from . import goals
from .common import Report, time_interleaved
from .contestants import TOLERANCES, GateError
from .models import layer_configs

SECTION = 'half'
# By the same layer in float32: what half precision is worth.
CONTESTANTS, RIVALS = ('acda-light', 'acda'), ('conv3', 'conv7', 'float32')


class Step:
    """A layer under autocast: inference, or gradients of all there is."""

    def __init__(self, layer: nn.Module, x: torch.Tensor,
                 dtype: torch.dtype):
        self.layer, self.dtype = layer, dtype
        self.x = x.to(dtype).requires_grad_()

    def _output(self) -> torch.Tensor:
        enabled = self.dtype != torch.float32
        with torch.autocast('cpu', self.dtype if enabled else torch.bfloat16,
                            enabled=enabled):
            return self.layer(self.x)

    def inference(self) -> torch.Tensor:
        self.layer.eval()
        with torch.no_grad():
            return self._output()

    def training(self) -> List[torch.Tensor]:
        self.layer.train()
        output = self._output()
        return [output, *torch.autograd.grad(
            output.float().square().mean(),
            [self.x, *self.layer.parameters()])]


def check(case: str, name: str, layer: nn.Module, x: torch.Tensor,
          dtype: torch.dtype) -> None:
    """Compare outputs and gradients with those in float32.

    Raises:
        GateError: If one is further away than rounding takes it.
    """
    ours, exact = (Step(copy.deepcopy(layer), x.to(dtype).float(), d)
                   for d in (dtype, torch.float32))
    results = zip([ours.inference(), *ours.training()],
                  [exact.inference(), *exact.training()])
    names = ('output', 'output in training', 'gradient of the input',
             *(f'gradient of {n}' for n, _ in layer.named_parameters()))
    found = [(ours.detach().double(), true.detach().double())
             for ours, true in results]
    # Some gradients are zero but for rounding: those before a norm.
    largest = max(true.norm() for _, true in found[2:])
    for what, (value, true) in zip(names, found):
        size = true.norm() if 'output' in what else max(
            true.norm(), 0.01 * largest)
        error = ((value - true).norm() / size).item()
        if not error <= TOLERANCES[dtype]:  # nor NaN
            raise GateError(
                f'{case}: the {what} of {name} is wrong, relative error '
                f'{error:.1e} where {TOLERANCES[dtype]:.0e} is allowed; '
                'nothing is timed')


def run(report: Report, layers: Sequence[tuple], rounds: int,
        dtype: torch.dtype = torch.bfloat16) -> None:
    """Layers at their (B, C, H, W) beside convolutions in the same dtype."""
    report.dtype = str(dtype).replace('torch.', '')
    print(f'{report.dtype} products of this CPU: {native.describe_half()}')
    for shape in layers:
        case = f'layer {"x".join(map(str, shape))}'
        configs = layer_configs(shape[1])
        torch.manual_seed(0)
        x = torch.randn(*shape)
        steps: Dict[str, Step] = {}
        for name in (*CONTESTANTS, 'conv3', 'conv7'):
            layer = MODELS.build(dict(configs[name]))
            if name in CONTESTANTS:
                check(case, name, layer, x, dtype)
                steps[f'{name} float32'] = Step(copy.deepcopy(layer), x,
                                                torch.float32)
            steps[name] = Step(layer, x, dtype)
        for measure in ('inference', 'training'):
            times = time_interleaved(
                {n: getattr(step, measure) for n, step in steps.items()},
                rounds, 'cpu')
            report.add_times(SECTION, case, measure, times)
            for name in CONTESTANTS:
                for rival in RIVALS:
                    goal = goals.half_limit(shape[1], measure, name, rival)
                    rival = f'{name} {rival}' if rival == 'float32' else rival
                    report.add_ratio(SECTION, case, measure, times, name,
                                     rival, goal)
