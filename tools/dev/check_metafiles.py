"""Check every family's README.md against its metafile.yml.

    python tools/dev/check_metafiles.py --count

Each folder of configs has both files, model-index.yml imports every metafile,
each metafile lists every config of its folder, and the tables of the README
say the same as the metafile. With ``--count``, the parameters and FLOPs of the
metafile are counted anew from the configs.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import re
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, Tuple

import yaml

from mmacda.apis.command_line import CommandParser, run_command

FRAMEWORKS = ('mmdet', 'mmseg', 'mmpose')  # folders of their names
PROPOSALS = 1000  # of mmdet's test_cfg.rpn.max_per_img
ROOT = Path(__file__).resolve().parents[2]
# Key of a model's Metadata -> columns of a README's table, with their units.
METADATA_COLUMNS = {
    'Parameters': {
        'Params (M)': 1e6,
        'Params (K)': 1e3
    },
    'FLOPs': {
        'FLOPs (G)': 1e9,
        'FLOPs (M)': 1e6
    }
}
LINK = re.compile(r'\]\((?:\./)?([\w.-]+)\.py\)')


def find_families(root: Path) -> List[Path]:
    """Folders of configs."""
    return sorted(folder for folder in (root / 'configs').iterdir()
                  if folder.name != '_base_' and any(folder.glob('*.py')))


def read_tables(readme: str) -> Dict[str, Dict[str, str]]:
    """Rows of all tables that link a config: name -> column -> cell.

    Raises:
        ValueError: If two rows link one config.
    """
    rows: Dict[str, Dict[str, str]] = {}
    header: List[str] = []
    for line in readme.splitlines():
        if not line.startswith('|'):
            header = []
            continue
        cells = [cell.strip() for cell in line.strip().strip('|').split('|')]
        if not header:
            header = cells
            continue
        names = LINK.findall(line)
        if len(names) != 1:
            continue
        if names[0] in rows:
            raise ValueError(f'{names[0]} has two rows')
        rows[names[0]] = dict(zip(header, cells))
    return rows


def expected_cells(model: dict, row: Dict[str, str]) -> Dict[str, float]:
    """What a README's row must say of a model: column -> number."""
    numbers = {}
    for key, columns in METADATA_COLUMNS.items():
        if key in model.get('Metadata', {}):
            column = next((c for c in columns if c in row), min(columns))
            numbers[column] = model['Metadata'][key] / columns[column]
    for result in model.get('Results', []):
        numbers.update(result.get('Metrics', {}))
    return numbers


def compare_row(model: dict, row: Dict[str, str]) -> List[str]:
    """Differences between a model of the metafile and its row."""
    problems = []
    expected = expected_cells(model, row)
    for column, number in expected.items():
        cell = row.get(column)
        if cell is None:
            problems.append(f'no column {column!r}')
            continue
        decimals = len(cell.partition('.')[2])
        if cell != f'{number:.{decimals}f}':
            problems.append(f'{column}: README has {cell!r}, metafile has '
                            f'{number}')
    for column, cell in row.items():
        if column not in expected and re.fullmatch(r'\d+(\.\d+)?', cell):
            problems.append(f'{column}: {cell} is not in the metafile')
    return problems


def input_shape(text: str) -> Tuple[int, ...]:
    """Channels, height and width from a metafile's text."""
    return tuple(int(size) for size in text.split(','))


def unreadable(metadata: dict) -> List[str]:
    """What `mim search` cannot read: lists of anything but words."""
    return [
        f'{key}: `mim search` reads numbers, words and lists of words, not '
        f'{value!r}; write "3, 224, 224" for a shape'
        for key, value in metadata.items()
        if isinstance(value, dict) or isinstance(value, list)
        and not (value and all(isinstance(v, str) for v in value))
    ]


def check_family(root: Path, folder: Path) -> List[str]:
    """Problems of one folder of configs."""
    readme, metafile = folder / 'README.md', folder / 'metafile.yml'
    missing = [f'{path.name} is missing' for path in (readme, metafile)
               if not path.is_file()]
    if missing:
        return missing
    content = yaml.safe_load(metafile.read_text(encoding='utf-8'))
    collections = {c['Name']: c for c in content['Collections']}
    problems = [
        f"collection {name}: README {collection.get('README')} does not exist"
        for name, collection in collections.items()
        if not (root / str(collection.get('README'))).is_file()
    ]
    try:
        rows = read_tables(readme.read_text(encoding='utf-8'))
    except ValueError as error:
        return [*problems, f'README.md: {error}']
    names = [model['Name'] for model in content['Models']]
    configs = {path.stem for path in folder.glob('*.py')}
    for name in sorted(configs.symmetric_difference(names)):
        problems.append(f'{name}: a config and a model of the metafile must '
                        'have the same name')
    for name in sorted(set(rows).symmetric_difference(names)):
        problems.append(f'{name}: a row of the README and a model of the '
                        'metafile must have the same name')
    for model in content['Models']:
        name = model['Name']
        where = (folder / f'{name}.py').relative_to(root).as_posix()
        if model.get('Config') != where:
            problems.append(f"{name}: Config is {model.get('Config')}, not "
                            f'{where}')
        if model.get('In Collection') not in collections:
            problems.append(f'{name}: unknown collection')
        problems += [f'{name}: {problem}'
                     for problem in unreadable(model.get('Metadata', {}))]
        if name in rows:
            problems += [f'{name}: {p}'
                         for p in compare_row(model, rows[name])]
    return problems


def count_config(network: Any, shape: Tuple[int, ...]) -> Tuple[int, int]:
    """Parameters and FLOPs of a model, which is not computed.

    A detector of two stages is given ``PROPOSALS`` boxes, as its users test.
    """
    from inspect import signature

    from mmacda.apis.complexity import count_model
    network = network.to('meta')
    options = {}
    if 'data_samples' in signature(network.forward).parameters:
        options['data_samples'] = None
    found = count_model(network, shape, **options) \
        if not hasattr(network, 'roi_head') else \
        count_model(two_stages(network), shape)
    return found.params, found.flops


def two_stages(detector: Any) -> Any:
    """Of mmdet's: all that computes, on boxes that it need not choose."""
    import torch.nn as nn

    class Stages(nn.Module):

        def __init__(self):
            super().__init__()
            self.detector = detector

        def forward(self, images):
            features = detector.extract_feat(images)
            head = detector.roi_head.bbox_head
            pooled = features[0].new_zeros(
                (PROPOSALS, head.in_channels, *head.roi_feat_size))
            return detector.rpn_head(features), head(pooled)

    return Stages()


def check_counts(root: Path, folder: Path) -> List[str]:
    """Models whose Parameters or FLOPs are not what their config gives."""
    from mmengine.config import Config

    from mmacda.apis.load_model import build_model
    problems = []
    for model in yaml.safe_load(
        (folder / 'metafile.yml').read_text(encoding='utf-8'))['Models']:
        metadata = model.get('Metadata', {})
        if not {'Parameters', 'FLOPs'} & set(metadata):
            continue
        if folder.name in FRAMEWORKS and not find_spec(folder.name):
            print(f'configs/{folder.name}: not counted, {folder.name} is not '
                  'installed')
            break
        found = count_config(
            build_model(Config.fromfile(root / model['Config'])),
            input_shape(metadata.get('Input Shape', '3, 224, 224')))
        for key, counted in zip(('Parameters', 'FLOPs'), found):
            if key in metadata and metadata[key] != counted:
                problems.append(f"{model['Name']}: {key} is {metadata[key]}, "
                                f'but {counted} were counted')
    return problems


def check(root: Path, count: bool = False) -> List[str]:
    """All problems of a repository, as readable lines."""
    families = find_families(root)
    index = yaml.safe_load((root / 'model-index.yml').read_text(
        encoding='utf-8'))
    expected = [(folder / 'metafile.yml').relative_to(root).as_posix()
                for folder in families]
    problems = [
        f'model-index.yml: Import must name each metafile once, look at {path}'
        for path in sorted(set(expected).symmetric_difference(index['Import']))
    ]
    for folder in families:
        found = check_family(root, folder)
        if count and not found:
            found = check_counts(root, folder)
        problems += [f'configs/{folder.name}: {problem}' for problem in found]
    return problems


def report(args: Namespace) -> None:
    """Check what the command line asks for.

    Raises:
        SystemExit: With the problems, if there are any.
    """
    problems = check(args.root, args.count)
    if problems:
        raise SystemExit('\n'.join(problems))
    print(f'Families checked: {len(find_families(args.root))}. READMEs, '
          'metafiles and model-index.yml agree')


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--root', type=Path, default=ROOT, help='repository to check')
    parser.add_argument(
        '--count',
        action='store_true',
        help='also count parameters and FLOPs of every config')
    run_command(parser, report)


if __name__ == '__main__':
    main()
