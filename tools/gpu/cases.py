"""The layers that are timed on a GPU, the most telling first."""
from dataclasses import replace
from typing import List, NamedTuple, Sequence

import torch

from mmacda.ops import available_backends
from mmacda.ops.backends import DEPRECATED
from mmacda.testing.cases import Case
from mmacda.testing.large_cases import paper_layer
from tools.benchmarks.gpu_goals import CHANNELS_LAST, CONTIGUOUS

# (B, C, H = W): the paper's layer, those of Ad-ResNet-s at 224 x 224 and of
# wider networks, and those that are timed on a CPU too.
PAPER = (8, 256, 100)
LAYERS = (
    PAPER,
    (64, 128, 14), (64, 256, 7),
    (32, 64, 112), (64, 128, 28), (64, 256, 14),
    (1, 256, 64), (4, 128, 28), (8, 64, 32), (2, 64, 112),
)  # yapf: disable
# A rehearsal's, of 3x3 support and two atoms: the interpreter is slow.
TINY = ((1, 4, 3), (2, 3, 2))
# What the definition takes, in units of its unfolded input.
COPIES_OF_UNFOLD = 5


class Job(NamedTuple):
    """A layer and its dtype; half precision in channels-last memory."""
    case: Case
    dtype: torch.dtype

    def __str__(self) -> str:
        return f'{self.case} {dtype_name(self.dtype)}'


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).split('.')[1]


def layer(shape: Sequence[int], channels_last: bool) -> Case:
    """The paper's; of a tiny one fewer taps and atoms."""
    case = paper_layer(*shape)
    if shape in TINY:
        case = replace(case, scales=(3, ), padding=(1, 1), num_atoms=2)
    return replace(
        case,
        name=f'{case} {CHANNELS_LAST if channels_last else CONTIGUOUS}',
        layout='channels_last_layer' if channels_last else 'contiguous')


def half_precision(device: str) -> torch.dtype:
    """bfloat16 where the device has it; a rehearsal's kernels have none."""
    if device == 'cpu':
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability()[0] >= 8 \
        else torch.float16


def jobs(device: str) -> List[Job]:
    """All that are timed, the most telling first."""
    half = half_precision(device)
    if device == 'cpu':
        return [Job(layer(TINY[0], True), half),
                Job(layer(TINY[1], False), half)]
    return [
        *[Job(layer(shape, True), half) for shape in LAYERS[:3]],
        Job(layer(PAPER, False), torch.float32),
        *[Job(layer(shape, True), half) for shape in LAYERS[3:]],
        Job(layer(PAPER, False), half),
        *[Job(layer(shape, False), torch.float32) for shape in LAYERS[1:6]],
        *[Job(layer(shape, True), torch.float16) for shape in LAYERS[:2]
          if half != torch.float16],
    ]


def backends() -> List[str]:
    """Those that a GPU's tensors may get, the slow way last."""
    return [name for name in available_backends()
            if name.startswith('triton') and name not in DEPRECATED
            ] + ['stock']


def unfold_bytes(case: Case, dtype: torch.dtype) -> int:
    """Bytes of the unfolded input."""
    pixels = case.batch * case.out_size[0] * case.out_size[1]
    element = torch.empty((), dtype=dtype).element_size()
    return case.support**2 * case.in_channels * pixels * element


def fits(case: Case, dtype: torch.dtype, device: str) -> bool:
    """Whether the definition, forward and backward, finds enough memory."""
    if device == 'cpu':
        return True
    return COPIES_OF_UNFOLD * unfold_bytes(case, dtype) \
        < torch.cuda.mem_get_info()[0]


def affordable(case: Case, device: str) -> Case:
    """The layer with as many of its images as float32's definition fits."""
    while case.batch > 1 and not fits(case, torch.float32, device):
        case = replace(case, batch=case.batch // 2)
    return case
