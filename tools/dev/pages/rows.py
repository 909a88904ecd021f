"""Tables of benchmarks/results, and those of layers in both READMEs.

    python -m tools.dev.pages.rows           # prints the READMEs' tables
    python -m tools.dev.pages.rows --write   # puts them there
"""
import tools.begin  # noqa: F401  before what takes seconds

import csv
import re
from argparse import Namespace
from pathlib import Path
from typing import Dict, List, Tuple

from mmacda.apis.command_line import CommandParser, run_command
from tools.benchmarks.multiply_adds import ratio

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / 'benchmarks' / 'results'
TITLES = {
    'models-cpu': 'Layers and networks',
    'speed-cpu': 'The operator: time',
    'memory-cpu': 'The operator: memory',
    'sweep-cpu': 'Many shapes',
    'growth-cpu': 'Growth with the size of the map',
    'table7-cpu': "The paper's Table 7",
    'layer-sweep-cpu': 'Coefficients made on the fly, many layers',
    'calls-cuda': 'The operator on a GPU',
    'networks-cuda': 'Networks on a GPU',
    'environment-cuda': 'The GPU itself',
}
LAYERS = ('1x256x64x64', '4x128x28x28', '8x64x32x32', '2x64x112x112')
NETWORKS = 'acda', 'acda-light'
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
    found = sorted(path.stem for path in RESULTS.glob('*.csv')
                   if not path.stem.startswith('checks-'))  # no figures
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


def _ratios() -> Dict[tuple, Dict[str, str]]:
    """Rows of the layers and networks by case, contestant, measure, rival."""
    return {(row['case'], row['contestant'], row['measure'], row['rival']): row
            for row in read_rows('models-cpu') if row['unit'] == 'x'}


def layer_table() -> str:
    """README's table: the layer with its two cheaper generators, in ratios."""
    ratios = _ratios()
    lines = [
        '| (B, C, H, W): medium, light | inference / conv 3x3 | inference / '
        'conv 7x7 | training / conv 3x3 | the same inside a network |',
        '|---|---|---|---|---|'
    ]
    for case in LAYERS:
        cells = [
            ', '.join(
                _figure(ratios[f'layer {case}', form, *kind]['median'])
                for form in ('acda-half', 'acda-light'))
            for kind in (('inference', 'conv3'), ('inference', 'conv7'),
                         ('training', 'conv3'), ('training inside', 'conv3'))
        ]
        lines.append(f'| {case.replace("x", ", ")} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def _beside_goal(row: Dict[str, str]) -> str:
    """A ratio with its goal in brackets; bold misses it."""
    text = _figure(row['median'])
    if not row['goal']:
        return text
    goal = f'({_figure(row["goal"])})'
    return f'{text} {goal}' if row['met'] == 'met' else f'**{text}** {goal}'


def bound_table(forms: Tuple[str, ...]) -> List[str]:
    """The same ratios as multiply-adds alone would have them."""
    kinds = (('inference', 'conv3'), ('inference', 'conv7'),
             ('training', 'conv3'), ('training inside', 'conv3'))
    lines = [
        '| by multiply-adds, C | inference / conv 3x3: default, 3x3 1x1, '
        'light | inference / conv 7x7 | training / conv 3x3 | the same inside '
        'a network |', '|---|---|---|---|---|'
    ]
    for channels in sorted({int(name.split('x')[1]) for name in LAYERS}):
        cells = [
            ', '.join(f'{ratio(channels, form, rival, measure):.3g}'
                      for form in forms) for measure, rival in kinds
        ]
        lines.append(f'| {channels} | {" | ".join(cells)} |')
    return lines


def lenet_table(forms: Tuple[str, ...]) -> List[str]:
    """Images per second of LeNet, by generator and without."""
    times = {(row['case'], row['measure'], row['contestant']): row['median']
             for row in read_rows('models-cpu') if row['unit'] == 'ms'}
    lines = [
        '| images per second | default | 3x3 1x1 | light | plain |',
        '|---|---|---|---|---|'
    ]
    for case in sorted({c for c, *_ in times if c.startswith('LeNet')}):
        batch = int(case.split()[1].split('x')[0])
        for measure in ('inference', 'training'):
            cells = [
                f'{1000 * batch / float(times[case, measure, form]):,.0f}'
                for form in (*forms, 'conv')
            ]
            lines.append(f'| {case}, {measure} | {" | ".join(cells)} |')
    return lines


def price_tables() -> str:
    """Tables of benchmarks/README.md: layers by generator, and networks."""
    ratios = _ratios()

    def cell(case: str, forms: tuple, *kind: str) -> str:
        return ', '.join(
            _beside_goal(ratios[case, form, *kind]) for form in forms)

    first, lines = read_rows('models-cpu')[0], [
        '| (B, C, H, W) | inference / conv 3x3: default, 3x3 1x1, light | '
        'inference / conv 7x7 | training / conv 3x3 | the same inside a '
        'network |', '|---|---|---|---|---|'
    ]
    forms = 'acda', 'acda-half', 'acda-light'
    for name in LAYERS:
        case = f'layer {name}'
        lines.append(' | '.join([
            f'| {name.replace("x", ", ")}',
            cell(case, forms, 'inference', 'conv3'),
            cell(case, forms, 'inference', 'conv7'),
            cell(case, forms, 'training', 'conv3'),
            cell(case, forms, 'training inside', 'conv3')
        ]) + ' |')
    lines += ['', *bound_table(forms)]
    networks = sorted({case for case, *_ in ratios if 'ResNet' in case})
    lines += ['', '| against the 3x3 twin | inference: default, light | '
              'training step |', '|---|---|---|']
    lines += [
        f'| {case} | {cell(case, NETWORKS, "inference", "conv")} | '
        f'{cell(case, NETWORKS, "training", "conv")} |' for case in networks
    ]
    lines += ['', *lenet_table(forms)]
    met = [row['met'] == 'met' for row in ratios.values() if row['goal']]
    lines += ['', f'{first["date"]}, torch {first["torch"]}, '
              f'{first["threads"]} threads on {first["cores"]} cores '
              f'({first["device"]}): {sum(met)} of {len(met)} goals met.']
    return '\n'.join(lines)


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--write', action='store_true', help='replace the tables there')
    return parser


# What stands between the marks of each file.
TABLES = {'README.md': layer_table, 'benchmarks/README.md': price_tables}


def show(args: Namespace) -> None:
    """Print the tables, or put them where they stand."""
    for name, make in TABLES.items():
        table, path = make(), ROOT / name
        if not args.write:
            print(f'{name}\n\n{table}\n')
            continue
        text = path.read_text(encoding='utf-8')
        before, after = PLACE.search(text).groups()
        path.write_text(
            PLACE.sub(lambda _, new=f'{before.rstrip()}\n\n{table}\n\n{after}':
                      new, text), encoding='utf-8')


def main() -> None:
    run_command(make_parser(), show)


if __name__ == '__main__':
    main()
