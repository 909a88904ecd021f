"""The models of this suite: small ones, one line for each kind."""
import copy
from typing import Dict, NamedTuple, Tuple

import pytest
import torch
import torch.nn as nn
from mmengine.registry import MODELS
from torch import Tensor

import mmacda  # noqa: F401

SMALL_ARCH = dict(stage_widths=(8, 8, 16, 16), stage_blocks=(1, 1, 1, 1))


class Case(NamedTuple):
    """A model on the root registry, and what its images look like."""
    model: dict
    channels: int = 3
    sizes: Tuple[Tuple[int, int], ...] = ((64, 96), (96, 64), (128, 96))
    framework: str = 'mmengine'

    def build(self, seed: int = 0) -> nn.Module:
        pytest.importorskip(self.framework)
        torch.manual_seed(seed)
        return MODELS.build(copy.deepcopy(self.model))

    def build_twin(self) -> nn.Module:
        """The same with plain convolutions."""
        model = copy.deepcopy(self.model)
        network = model.get('backbone') or model.get('generator') or model
        network['conv_type'] = 'conv'
        return MODELS.build(model)

    def draw(self, batch: int = 2, size: int = 0, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.rand((batch, self.channels, *self.sizes[size]),
                          generator=generator)


CASES: Dict[str, Case] = {
    'lenet': Case(
        dict(type='ACDALeNet', in_channels=1, input_size=20),
        channels=1, sizes=((20, 20), )),
    'ad-resnet': Case(
        dict(type='AdResNet', arch=SMALL_ARCH, stem_channels=8,
             out_indices=(0, 1, 2, 3), zero_init_residual=False)),
    'restorer': Case(
        dict(type='ACDARestorer', mid_channels=8, num_blocks=2)),
    'counter': Case(
        dict(type='DensityCounter',
             backbone=dict(type='AdResNet', arch=SMALL_ARCH, stem_channels=8,
                           max_pool=False, zero_init_residual=False),
             head=dict(type='DensityHead', in_channels=16,
                       channels=(8, 8, 4)))),
    'denoiser': Case(
        dict(type='VariationalDenoiser',
             generator=dict(type='ACDARestorer', mid_channels=8, num_blocks=2,
                            out_channels=6),
             noise_net=dict(type='VDNNoiseNet', mid_channels=8)),
        framework='mmagic'),
}
every_model = pytest.mark.parametrize('case', CASES.values(), ids=CASES)
any_size = pytest.mark.parametrize(
    'case', [c for c in CASES.values() if len(c.sizes) > 1],
    ids=[name for name, c in CASES.items() if len(c.sizes) > 1])


def tensors_of(output) -> Tuple[Tensor, ...]:
    """The output of any model as a tuple of tensors."""
    return (output, ) if isinstance(output, Tensor) else tuple(output)
