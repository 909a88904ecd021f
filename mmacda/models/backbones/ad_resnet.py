"""Ad-ResNet: a residual network whose deep stages adapt to every pixel."""
import warnings
from typing import Any, Optional, Sequence, Tuple, Union

import torch.nn as nn
from mmcv.cnn import (build_activation_layer, build_conv_layer,
                      build_norm_layer)
from mmengine.model import BaseModule, constant_init
from mmengine.registry import MODELS
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ...layers.untrained import warn_of_untrained
from ...registry_types import is_pretrained, plain_init_cfg
from ..acda_cfg import resolve_acda_cfg
from .ad_resnet_arch import (check_stages, refuse_unknown,
                             resolve_architecture, resolve_geometry)
from .ad_resnet_blocks import BasicBlock, DynamicBottleneck, ResidualBlock

CONV_TYPES = ('acda', 'conv')


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
        strides (Sequence[int], optional): Of the first block of each stage.
            Default: None, 1 and then 2.
        dilations (Sequence[int], optional): Of each stage:
            ``strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)`` gives an output
            stride of 8, ``(1, 2, 2, 1)`` with ``(1, 1, 1, 2)`` one of 16. The
            parameters are the same. Default: None, 1.
        contract_dilation (bool): Halve the dilation of the first block of
            each dilated stage. Default: False.
        multi_grid (Sequence[int], optional): Dilations of the blocks of the
            last stage, in place of the stage's. Default: None.
        out_indices (Sequence[int]): Stages whose outputs are returned,
            0-based. Default: (3, ).
        frozen_stages (int): The stem and this many stages are frozen: no
            gradient, norms in eval mode. -1 freezes nothing. Default: -1.
        acda_cfg (dict, optional): Options of the adaptive layers, such as
            ``dict(num_atoms=4, atom_generator='light')``; a
            ``type`` other than 'ACDAConv' puts that layer in its place. Not
            used with ``conv_type='conv'``. Default: None, 6 atoms over 18
            bases of scales 3, 5 and 7, as in the paper.
        conv_cfg (dict, optional): Of all other convolutions. Default: None.
        norm_cfg (dict): Of all norms but those inside the atom generators,
            which have their own: ``acda_cfg=dict(atom_generator=dict(
            norm_cfg=...))``, see :class:`mmacda.layers.AtomGenerator`.
            Default: dict(type='BN', requires_grad=True).
        act_cfg (dict): Default: dict(type='ReLU', inplace=True).
        norm_eval (bool): Keep batch norms in eval mode in training, those
            of the generators too: load trained weights, or give the
            generators a norm without statistics. Default: False.
        with_cp (bool): Recompute the blocks in backward to save memory. Batch
            norms then see every batch twice. Default: False.
        zero_init_residual (bool): Start the last norm of each block at zero,
            unless weights are loaded. Default: True.
        init_cfg (dict | list[dict], optional): Initialization config, which
            does not touch the adaptive layers. Default: None, Kaiming-normal
            (fan-out) convolutions and norms of one.
        pretrained (str, optional): Deprecated, a checkpoint for
            ``init_cfg=dict(type='Pretrained', checkpoint=...)``.
            Default: None.

    Raises:
        TypeError: If an argument is unknown.
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
                 init_cfg: Union[dict, list, None] = None,
                 strides: Optional[Sequence[int]] = None,
                 dilations: Optional[Sequence[int]] = None,
                 contract_dilation: bool = False,
                 multi_grid: Optional[Sequence[int]] = None,
                 pretrained: Optional[str] = None,
                 **unknown: Any):
        refuse_unknown(unknown)
        init_cfg = _with_pretrained(init_cfg, pretrained)
        if init_cfg is None:
            init_cfg = [
                dict(type='Kaiming', layer=['Conv2d']),
                dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])
            ]
        super().__init__(plain_init_cfg(init_cfg))
        self.arch = resolve_architecture(arch)
        num_stages = len(self.arch.stage_widths)
        if conv_type not in CONV_TYPES:
            raise ValueError(f'conv_type must be one of {CONV_TYPES}, but got '
                             f'{conv_type!r}')
        check_stages('out_indices', out_indices, 0, num_stages - 1)
        check_stages('frozen_stages', (frozen_stages, ), -1, num_stages)
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
        acda_cfg = resolve_acda_cfg(acda_cfg) if conv_type == 'acda' else None
        self.stage_names = []
        channels = stem_channels
        geometry = resolve_geometry(self.arch, strides, dilations,
                                    contract_dilation, multi_grid)
        for index, (width, blocks_geometry) in enumerate(
                zip(self.arch.stage_widths, geometry)):
            block, extra = BasicBlock, {}
            if index in self.arch.dynamic_stages:
                block, extra = DynamicBottleneck, dict(acda_cfg=acda_cfg)
            blocks = []
            for stride, dilation in blocks_geometry:
                blocks.append(
                    block(
                        channels,
                        width,
                        stride,
                        dilation=dilation,
                        **extra,
                        **block_cfg))
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
        holds_weights = self.is_init or is_pretrained(self.init_cfg)
        super().init_weights()
        if self.zero_init_residual and not holds_weights:
            for module in self.modules():
                if isinstance(module, ResidualBlock):
                    constant_init(module.norms[-1], 0)

    def forward(self, x: Tensor) -> Tuple[Tensor, ...]:
        """Features of the stages in ``out_indices``.

        Args:
            x (Tensor): Images of shape (B, in_channels, H, W).

        Returns:
            Tuple[Tensor, ...]: Per stage, shape (B, width, h, w). Stage i is
            2**(2 + i) times smaller than the image, less where the stem,
            ``max_pool`` or ``strides`` do not halve; odd sizes are rounded
            up.
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
        if mode:
            warn_of_untrained(self)
        return self


def _with_pretrained(init_cfg: Any, pretrained: Optional[str]) -> Any:
    if pretrained is None:
        return init_cfg
    if init_cfg is not None:
        raise ValueError('init_cfg and pretrained cannot be given together: '
                         'pretrained is the old form of init_cfg')
    if not isinstance(pretrained, str):
        raise TypeError('pretrained must be the path of a checkpoint or None, '
                        f'but got {pretrained!r}')
    warnings.warn(
        "pretrained is deprecated: use init_cfg=dict(type='Pretrained', "
        f'checkpoint={pretrained!r})',
        DeprecationWarning,
        stacklevel=3)
    return dict(type='Pretrained', checkpoint=pretrained)
