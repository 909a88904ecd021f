"""Ad-ResNet: a residual network whose deep stages adapt to every pixel."""
from typing import NamedTuple, Optional, Sequence, Tuple, Union

import torch.nn as nn
from mmcv.cnn import (build_activation_layer, build_conv_layer,
                      build_norm_layer)
from mmengine.model import BaseModule, constant_init
from mmengine.registry import MODELS
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from .ad_resnet_blocks import BasicBlock, DynamicBottleneck, ResidualBlock

CONV_TYPES = ('acda', 'conv')
PAPER_SCALES = (3, 5, 7)


class Architecture(NamedTuple):
    """Output width and number of blocks of every stage."""
    stage_widths: Tuple[int, ...]
    stage_blocks: Tuple[int, ...]
    dynamic_stages: Tuple[int, ...] = (2, 3)  # made of DynamicBottleneck


ARCHITECTURES = dict(
    s=Architecture((64, 128, 256, 512), (2, 2, 2, 2)),
    m=Architecture((64, 128, 512, 1024), (2, 2, 2, 2)),
    l=Architecture((64, 128, 512, 1024), (2, 3, 8, 3)))


@MODELS.register_module()
class AdResNet(BaseModule):
    """Ad-ResNet (ICCV 2021, Section A.4).

    The first two stages are ResNet's basic blocks, the others dynamic
    bottlenecks. The stem and the basic stages carry ResNet-18's parameter
    names, so that its weights can be loaded into them.

    Args:
        arch (str | dict): 's', 'm', 'l'; or a dict of ``stage_widths``,
            ``stage_blocks`` and, if not (2, 3), ``dynamic_stages``, the
            0-based stages that are made of dynamic bottlenecks.
            Default: 's'.
        conv_type (str): 'acda'; or 'conv' for the paper's baseline, with 3x3
            convolutions in place of ACDA. Default: 'acda'.
        in_channels (int): Channels of the image. Default: 3.
        stem_channels (int): Channels after the stem. Default: 64.
        cifar_stem (bool): A 3x3 convolution of stride 1 in place of the 7x7
            of stride 2, for small images. Default: False.
        max_pool (bool): Halve the map after the stem. The paper leaves it out
            for crowd counting. Default: True.
        out_indices (Sequence[int]): Stages whose outputs are returned,
            0-based. Default: (3, ).
        frozen_stages (int): The stem and this many stages are frozen: no
            gradient, norms in eval mode. -1 freezes nothing. Default: -1.
        acda_cfg (dict, optional): Options of the adaptive layers, such as
            ``dict(num_atoms=4, atom_generator=dict(kernel_size=1))``; a
            ``type`` other than 'ACDAConv' puts that layer in its place. Not
            used with ``conv_type='conv'``. Default: None, 6 atoms over 18
            bases of scales 3, 5 and 7, as in the paper.
        conv_cfg (dict, optional): Of all other convolutions. Default: None.
        norm_cfg (dict): Default: dict(type='BN', requires_grad=True).
        act_cfg (dict): Default: dict(type='ReLU', inplace=True).
        norm_eval (bool): Keep batch norms in eval mode in training.
            Default: False.
        with_cp (bool): Recompute the blocks in backward to save memory. Batch
            norms then see every batch twice. Default: False.
        zero_init_residual (bool): Start the last norm of each block at zero,
            unless weights are loaded. Default: True.
        init_cfg (dict | list[dict], optional): Initialization config, which
            does not touch the adaptive layers. Default: None, Kaiming-normal
            (fan-out) convolutions and norms of one.

    Raises:
        ValueError: If an argument is not supported.

    Example:
        >>> import torch
        >>> from mmacda.models import AdResNet
        >>> backbone = AdResNet('s', out_indices=(0, 1, 2, 3)).eval()
        >>> for feature in backbone(torch.rand(1, 3, 64, 64)):
        ...     print(tuple(feature.shape))
        (1, 64, 16, 16)
        (1, 128, 8, 8)
        (1, 256, 4, 4)
        (1, 512, 2, 2)
    """

    def __init__(self,
                 arch: Union[str, dict] = 's',
                 conv_type: str = 'acda',
                 in_channels: int = 3,
                 stem_channels: int = 64,
                 cifar_stem: bool = False,
                 max_pool: bool = True,
                 out_indices: Sequence[int] = (3, ),
                 frozen_stages: int = -1,
                 acda_cfg: Optional[dict] = None,
                 conv_cfg: Optional[dict] = None,
                 norm_cfg: dict = dict(type='BN', requires_grad=True),
                 act_cfg: dict = dict(type='ReLU', inplace=True),
                 norm_eval: bool = False,
                 with_cp: bool = False,
                 zero_init_residual: bool = True,
                 init_cfg: Union[dict, list, None] = None):
        if init_cfg is None:
            init_cfg = [
                dict(type='Kaiming', layer=['Conv2d']),
                dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])
            ]
        super().__init__(init_cfg)
        self.arch = _resolve_architecture(arch)
        num_stages = len(self.arch.stage_widths)
        if conv_type not in CONV_TYPES:
            raise ValueError(f'conv_type must be one of {CONV_TYPES}, but got '
                             f'{conv_type!r}')
        _check_stages('out_indices', out_indices, 0, num_stages - 1)
        _check_stages('frozen_stages', (frozen_stages, ), -1, num_stages)
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.zero_init_residual = zero_init_residual

        self.conv1 = build_conv_layer(
            conv_cfg,
            in_channels,
            stem_channels,
            kernel_size=3 if cifar_stem else 7,
            stride=1 if cifar_stem else 2,
            padding=1 if cifar_stem else 3,
            bias=False)
        self.norm1_name, norm1 = build_norm_layer(
            norm_cfg, stem_channels, postfix=1)
        self.add_module(self.norm1_name, norm1)
        self.act = build_activation_layer(act_cfg)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if max_pool else nn.Identity()

        block_cfg = dict(
            with_cp=with_cp,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg)
        acda_cfg = _resolve_acda_cfg(acda_cfg) if conv_type == 'acda' else None
        self.stage_names = []
        channels = stem_channels
        for index, (width, num_blocks) in enumerate(
                zip(self.arch.stage_widths, self.arch.stage_blocks)):
            block, extra = BasicBlock, {}
            if index in self.arch.dynamic_stages:
                block, extra = DynamicBottleneck, dict(acda_cfg=acda_cfg)
            blocks = []
            for n in range(num_blocks):
                stride = 2 if n == 0 and index > 0 else 1
                blocks.append(
                    block(channels, width, stride, **extra, **block_cfg))
                channels = width
            self.stage_names.append(f'layer{index + 1}')
            self.add_module(self.stage_names[-1], nn.Sequential(*blocks))
        self.feat_dim = channels
        self._freeze_stages()

    @property
    def norm1(self) -> nn.Module:
        """The stem's norm."""
        return getattr(self, self.norm1_name)

    def init_weights(self) -> None:
        """Initialize by ``init_cfg``, then the last norms of the blocks."""
        super().init_weights()
        if isinstance(self.init_cfg, dict) \
                and self.init_cfg['type'] == 'Pretrained':
            return
        if self.zero_init_residual:
            for module in self.modules():
                if isinstance(module, ResidualBlock):
                    constant_init(module.norms[-1], 0)

    def forward(self, x: Tensor) -> Tuple[Tensor, ...]:
        """Features of the stages in ``out_indices``.

        Args:
            x (Tensor): Images of shape (B, in_channels, H, W).

        Returns:
            Tuple[Tensor, ...]: Per stage, shape (B, width, h, w). Stage i is
            2**(2 + i) times smaller than the image, less where the stem or
            ``max_pool`` does not halve; odd sizes are rounded up.
        """
        x = self.maxpool(self.act(self.norm1(self.conv1(x))))
        features = []
        for index, name in enumerate(self.stage_names):
            x = getattr(self, name)(x)
            if index in self.out_indices:
                features.append(x)
        return tuple(features)

    def _freeze_stages(self) -> None:
        if self.frozen_stages < 0:
            return
        names = ['conv1', self.norm1_name
                 ] + self.stage_names[:self.frozen_stages]
        for name in names:
            module = getattr(self, name)
            module.eval()
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> 'AdResNet':
        """Set the mode; frozen stages and, if asked, norms stay in eval."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


def _resolve_architecture(arch: Union[str, dict]) -> Architecture:
    if isinstance(arch, dict):
        try:
            arch = Architecture(
                **{key: tuple(value)
                   for key, value in arch.items()})
        except TypeError:
            raise ValueError(
                'an arch dict has the keys stage_widths, stage_blocks and '
                f'optionally dynamic_stages, all sequences, but got {arch}'
            ) from None
        if not arch.stage_widths \
                or len(arch.stage_widths) != len(arch.stage_blocks) \
                or min(arch.stage_widths + arch.stage_blocks) < 1:
            raise ValueError(
                'stage_widths and stage_blocks must hold one positive integer '
                f'per stage, but got {arch.stage_widths} and '
                f'{arch.stage_blocks}')
        return arch
    if not isinstance(arch, str) or arch not in ARCHITECTURES:
        raise ValueError(f'arch must be one of {tuple(ARCHITECTURES)} or a '
                         f'dict, but got {arch!r}')
    return ARCHITECTURES[arch]


def _resolve_acda_cfg(acda_cfg: Optional[dict]) -> dict:
    """The paper's setting, overridden by the user's."""
    cfg = dict(type='ACDAConv')
    cfg.update(acda_cfg or {})
    if cfg['type'] == 'ACDAConv' and 'atom_bases' not in cfg:
        cfg.setdefault('scales', PAPER_SCALES)
    return cfg


def _check_stages(name: str, stages: Sequence[int], low: int,
                  high: int) -> None:
    for stage in stages:
        if not isinstance(stage, int) or not low <= stage <= high:
            raise ValueError(f'{name} must be between {low} and {high} for '
                             f'this arch, but got {stage!r}')
