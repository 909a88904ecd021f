"""Train, test and compare on real data: one record per finished training.

    python -m tools.experiments.evidence --experiment cifar --seeds 3

Trainings that have a record are not repeated, an interrupted one goes on from
its last checkpoint. With --print, only the tables and curves are made.
"""
import tools.begin  # before what takes seconds

import os
import os.path as osp
import sys
import traceback
from argparse import Namespace
from typing import List

from rich.console import Console

from mmacda.apis.command_line import (CommandParser, add_cfg_options,
                                      run_command)
from mmacda.apis.run_command import sentence
from mmacda.io.files import check_output, check_output_folder, is_same_file
from tools.experiments import records

from .baselines import measure
from .catalogue import EXPERIMENTS, Experiment
from .choice import (Training, check_against, check_patterns, missing_data,
                     pending)
from .document import budgets, write_document
from .side_by_side import tell_failed, train_side_by_side
from .tables import draw, make_table, markdown
from .training import ROOT, prepare, train, write_data

RECORDS = osp.join(ROOT, 'benchmarks', 'evidence')


def run(experiments: List[Experiment], args: Namespace) -> None:
    """Train what has no record yet, one after another.

    Raises:
        RuntimeError: If some fail; all others are trained before.
    """
    trainings = list(pending(experiments, args))
    failed = []
    for experiment, row, seed, name, path in trainings:
        print(f'--- {name}', flush=True)
        function = measure if row.baseline else train
        try:
            records.write_record(
                path,
                function(experiment, row, seed, args.budget,
                         osp.join(args.out, name), args.cfg_options))
        except Exception as error:
            if len(trainings) == 1:
                raise
            if tools.begin.is_wanted('MMACDA_TRACEBACK'):
                traceback.print_exc()
            print(f'{name}: {sentence(error)}', file=sys.stderr, flush=True)
            failed.append(name)
    tell_failed(failed, len(trainings))


def report(experiment: Experiment, args: Namespace, console: Console) -> None:
    """Print the tables of all budgets and draw the curves."""
    found = records.read_records(args.records, experiment.name)
    for budget in budgets(found):
        these = [r for r in found if r['budget'] == budget]
        table = make_table(experiment, these, budget, args.against)
        if args.markdown:
            print(f'\n{table.title}\n\n{markdown(table)}\n')
        else:
            console.print(table)
        print('\n'.join(experiment.notes))
        path = osp.join(args.out, f'{experiment.name}_budget{budget:g}.png')
        if draw(experiment, these, path):
            print(f'curves: {path}')
    if args.document:
        write_document(args.document, experiment, found)
    if not found:
        print(f'{experiment.name}: no records in {args.records}')


def report_all(experiments: List[Experiment], args: Namespace,
               console: Console) -> None:
    """Report on all, also where a record of one is damaged.

    Raises:
        ValueError: If one is.
    """
    damaged = []
    for experiment in experiments:
        try:
            report(experiment, args, console)
        except ValueError as error:
            damaged.append(f'{experiment.name} has no table: {error}')
    if damaged:
        raise ValueError('; '.join(damaged))


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--experiment',
        nargs='+',
        choices=list(EXPERIMENTS),
        default=list(EXPERIMENTS))
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument(
        '--budget',
        type=float,
        default=1,
        help='length of every training, in parts of the configs\' schedule')
    parser.add_argument(
        '--depth',
        type=int,
        default=2,
        choices=range(3),
        help='0: the most telling rows of each table only; 2: all')
    parser.add_argument(
        '--threads', type=int, default=0, help='default: as many as cores')
    parser.add_argument(
        '--jobs',
        type=int,
        default=1,
        help='trainings at a time, each a process of its own; of several, '
        'every one has its share of the cores as threads')
    parser.add_argument(
        '--only',
        nargs='+',
        default=['*'],
        metavar='PATTERN',
        help='trainings whose name, that of the record, matches: '
        "'residual_ad-resnet-xs_*' 'cifar_*_seed0'")
    parser.add_argument(
        '--records',
        default=RECORDS,
        help='folder of the records')
    parser.add_argument(
        '--out',
        default=osp.join(ROOT, 'work_dirs', 'evidence'),
        help='folder of checkpoints, logs and curves')
    parser.add_argument(
        '--print',
        action='store_true',
        dest='only_print',
        help='train nothing, print what there is')
    parser.add_argument(
        '--against',
        metavar='ROW',
        help='the row that the others are compared with; default: the first, '
        'the twin')
    parser.add_argument(
        '--no-tables',
        action='store_false',
        dest='tables',
        help='train, and print and draw nothing')
    parser.add_argument(
        '--markdown', action='store_true', help='tables as Markdown')
    parser.add_argument(
        '--document',
        metavar='FILE',
        help='Markdown file to bring up to the records: docs/evidence.md')
    add_cfg_options(parser)
    return parser


def check_outputs(args: Namespace) -> None:
    """Refuse, before hours of training, what would be in vain after them.

    Raises:
        OSError: If what is to be written cannot be.
        ValueError: If records of changed configs would go among those of the
            tables.
    """
    check_output_folder(args.out)
    if args.document:
        with open(args.document, encoding='utf-8'):
            check_output(args.document)
    if args.only_print:
        return
    check_output_folder(args.records)
    if args.cfg_options and is_same_file(args.records, RECORDS):
        raise ValueError('--cfg-options changes what is trained, and '
                         f'{args.records} has the records of the tables: '
                         'choose another folder by --records')


def check(parser: CommandParser, args: Namespace) -> Namespace:
    try:
        check_outputs(args)
    except (OSError, ValueError) as error:
        parser.error(sentence(error))
    if args.seeds < 1:
        parser.error('--seeds must be at least 1')
    if not 0 < args.budget < float('inf'):
        parser.error('--budget must be a number above 0')
    if args.threads < 0:
        parser.error('--threads must be at least 1')
    if args.jobs < 1:
        parser.error('--jobs must be at least 1')
    if args.against and args.document:
        parser.error('--document has comparisons with the twin: leave out '
                     '--against')
    try:
        check_patterns(args)
        check_against(args)
    except ValueError as error:
        parser.error(str(error))
    return args


def run_side_by_side(trainings: List[Training], args: Namespace) -> None:
    """Train several at once, by calls like this one that train one each."""
    for training in {t.experiment.name: t for t in trainings}.values():
        write_data(prepare(training.row, training.seed, args.budget,
                           training.name, args.cfg_options))
    threads = args.threads or max(1, (os.cpu_count() or 1) // args.jobs)
    train_side_by_side(
        [training.name for training in trainings], args.jobs, [
            *sys.argv[1:], '--jobs', '1', '--threads', str(threads),
            '--records', osp.abspath(args.records), '--out',
            osp.abspath(args.out), '--no-tables'
        ], ROOT)


def gather(args: Namespace) -> None:
    """Train what is missing, then print and draw all there is."""
    if args.threads:
        import torch
        os.environ['OMP_NUM_THREADS'] = str(args.threads)
        torch.set_num_threads(args.threads)
    console = Console(width=140)
    chosen = [EXPERIMENTS[name] for name in args.experiment]
    if not args.only_print:
        ready = []
        for experiment in chosen:
            missing = missing_data(experiment)
            if missing:
                print(f'{experiment.name} is left out. ' + '\n'.join(missing))
            else:
                ready.append(experiment)
        if args.jobs == 1:
            run(ready, args)
        else:
            run_side_by_side(list(pending(ready, args)), args)
    report_all(chosen if args.tables else [], args, console)


def main() -> None:
    parser = make_parser()
    run_command(parser, gather, check(parser, parser.parse_args()))


if __name__ == '__main__':
    main()
