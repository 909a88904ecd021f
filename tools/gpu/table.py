"""The rows of a check as tables in Markdown, beside their goals."""
import csv
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Tuple

from tools.benchmarks import gpu_goals
from tools.benchmarks.common import ROOT
from tools.benchmarks.gpu_goals import (BOTH, FORWARD, GRAPH)

from .journal import BAD, CHECKS, LEFT_OUT, PASSED, WARNED
from .timing import HOST

README = ROOT / 'benchmarks' / 'README.md'
BEGIN = '<!-- python -m tools.gpu --table -->\n'
END = '<!-- end of the table -->\n'
OURS = 'triton'
# Of calls: heading, measure, rival.
RATIOS = (
    ('forward / conv 7x7', FORWARD + GRAPH, 'conv7'),
    ('fwd+bwd / conv 7x7', BOTH + GRAPH, 'conv7'),
    ('forward / unfold + einsum', FORWARD + GRAPH, 'unfold'),
    ('fwd+bwd / unfold + einsum', BOTH + GRAPH, 'unfold'),
    ('eager forward / conv 7x7', FORWARD, 'conv7'),
    ('extra peak / unfold + einsum: forward', f'peak {FORWARD}', 'unfold'),
    ('fwd+bwd', f'peak {BOTH}', 'unfold'),
)
NETWORKS = {
    'acda': 'Ad-ResNet-s', 'acda-light': 'Ad-ResNet-s, light generator',
    'conv3': 'its 3x3 twin', 'conv7': 'its 7x7 twin',
    'resnet18': 'ResNet-18', 'acda on stock': 'Ad-ResNet-s without Triton',
}
GENERATORS = {'acda': 'default', 'acda-half': '3x3 1x1',
              'acda-light': 'light',
              'acda-light, on the fly': 'light, made in the tile'}

# (case, dtype, measure, contestant, rival, unit)
Key = Tuple[str, str, str, str, str, str]


class Rows:
    """Medians of a section, and what machine they are from."""

    def __init__(self, folder: Path, section: str, device: str):
        path = Path(folder) / f'{section}-{device}.csv'
        self.rows: List[Dict[str, str]] = []
        if path.exists():
            with open(path, newline='', encoding='utf-8') as file:
                self.rows = list(csv.DictReader(file))
        self.medians: Dict[Key, float] = {
            (row['case'], row['dtype'], row['measure'], row['contestant'],
             row['rival'], row['unit']): float(row['median'])
            for row in self.rows if 'median' in row
        }

    def layers(self) -> List[Tuple[str, str]]:
        """(case, dtype), in the order of the rows."""
        return list(dict.fromkeys((row['case'], row['dtype'])
                                  for row in self.rows))

    def find(self, case: str, dtype: str, measure: str, name: str,
             rival: str = '', unit: str = '') -> Optional[float]:
        unit = unit or ('x' if rival else 'ms')
        return self.medians.get((case, dtype, measure, name, rival, unit))

    def machine(self) -> str:
        """Of the section's first row."""
        if not self.rows:
            return ''
        row = self.rows[0]
        return (f'{row["date"]}, {row["device"]}, ' + ', '.join(
            f'{name} {row[name]}' for name in ('torch', 'triton', 'cuda',
                                               'cudnn') if row.get(name)))


def make(folder: Path, device: str) -> str:
    """All tables that there are rows for."""
    calls = Rows(folder, 'calls', device)
    parts = []
    if device == 'cpu':
        parts.append('Rehearsed on a CPU, Triton interpreted: the figures '
                     'mean nothing.')
    elif not calls.rows:
        parts.append('Nothing has been measured here yet.')
    if calls.rows:
        parts += [f'{calls.machine()}; goals in brackets, bold misses its '
                  'own.', calls_table(calls), times_table(calls)]
    for rows, write in ((Rows(folder, 'networks', device), networks_table),
                        (Rows(folder, 'layers', device), layers_table)):
        if rows.rows:
            parts.append(write(rows))
    parts.append(checks(Rows(folder, CHECKS, device)))
    return '\n\n'.join(filter(None, parts))


def grid(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [f'| {" | ".join(line)} |' for line in [list(header), *rows]]
    columns = lines[0].count(' | ') + 1
    return '\n'.join([lines[0], '|' + '---|' * columns, *lines[1:]])


def cell(value: Optional[float], goal: Optional[float] = None,
         least: bool = False) -> str:
    """A ratio with its goal in brackets; bold where it misses it."""
    if value is None:
        return '' if goal is None else f'({goal:.3g})'
    text = f'{value:.3g}'
    if goal is None:
        return text
    missed = value < goal if least else not value <= goal
    return f'**{text}** ({goal:.3g})' if missed else f'{text} ({goal:.3g})'


def ratios(case: str, dtype: str, find) -> List[str]:
    return [
        cell(find(measure, rival),
             gpu_goals.limit(case, measure, OURS, rival, dtype))
        for _, measure, rival in RATIOS
    ]


def calls_table(rows: Rows) -> str:
    return grid(
        ('(B, C, H, W)', 'dtype', *[heading for heading, *_ in RATIOS]),
        ([case, dtype, *ratios(
            case, dtype, lambda measure, rival, case=case, dtype=dtype:
            rows.find(case, dtype, measure, OURS, rival))]
         for case, dtype in rows.layers()))


def times_table(rows: Rows) -> str:
    """What of an eager call is the host's."""
    measures = (FORWARD + GRAPH, FORWARD, FORWARD + HOST, BOTH + GRAPH, BOTH,
                BOTH + HOST)
    return grid(
        ('(B, C, H, W), ms', 'dtype', 'forward: graph', 'eager',
         'of it the host', 'fwd+bwd: graph', 'eager', 'of it the host'),
        ([case, dtype, *[cell(rows.find(case, dtype, measure, OURS))
                         for measure in measures]]
         for case, dtype in rows.layers()))


def networks_table(rows: Rows) -> str:
    """Images per second of CUDA graphs; ratios are of training."""
    lines = []
    for case, dtype in rows.layers():
        for name, title in NETWORKS.items():
            training, inference = (
                rows.find(case, dtype, measure + GRAPH, name, unit='images/s')
                or rows.find(case, dtype, measure, name, unit='images/s')
                for measure in ('training', 'inference'))
            shares = [rows.find(case, dtype, f'training{GRAPH}', name, rival)
                      for rival in ('conv3', 'conv7')]
            goals = [gpu_goals.IMAGES_PER_SECOND[rival]
                     if name == 'acda-light' else None
                     for rival in ('conv3', 'conv7')]
            peak = rows.find(case, dtype, 'peak training', name, unit='MiB')
            lines.append([
                title, case.split()[-1], cell(training),
                *[cell(share and 1 / share, goal, least=True)
                  for share, goal in zip(shares, goals)],
                cell(rows.find(case, dtype, 'training', name,
                               unit='images/s')),
                cell(inference), cell(peak and peak / 1024)])
    return grid(
        ('network', 'batch', 'training, images/s', '/ 3x3 twin', '/ 7x7 twin',
         'eager', 'inference, images/s', 'peak of training, GiB'), lines)


def layers_table(rows: Rows) -> str:
    columns = [(measure, rival) for measure in ('inference', 'training')
               for rival in ('conv3', 'conv7')]
    return grid(
        ('whole layer (B, C, H, W), graph time', 'generator',
         *[f'{measure} / {rival[:-1]} {rival[-1]}x{rival[-1]}'
           for measure, rival in columns]),
        ([case, title, *[cell(rows.find(case, dtype, measure + GRAPH, name,
                                        rival)) for measure, rival in columns]]
         for case, dtype in rows.layers()
         for name, title in GENERATORS.items()))


def checks(rows: Rows) -> str:
    """How many cases passed, and all that did not."""
    counts: Dict[str, int] = {}
    for row in rows.rows:
        counts[row['outcome']] = counts.get(row['outcome'], 0) + 1
    if not counts:
        return ''
    lines = ['Checks: ' + ', '.join(
        f'{counts[outcome]} {outcome}'
        for outcome in (PASSED, *BAD, WARNED, LEFT_OUT)
        if outcome in counts) + '.']
    lines += [f'- {row["step"]} {row["case"]}: {row["outcome"]}, '
              f'{row["message"]}' for row in rows.rows
              if row['outcome'] in (*BAD, WARNED)]
    return '\n'.join(lines)


def write_readme(text: str, path: Path = README) -> None:
    """Replace the table in the benchmarks' README."""
    before = path.read_text(encoding='utf-8')
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f'{head}{BEGIN}\n{text}\n\n{END}{tail}', encoding='utf-8')
