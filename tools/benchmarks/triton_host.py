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

import torch

from mmacda.apis.command_line import (CommandParser, positive_int,
                                      run_command)
from mmacda.ops import adaptive_conv2d, fourier_bessel_bases
from mmacda.ops.backends.fixed_bases import constant
from mmacda.testing.triton_driver import stand_in

CHANNELS, SIDE, ATOMS = 4, 2, 6
# As measured by this command before calls were planned, for comparison.
BEFORE = {'forward': 177., 'backward': 479.}


def make_calls(layout: str) -> dict:
    """Forward and backward of a tiny layer of the paper's kind."""
    memory_format = dict(
        nhwc=torch.channels_last, nchw=torch.contiguous_format)[layout]
    bases = constant(fourier_bessel_bases().numpy(), torch.device('cpu'),
                     torch.float32)

    def draw(*shape: int, **options) -> torch.Tensor:
        return torch.rand(shape).contiguous(**options).requires_grad_()

    x, grad = (draw(1, CHANNELS, SIDE, SIDE, memory_format=memory_format)
               for _ in range(2))
    alpha = draw(1, ATOMS, len(bases), SIDE, SIDE)
    weight, bias = draw(CHANNELS, CHANNELS * ATOMS, 1, 1), draw(CHANNELS)

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


def least_seconds(function, rounds: int) -> float:
    for _ in range(10):
        function()
    best = float('inf')
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def measure(args: Namespace) -> None:
    torch.set_num_threads(1)
    # What memory holds is nobody's: no slow denormal numbers.
    torch.set_flush_denormal(True)
    with stand_in() as driver:
        print(f'torch {torch.__version__}, {args.layout}, microseconds, the '
              f'least of {args.rounds} calls; a stand-in for the driver')
        for name, function in make_calls(args.layout).items():
            driver.launched.clear()
            function()
            launches, driver.is_counting = len(driver.launched), False
            least = 1e6 * least_seconds(function, args.rounds)
            driver.is_counting = True
            print(f'{name:<9}{least:7.1f}, before {BEFORE[name]:.0f}: '
                  f'{least / BEFORE[name]:.2f}; {launches} launches of our '
                  'kernels')


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--rounds', type=positive_int, default=4000, help='calls of each')
    parser.add_argument('--layout', choices=['nhwc', 'nchw'], default='nhwc')
    run_command(parser, measure)


if __name__ == '__main__':
    main()
