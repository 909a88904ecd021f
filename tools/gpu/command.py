"""What `python -m tools.gpu` does."""
import time
from argparse import Namespace
from pathlib import Path
from typing import List, Optional

import torch

from mmacda.apis.command_line import (CommandParser, UsageError, output_folder,
                                      run_command, status)
from tools.benchmarks.common import RESULTS, ROOT

from . import table
from .journal import (BAD, LEFT_OUT, WARNED, Outcome, outcomes, read,
                      write_tables)
from .steps import STEPS, WHOLE, Check, run_step

WORK = ROOT / 'work_dirs'
LONGEST_LIST = 12


def refusal(device: str) -> Optional[str]:
    """Why nothing can be checked on a device, or None."""
    if device == 'cpu':
        return None
    if torch.version.hip:
        return ('PyTorch is built for ROCm here, and this check, its graphs '
                'and its sanitizer are for CUDA: nothing was measured')
    if torch.cuda.is_available():
        return None
    others = dict(xpu=getattr(torch, 'xpu', None), mps=torch.backends.mps)
    for other, module in others.items():
        if module is not None and module.is_available():
            return (f'PyTorch finds a device of type {other} here, which the '
                    'Triton backend does not serve: nothing was measured')
    return ('PyTorch finds no GPU here: nothing was measured (--rehearse '
            'tries all steps on a CPU)')


def minutes(text: str) -> float:
    """A type of argparse."""
    from argparse import ArgumentTypeError
    try:
        found = float(text)
    except ValueError:
        found = 0.
    if not 0.5 <= found <= 600:
        raise ArgumentTypeError(f'must be a number of minutes from 0.5 on, '
                                f'not {text!r}')
    return found


def make_parser(doc: Optional[str]) -> CommandParser:
    names = [step.name for step in STEPS]
    parser = CommandParser(doc or '')
    parser.prog = 'python -m tools.gpu'
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda',
                        help='cpu is a rehearsal')
    parser.add_argument(
        '--rehearse', dest='device', action='store_const', const='cpu',
        help='all steps on a CPU with tiny layers, Triton interpreted, to '
        'see that they run; the figures mean nothing')
    parser.add_argument('--minutes', type=minutes, default=10.,
                        help='for all of it; default: 10')
    parser.add_argument('--steps', nargs='+', choices=names, default=names,
                        metavar='STEP', help=', '.join(names))
    parser.add_argument(
        '--out-dir', type=output_folder, metavar='FOLDER',
        help=f'for the rows; default: {RESULTS.relative_to(ROOT)}, of a '
        'rehearsal its work folder')
    parser.add_argument(
        '--work-dir', type=output_folder, metavar='FOLDER',
        help='for the log and rows as they come; default: work_dirs/gpu, '
        'of a rehearsal work_dirs/gpu-rehearsal')
    parser.add_argument(
        '--table', action='store_true',
        help='measure nothing, print the table of the rows that are there')
    return parser


def check(args: Namespace) -> None:
    """Run the steps that the command line asks for, and print the table.

    Raises:
        RuntimeError: If something is wrong or failed; all else is measured.
        UsageError: If there is no such device.
    """
    work = Path(args.work_dir or WORK / (
        'gpu' if args.device == 'cuda' else 'gpu-rehearsal'))
    out = Path(args.out_dir or (RESULTS if args.device == 'cuda' else work))
    if args.table:
        print(table.make(out, args.device))
        return
    reason = refusal(args.device)
    if reason:
        raise UsageError(reason)
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    journal, log = work / 'rows.jsonl', work / 'log.txt'
    for path in (journal, log):
        path.write_bytes(b'')
    start, seconds = time.monotonic(), 60 * args.minutes
    shared = Check(args.device, journal, log, start + seconds,
                   seconds / WHOLE)
    print(f'at most {args.minutes:g} minutes; output: {log}', flush=True)
    for step in STEPS:
        if step.name in args.steps:
            with status(f'{step.name}, at most '
                        f'{step.limit * shared.scale:.0f} s'):
                found = run_step(step, shared)
            print(found, flush=True)
            paths = write_tables(read(journal), out, args.device)
    print(f'rows: {", ".join(map(str, paths))}\n\n'
          f'{table.make(out, args.device)}')
    if args.device == 'cuda' and out == RESULTS:
        table.write_readme(table.make(out, args.device))
    tell(outcomes(read(journal)))


def tell(found: List[Outcome]) -> None:
    """What is missing and, as an error, what is bad."""
    missing = [one for one in found if one.outcome in (LEFT_OUT, WARNED)]
    bad = [one for one in found if one.outcome in BAD]
    for one in (missing + bad)[:LONGEST_LIST]:
        print(one)
    if bad:
        steps = sorted({one.step for one in bad})
        raise RuntimeError(f'not all is well in {", ".join(steps)}: '
                           f'{len(bad)} outcomes are bad')


def main(doc: Optional[str]) -> None:
    run_command(make_parser(doc), check)
