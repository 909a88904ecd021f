"""Print the table of what was tried of every framework, and how it ended.

    python tools/dev/try_frameworks.py --out docs/frameworks.md

Runs tests/frameworks, each framework's own tools on each of our configs for
it, and reads the table from the tests' reports, of which work_dirs/frameworks
keeps one per framework. --only runs some again, and takes the others' rows
from what is kept; --report reads reports that pytest has written elsewhere
(--junit-xml), later ones over earlier ones. What follows a -- goes to pytest.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os
import subprocess
import xml.etree.ElementTree as ET
from argparse import Namespace
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

from mmacda.apis.command_line import (CommandParser, output_file,
                                      run_command)
from mmacda.io.files import whole_file

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / 'work_dirs' / 'frameworks'
FRAMEWORKS = ('mmpretrain', 'mmdet', 'mmseg', 'mmpose', 'mmagic')
TRIES = ('train', 'test', 'inference', 'resume', 'amp', 'ema', 'ddp')
INTRODUCTION = """\
# Frameworks, tried with their own tools

Each framework's unmodified train.py and test.py, `init_*` and inferencers, on
a few pictures that the tests write: two iterations of training and a test
(train), testing a checkpoint (test), inference, going on (resume), `--amp`
(amp), `EMAHook` (ema), two processes (ddp). It shows that things run, not how
well they learn. From the reports of the tests by tools/dev/try_frameworks.py;
`make test-frameworks` runs all of it anew.
"""


class Tried(NamedTuple):
    """What reports say."""
    outcomes: Dict[Tuple[str, str], str]  # config, try -> how it ended
    versions: Dict[str, str]


def run_tests(framework: str, arguments: List[str]) -> int:
    """Run the tests of a framework; pytest's exit code."""
    tests = [f'tests/frameworks/test_{framework}.py']
    metafiles = 'tests/frameworks/test_metafiles.py::test_'
    if framework in ('mmdet', 'mmseg', 'mmpose'):
        tests.append(
            f'{metafiles}parameters_and_flops_are_counted[{framework}]')
    elif framework == 'mmpretrain':
        tests.append(f'{metafiles}mim_search_lists_every_config')
    REPORTS.mkdir(parents=True, exist_ok=True)
    return subprocess.run([
        sys.executable, '-m', 'pytest', '-m', 'long or not long',
        f'--junit-xml={REPORTS / framework}.xml', *tests, *arguments
    ], cwd=ROOT).returncode


def read_reports(reports: List[Path]) -> Tried:
    """Outcomes of the tries in reports of pytest's, later over earlier ones.

    Raises:
        ValueError: If there are none.
    """
    tried = Tried({}, {})
    for report in reports:
        root = ET.parse(report).getroot()
        tried.versions.update(
            (entry.get('name', ''), entry.get('value', ''))
            for entry in root.findall('./testsuite/properties/property'))
        for case in root.iter('testcase'):
            name, _, config = case.get('name', '').partition('[')
            name = name.replace('test_', '', 1)
            if name in TRIES and config:
                tried.outcomes[config.rstrip(']'), name] = _outcome(case)
    if not tried.outcomes:
        raise ValueError(
            f'no tries of frameworks in {", ".join(map(str, reports))}: are '
            'mmdet, mmseg and mmpose installed (make test-frameworks)?')
    return tried


def _outcome(case: ET.Element) -> str:
    for child in case:
        if child.tag in ('failure', 'error'):
            return 'failed'
        if child.tag == 'skipped':
            return child.get('message') or 'skipped'
    return 'ok'


def format_table(tried: Tried, folder: Path = ROOT) -> str:
    """A Markdown table, a row per config; why tries were left out below.

    Args:
        tried (Tried): From :func:`read_reports`.
        folder (Path): That the links to configs start from.
    """
    from tests.frameworks.frameworks import FRAMEWORKS as CONFIGS
    start = os.path.relpath(ROOT / 'configs', folder)
    lines = [
        '| framework | config | ACDA by | ' + ' | '.join(TRIES) + ' |',
        '|---' * (3 + len(TRIES)) + '|'
    ]
    notes: List[str] = []
    for name, framework in CONFIGS.items():
        for config, way in framework.configs.items():
            cells = []
            for kind in TRIES:
                outcome = tried.outcomes.get((config, kind), 'not run')
                if outcome not in ('ok', 'failed', 'not run'):
                    if outcome not in notes:
                        notes.append(outcome)
                    outcome = f'({notes.index(outcome) + 1})'
                cells.append(outcome)
            if set(cells) != {'not run'}:
                lines.append(' | '.join([
                    f'| {name}', f'[{config}]({start}/{config}.py)', way,
                    *cells
                ]) + ' |')
    lines += [f'\n({n}) {note}' for n, note in enumerate(notes, 1)]
    lines += [
        f'\n{framework.note}' for name, framework in CONFIGS.items()
        if framework.note and any(config in framework.configs
                                  for config, _ in tried.outcomes)
    ]
    if tried.versions:
        lines.append('\nWith ' + ', '.join(
            f'{name} {version}'
            for name, version in tried.versions.items()) + '.')
    return '\n'.join(lines)


def try_frameworks(args: Namespace) -> None:
    """Run, read, print and write.

    Raises:
        SystemExit: With pytest's exit code, if it is not 0.
    """
    code, reports = 0, args.report
    if reports is None:
        for framework in args.only or FRAMEWORKS:
            code = run_tests(framework, args.pytest) or code
        reports = [path for path in (REPORTS / f'{framework}.xml'
                                     for framework in FRAMEWORKS)
                   if path.exists()]
    tried = read_reports(reports)
    print(format_table(tried))
    if args.out:
        table = format_table(tried, Path(args.out).resolve().parent)
        with whole_file(args.out, 'w') as file:
            file.write(f'{INTRODUCTION}\n{table}\n')
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
        '--only', nargs='+', choices=FRAMEWORKS, help='run these alone')
    parser.add_argument(
        '--report',
        type=Path,
        nargs='+',
        metavar='FILE',
        help="of pytest's, to read in place of a run")
    parser.add_argument(
        'pytest', nargs='*', help="pytest's arguments, after --")
    run_command(parser, try_frameworks)


if __name__ == '__main__':
    main()
