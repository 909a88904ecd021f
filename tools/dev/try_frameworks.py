"""Print the table of what was tried of every framework, and how it ended.

    python tools/dev/try_frameworks.py --out work_dirs/frameworks.md

Runs tests/frameworks, each framework's own tools on each of our configs for
it, and reads the table from the tests' report. --report FILE reads one that
pytest has written before (--junit-xml). What follows a -- goes to pytest.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import subprocess
import xml.etree.ElementTree as ET
from argparse import Namespace
from pathlib import Path
from typing import Dict, List, Tuple

from mmacda.apis.command_line import (CommandParser, output_file,
                                      run_command)
from mmacda.io.files import whole_file

ROOT = Path(__file__).resolve().parents[2]
TRIES = ('train', 'test', 'inference', 'resume', 'amp', 'ema', 'ddp')
Tried = Dict[Tuple[str, str], str]  # config, try -> how it ended


def run_tests(report: Path, arguments: List[str]) -> int:
    """Run the tests of the frameworks; pytest's exit code."""
    report.parent.mkdir(parents=True, exist_ok=True)
    return subprocess.run([
        sys.executable, '-m', 'pytest', '-m', 'long or not long',
        f'--junit-xml={report}',
        *(f'tests/frameworks/test_{name}.py'
          for name in ('mmpretrain', 'mmdet', 'mmseg', 'mmpose')), *arguments
    ], cwd=ROOT).returncode


def read_report(report: Path) -> Tried:
    """Outcomes of the tries in a report of pytest's.

    Raises:
        ValueError: If there are none.
    """
    tried = {}
    for case in ET.parse(report).getroot().iter('testcase'):
        name, _, config = case.get('name', '').partition('[')
        name = name.replace('test_', '', 1)
        if name not in TRIES or not config:
            continue
        outcome = 'ok'
        for child in case:
            if child.tag in ('failure', 'error'):
                outcome = 'failed'
            elif child.tag == 'skipped':
                outcome = child.get('message') or 'skipped'
        tried[config.rstrip(']'), name] = outcome
    if not tried:
        raise ValueError(f'{report} has no tries of frameworks: are mmdet, '
                         'mmseg and mmpose installed (make test-frameworks)?')
    return tried


def format_table(tried: Tried) -> str:
    """A Markdown table, a row per config; why tries were left out below."""
    from tests.frameworks.frameworks import FRAMEWORKS
    lines = [
        '| framework | config | ACDA by | ' + ' | '.join(TRIES) + ' |',
        '|---' * (3 + len(TRIES)) + '|'
    ]
    notes: List[str] = []
    for name, framework in FRAMEWORKS.items():
        for config, way in framework.configs.items():
            cells = []
            for kind in TRIES:
                outcome = tried.get((config, kind), '')
                if outcome not in ('', 'ok', 'failed'):
                    if outcome not in notes:
                        notes.append(outcome)
                    outcome = f'({notes.index(outcome) + 1})'
                cells.append(outcome)
            if any(cells):
                lines.append(' | '.join([
                    f'| {name}', f'[{config}](configs/{config}.py)', way,
                    *cells
                ]) + ' |')
    lines += [f'\n({n}) {note}' for n, note in enumerate(notes, 1)]
    return '\n'.join(lines)


def try_frameworks(args: Namespace) -> None:
    """Run, read, print and write.

    Raises:
        SystemExit: With pytest's exit code, if it is not 0.
    """
    report, code = args.report, 0
    if report is None:
        report = ROOT / 'work_dirs' / 'frameworks.xml'
        code = run_tests(report, args.pytest)
    table = format_table(read_report(report))
    print(table)
    if args.out:
        with whole_file(args.out, 'w') as file:
            file.write(f'{table}\n')
    if code:
        raise SystemExit(code)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--out',
        type=output_file,
        metavar='FILE',
        help='the table, as Markdown')
    parser.add_argument(
        '--report', type=Path, metavar='FILE', help="of pytest's, to read")
    parser.add_argument(
        'pytest', nargs='*', help="pytest's arguments, after --")
    run_command(parser, try_frameworks)


if __name__ == '__main__':
    main()
