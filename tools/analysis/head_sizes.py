"""Which scales of ACDA's bases answer heads of which size (Section 4.2).

    python tools/analysis/head_sizes.py CONFIG CHECKPOINT --out head_sizes.png
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace

import numpy as np
from mmengine.registry import DATASETS, DefaultScope
from scipy.stats import spearmanr

from mmacda.apis.analysis_command import (add_figure_arguments,
                                          add_model_arguments)
from mmacda.apis.command_line import CommandParser, progress, run_command
from mmacda.apis.load_model import load_model
from mmacda.apis.read_config import ConfigError
from mmacda.visualization.figures import save_figure
from mmacda.visualization.head_sizes import draw_head_scales, scales_at_heads


def measure(args: Namespace) -> None:
    model = load_model(args.config, args.checkpoint, args.device,
                       args.cfg_options)
    cfg = model.cfg
    if not cfg.get('test_dataloader'):
        raise ConfigError(f'{cfg.filename} has no test_dataloader')
    with DefaultScope.overwrite_default_scope(
            cfg.get('default_scope', 'mmengine')):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    if not infos or 'head_sizes' not in infos[0]:
        raise ValueError(f'{type(dataset).__name__} does not tell the sizes '
                         'of heads: take a config on SyntheticCrowd')
    sizes = np.concatenate([info['head_sizes'] for info in infos])
    samples = (dataset[index] for index in range(len(dataset)))
    layers = scales_at_heads(
        model, progress(samples, 'images', len(dataset)), args.layers)
    correlations = {
        name: float(spearmanr(layer.mean_scale, sizes)[0])
        for name, layer in layers.items()
    }
    print(f'{len(sizes)} heads of {sizes.min():.0f} to {sizes.max():.0f} '
          f'pixels in {len(dataset)} images. Rank correlation of the size of '
          'a head and the scale, averaged by energy, at its pixel:')
    for name, layer in layers.items():
        small, large = (layer.mean_scale[chosen].mean() for chosen in (
            sizes <= np.quantile(sizes, 0.25),
            sizes >= np.quantile(sizes, 0.75)))
        print(f'{name}: {correlations[name]:+.3f} (mean scale {small:.2f} at '
              f'the smallest quarter of heads, {large:.2f} at the largest)')
    save_figure(
        draw_head_scales(sizes, layers, correlations), args.out, args.dpi)
    print(args.out)


def main() -> None:
    parser = CommandParser(__doc__)
    add_model_arguments(parser)
    add_figure_arguments(parser, 'head_sizes.png')
    run_command(parser, measure)


if __name__ == '__main__':
    main()
