"""Widths, blocks, strides and dilations of Ad-ResNet's stages, checked."""
from numbers import Integral
from typing import (Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple,
                    Union)

# Keys of OpenMMLab's ResNets that a config may inherit and Ad-ResNet lacks.
RESNET_KEYS = ('depth', 'num_stages', 'style', 'deep_stem', 'avg_down',
               'base_channels', 'expansion', 'drop_path_rate', 'plugins',
               'dcn', 'stage_with_dcn')


class Architecture(NamedTuple):
    """Output width and number of blocks of every stage."""
    stage_widths: Tuple[int, ...]
    stage_blocks: Tuple[int, ...]
    dynamic_stages: Tuple[int, ...] = (2, 3)  # made of DynamicBottleneck


class BlockGeometry(NamedTuple):
    """Stride and dilation of one block."""
    stride: int
    dilation: int


ARCHITECTURES = dict(
    s=Architecture((64, 128, 256, 512), (2, 2, 2, 2)),
    m=Architecture((64, 128, 512, 1024), (2, 2, 2, 2)),
    l=Architecture((64, 128, 512, 1024), (2, 3, 8, 3)))


def resolve_architecture(arch: Union[str, dict]) -> Architecture:
    """The architecture of a name or a dict, or a ValueError."""
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


def resolve_geometry(arch: Architecture, strides: Optional[Sequence[int]],
                     dilations: Optional[Sequence[int]],
                     contract_dilation: bool,
                     multi_grid: Optional[Sequence[int]]
                     ) -> List[List[BlockGeometry]]:
    """Stride and dilation of every block, by stage, as mmseg's ResNets.

    See :class:`AdResNet` for the arguments.

    Raises:
        ValueError: If a sequence has another length or holds anything but
            positive integers.
    """
    stages = len(arch.stage_blocks)
    strides = (1, ) + (2, ) * (stages - 1) if strides is None else strides
    dilations = (1, ) * stages if dilations is None else dilations
    _check_sequence('strides', strides, stages, 'stages')
    _check_sequence('dilations', dilations, stages, 'stages')
    if multi_grid is not None:
        _check_sequence('multi_grid', multi_grid, arch.stage_blocks[-1],
                        'blocks of the last stage')
    geometry = []
    for stage, (blocks, stride, dilation) in enumerate(
            zip(arch.stage_blocks, strides, dilations)):
        of_blocks = [dilation] * blocks
        if multi_grid is not None and stage == stages - 1:
            of_blocks = list(multi_grid)
        elif contract_dilation and dilation > 1:
            of_blocks[0] = dilation // 2
        geometry.append([
            BlockGeometry(1 if index else int(stride), int(d))
            for index, d in enumerate(of_blocks)
        ])
    return geometry


def _check_sequence(name: str, values: Any, length: int, of: str) -> None:
    if not isinstance(values, (list, tuple)) or len(values) != length \
            or not all(isinstance(v, Integral) and v >= 1 for v in values):
        raise ValueError(f'{name} must hold {length} positive integers, one '
                         f'for each of the {of} of this arch, but got '
                         f'{values!r}')


def check_stages(name: str, stages: Sequence[int], low: int,
                 high: int) -> None:
    """Raise a ValueError unless all are integers from low to high."""
    for stage in stages:
        if not isinstance(stage, Integral) or not low <= stage <= high:
            raise ValueError(f'{name} must be between {low} and {high} for '
                             f'this arch, but got {stage!r}')


def refuse_unknown(unknown: Mapping[str, Any]) -> None:
    """Raise a TypeError that says what to write, if there is any key."""
    if not unknown:
        return
    inherited = [key for key in unknown if key in RESNET_KEYS]
    if inherited:
        raise TypeError(
            f'AdResNet has no {", ".join(inherited)}: the config inherits '
            "them from a ResNet's. Write backbone=dict(_delete_=True, "
            "type='AdResNet', arch='s', ...), which drops what is inherited, "
            "and choose the size by arch ('s', 'm' or 'l') in place of depth")
    raise TypeError(f'AdResNet got unknown keys {sorted(unknown)}')
