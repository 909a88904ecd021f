"""Tables of benchmarks/results, and the short one of README.

    python -m tools.dev.pages.rows           # prints README's table
    python -m tools.dev.pages.rows --write   # puts it there
"""
import tools.begin  # noqa: F401  before what takes seconds

import csv
import re
from argparse import Namespace
from pathlib import Path
from typing import Dict, List

from mmacda.apis.command_line import CommandParser, run_command

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / 'benchmarks' / 'results'
TITLES = {
    'models-cpu': 'Layers and networks',
    'speed-cpu': 'The operator: time',
    'memory-cpu': 'The operator: memory',
    'sweep-cpu': 'Many shapes',
    'growth-cpu': 'Growth with the size of the map',
    'table7-cpu': "The paper's Table 7",
}
LAYERS = ('1x256x64x64', '4x128x28x28', '8x64x32x32', '2x64x112x112')
PLACE = re.compile(r"(<!-- layer's cost -->\n\n?).*?(<!-- end -->)", re.DOTALL)


def read_rows(name: str) -> List[Dict[str, str]]:
    """Rows of one file of benchmarks/results."""
    with open(RESULTS / f'{name}.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def _figure(text: str) -> str:
    return f'{float(text):.3g}'


def row_tables() -> str:
    """Every row of every file, by section."""
    parts = []
    found = sorted(path.stem for path in RESULTS.glob('*.csv'))
    for name in [*(n for n in TITLES if n in found),
                 *(n for n in found if n not in TITLES)]:
        rows = read_rows(name)
        first = rows[0]
        lines = [
            f'### {TITLES.get(name, name)}', '',
            f'{first["date"]}, torch {first["torch"]}, {first["threads"]} '
            f'threads on {first["cores"]} cores, {first["device"]}. From '
            f'`benchmarks/results/{name}.csv`.', '',
            '| case | measure | what | against | median | quartiles | goal |',
            '|---|---|---|---|---|---|---|'
        ]
        for row in rows:
            if row['dtype'] != 'float32':
                row['measure'] += f', {row["dtype"]}'
            goal = f'{_figure(row["goal"])}: {row["met"]}' if row[
                'goal'] else ''
            lines.append(
                f'| {row["case"]} | {row["measure"]} | {row["contestant"]} | '
                f'{row["rival"]} | {_figure(row["median"])} {row["unit"]} | '
                f'{_figure(row["lower"])} to {_figure(row["upper"])} | '
                f'{goal} |')
        parts.append('\n'.join(lines))
    return '\n\n'.join(parts)


def layer_table() -> str:
    """README's table: the layer with the light generator, in ratios."""
    ratios = {(row['case'], row['measure'], row['rival']): row['median']
              for row in read_rows('models-cpu')
              if row['contestant'] == 'acda-light' and row['unit'] == 'x'}
    lines = [
        '| (B, C, H, W) | inference / conv 3x3 | inference / conv 7x7 | '
        'training / conv 3x3 |', '|---|---|---|---|'
    ]
    for case in LAYERS:
        figures = [
            _figure(ratios[f'layer {case}', measure, rival])
            for measure, rival in (('inference', 'conv3'), (
                'inference', 'conv7'), ('training', 'conv3'))
        ]
        lines.append(f'| {case.replace("x", ", ")} | '
                     f'{" | ".join(figures)} |')
    return '\n'.join(lines)


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--write', action='store_true', help="replace README's table")
    return parser


def show(args: Namespace) -> None:
    """Print README's table, or put it there."""
    table, path = layer_table(), ROOT / 'README.md'
    if not args.write:
        print(table)
        return
    text = path.read_text(encoding='utf-8')
    text = PLACE.sub(lambda found: f'{found[1]}{table}\n\n{found[2]}', text)
    path.write_text(text, encoding='utf-8')


def main() -> None:
    run_command(make_parser(), show)


if __name__ == '__main__':
    main()
