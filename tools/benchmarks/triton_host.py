"""What a call of the Triton backend costs the host, without a GPU.

    python -m tools.benchmarks.triton_host

Launches go to a stand-in for the driver, so that Python and PyTorch's own
operators on tiny tensors are all that is timed: what bounds layers whose maps
are small. The least of many single calls: it means something on a busy
machine too, with ``nice -n -20`` in front.
"""
import tools.begin  # noqa: F401  before what takes seconds

import time
from argparse import Namespace
from typing import Callable, Dict, NamedTuple, Tuple
from unittest import mock

import torch

from mmacda.apis.command_line import (CommandParser, positive_int,
                                      run_command)
from mmacda.ops import adaptive_conv2d, fourier_bessel_bases
from mmacda.ops.backends.fixed_bases import constant
from mmacda.testing.triton_driver import StandInDriver, stand_in

ATOMS = 6


class Call(NamedTuple):
    """A tiny layer of the paper's kind."""
    channels: int
    side: int
    dtype: torch.dtype
    chunks: int = 1
    # Microseconds forward and backward, as measured by this command before
    # what is said beside them, for comparison.
    before: Tuple[float, float] = (1., 1.)


CALLS: Dict[str, Call] = {
    # Before calls were planned.
    'one chunk': Call(4, 2, torch.float32, before=(177., 479.)),
    # Before launches went to the launcher's C function, and chunks to memory
    # that the plan knows: at 29a5ec1, where the first of these calls took 64
    # and 180.
    'four chunks': Call(4, 4, torch.float32, 4, before=(186., 500.)),
    # A CPU takes most of it for the products.
    'bands': Call(16, 2, torch.bfloat16, before=(105., 264.)),
}


def make_steps(given: Call, layout: str) -> Dict[str, Callable]:
    """Forward and backward of a call."""
    memory_format = dict(
        nhwc=torch.channels_last, nchw=torch.contiguous_format)[layout]
    bases = constant(fourier_bessel_bases().numpy(), torch.device('cpu'),
                     torch.float32)
    channels, side = given.channels, given.side

    def draw(*shape: int, **options) -> torch.Tensor:
        return torch.rand(shape, dtype=given.dtype).contiguous(
            **options).requires_grad_()

    x, grad = (draw(1, channels, side, side, memory_format=memory_format)
               for _ in range(2))
    alpha = draw(1, ATOMS, len(bases), side, side)
    weight, bias = draw(channels, channels * ATOMS, 1, 1), draw(channels)

    def call() -> torch.Tensor:
        return adaptive_conv2d(
            x, alpha, bases, weight, bias, padding=3, backend='triton')

    def forward() -> None:
        with torch.no_grad():
            call()

    output, leaves = call(), (x, alpha, weight, bias)

    def backward() -> None:
        torch.autograd.grad(output, leaves, grad, retain_graph=True)

    return dict(forward=forward, backward=backward)


def least_seconds(function: Callable, rounds: int) -> float:
    for _ in range(10):
        function()
    best = float('inf')
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def measure_call(name: str, given: Call, driver: StandInDriver,
                 args: Namespace) -> None:
    from mmacda.ops.backends.triton import plan
    # Chunks of a row each.
    size = (1, 1) if given.chunks > 1 else plan.WORKSPACE_BYTES
    with mock.patch.object(plan, 'WORKSPACE_BYTES', size):
        steps = make_steps(given, args.layout)
        for (step, function), before in zip(steps.items(), given.before):
            function()
            driver.launched.clear()
            function()
            launches, driver.is_counting = len(driver.launched), False
            least = 1e6 * least_seconds(function, args.rounds)
            driver.is_counting = True
            print(f'{name:<12}{step:<9}{least:7.1f}, before {before:.0f}: '
                  f'{least / before:.2f}; {launches} launches of our '
                  'kernels')


def measure(args: Namespace) -> None:
    torch.set_num_threads(1)
    # What memory holds is nobody's: no slow denormal numbers.
    torch.set_flush_denormal(True)
    with stand_in() as driver:
        print(f'torch {torch.__version__}, {args.layout}, microseconds, the '
              f'least of {args.rounds} calls; a stand-in for the driver')
        for name, given in CALLS.items():
            measure_call(name, given, driver, args)


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--rounds', type=positive_int, default=4000, help='calls of each')
    parser.add_argument('--layout', choices=['nhwc', 'nchw'], default='nhwc')
    run_command(parser, measure)


if __name__ == '__main__':
    main()
