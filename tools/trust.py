"""Print the claims of tests/trust/claims.yml beside what tests measured.

    python tools/trust.py           # quick tests, and long ones run before
    python tools/trust.py --long    # all of them
    python tools/trust.py --no-run  # what was measured before

Runs the tests that are marked `trust`, and writes the table to
work_dirs/trust as Markdown and CSV. Needs a checkout with its tests.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(abspath(__file__))))
import tools.begin  # noqa: F401  before what takes seconds

import csv
import io
import json
import os
import subprocess
from argparse import Namespace
from pathlib import Path
from typing import Dict, List

import yaml

from mmacda.apis.command_line import (CommandParser, UsageError, output_folder,
                                      run_command)
from mmacda.io import whole_file

ROOT = Path(__file__).resolve().parents[1]
CLAIMS = ROOT / 'tests' / 'trust' / 'claims.yml'
COLUMNS = ('line', 'claim', 'what', 'figure', 'bound', 'result', 'test')


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--long', action='store_true', help='the long tests as well')
    what.add_argument(
        '--no-run', action='store_true', help='run nothing, print the table')
    parser.add_argument(
        '--out-dir',
        '--out',
        dest='out',
        type=output_folder,
        default='work_dirs/trust',
        help='folder of table and figures; default: work_dirs/trust')
    parser.add_argument(
        'pytest_args', nargs='*', help='after --, for pytest: paths, -k, ...')
    return parser


def forget(figures: Path, long: bool) -> None:
    """Drop what a whole run measures anew: some has no test any more."""
    for path in figures.glob('*.json'):
        if long or not json.loads(path.read_text(encoding='utf-8'))['long']:
            path.unlink()


def run_tests(args: Namespace, figures: Path) -> None:
    """Run the marked tests; each leaves its figures in a file."""
    if not args.pytest_args:
        forget(figures, args.long)
    marks = 'trust' if args.long else 'trust and not long'
    subprocess.run(
        [sys.executable, '-m', 'pytest', '-m', marks, *args.pytest_args],
        cwd=ROOT,
        env=dict(os.environ, MMACDA_FIGURES=str(figures.resolve())))


def load_records(figures: Path) -> List[dict]:
    return [json.loads(p.read_text(
        encoding='utf-8')) for p in sorted(figures.glob('*.json'))]


def format_value(value) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return f'{value:.3g}' if isinstance(value, float) else str(value)


def rows_of(claim: str, text: str, records: List[dict]) -> List[dict]:
    """Rows of one claim: its figures, and the tests that have none."""
    rows = []
    for record in records:
        test = record['test']
        if record['long']:
            test += f' (long, run at {record["commit"]})'
        measured = [f for f in record['figures'] if f['claim'] == claim]
        for figure in measured:
            rows.append(
                dict(
                    what=figure['name'],
                    value=figure['value'],
                    bound=figure['bound'],
                    relation=figure['relation'],
                    result='pass' if figure['passed'] else 'FAIL',
                    test=test))
        # A test of several claims stops at the first figure that fails.
        told = measured and not all(f['passed'] for f in record['figures'])
        result = None
        if record['outcome'] == 'failed' and not told:
            result = 'FAIL'
        elif record['outcome'] == 'skipped':
            result = 'skipped'
        elif not measured:
            result = 'pass'
        if result is not None:
            rows.append(
                dict(
                    what=text,
                    value=record['reason'],
                    bound=None,
                    relation='',
                    result=result,
                    test=test))
    if not records:
        rows.append(
            dict(
                what=text,
                value='no test of it was run',
                bound=None,
                relation='',
                result='FAIL',
                test='make test-long, if it has a long one'))
    line, name = claim.split('/')
    return [dict(line=line, claim=name, **row) for row in merge_cases(rows)]


def merge_cases(rows: List[dict]) -> List[dict]:
    """One row for the parametrised cases of a test that pass: the worst."""
    groups: Dict[tuple, List[dict]] = {}
    for row in rows:
        function, _, rest = row['test'].partition('[')
        suffix = rest.partition(']')[2] if rest else ''
        key = (function + suffix, row['what'], str(row['bound']),
               row['result'])
        if row['result'] == 'FAIL':
            key += (row['test'], )
        groups.setdefault(key, []).append(row)
    merged = []
    for key, group in groups.items():
        worst = dict(group[0])
        if len(group) > 1 and worst['bound'] is not None:
            choose = min if worst['relation'] == '>=' else max
            worst = dict(choose(group, key=lambda row: row['value']))
        if len(group) > 1:
            worst['test'] = f'{key[0]} ({len(group)} cases, the worst)'
        merged.append(worst)
    return [
        dict(
            what=row['what'],
            figure=format_value(row['value']),
            bound='' if row['bound'] is None else
            f'{row["relation"]} {format_value(row["bound"])}',
            result=row['result'],
            test=row['test']) for row in merged
    ]


def make_table(claims: Dict[str, dict], records: List[dict]) -> List[dict]:
    rows = []
    for line, texts in claims.items():
        for name, text in texts.items():
            claim = f'{line}/{name}'
            rows += rows_of(claim, text,
                            [r for r in records if claim in r['claims']])
    return rows


def to_markdown(rows: List[dict]) -> str:
    lines = [COLUMNS, ['---'] * len(COLUMNS)]
    lines += [[row[c].replace('|', r'\|') for c in COLUMNS] for row in rows]
    return ''.join('| ' + ' | '.join(line) + ' |\n' for line in lines)


def to_csv(rows: List[dict]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def write(path: Path, text: str) -> None:
    with whole_file(path, 'w') as file:
        file.write(text)


def report(args: Namespace) -> None:
    """Run what the command line asks for and print the table.

    Raises:
        SystemExit: With exit code 1 if a claim does not hold.
        UsageError: If this is no checkout.
    """
    if not CLAIMS.is_file():
        raise UsageError(f'{CLAIMS} is missing: run this in a checkout')
    out = Path(args.out)
    figures = out / 'figures'
    figures.mkdir(parents=True, exist_ok=True)
    if not args.no_run:
        run_tests(args, figures)
    claims = yaml.safe_load(CLAIMS.read_text(encoding='utf-8'))
    rows = make_table(claims, load_records(figures))
    write(out / 'trust.md', to_markdown(rows))
    write(out / 'trust.csv', to_csv(rows))
    print(to_markdown(rows))
    counts = {
        result: sum(row['result'] == result for row in rows)
        for result in ('pass', 'FAIL', 'skipped')
    }
    print(', '.join(f'{n} {result}' for result, n in counts.items()),
          f'- {out}/trust.md, trust.csv')
    if counts['FAIL']:
        raise SystemExit(1)


def main() -> None:
    run_command(make_parser(), report)


if __name__ == '__main__':
    main()
