"""Which scales of ACDA's bases answer heads of which size (Section 4.2).

    python tools/analysis/head_sizes.py CONFIG CHECKPOINT --out head_sizes.png
"""
from argparse import Namespace

import numpy as np
from mmengine.registry import DATASETS, DefaultScope
from scipy.stats import spearmanr

from mmacda.apis.analysis_command import add_model_arguments
from mmacda.apis.command_line import CommandParser, output_file, run_command
from mmacda.apis.load_model import load_model
from mmacda.visualization.figures import save_figure
from mmacda.visualization.head_sizes import draw_head_scales, scales_at_heads


def measure(args: Namespace) -> None:
    model = load_model(args.config, args.checkpoint, args.device,
                       args.cfg_options)
    cfg = model.cfg
    with DefaultScope.overwrite_default_scope(
            cfg.get('default_scope', 'mmengine')):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    if 'head_sizes' not in infos[0]:
        raise ValueError(f'{type(dataset).__name__} does not tell the sizes '
                         'of heads: take a config on SyntheticCrowd')
    sizes = np.concatenate([info['head_sizes'] for info in infos])
    layers = scales_at_heads(
        model, (dataset[index] for index in range(len(dataset))), args.layers)
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
    save_figure(draw_head_scales(sizes, layers, correlations), args.out)
    print(args.out)


def main() -> None:
    parser = CommandParser(__doc__)
    add_model_arguments(parser)
    parser.add_argument('--out', type=output_file, default='head_sizes.png')
    run_command(parser, measure)


if __name__ == '__main__':
    main()
