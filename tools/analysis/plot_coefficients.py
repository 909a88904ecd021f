r"""Figure 7: energy of the basis coefficients, effective receptive fields.

    python tools/analysis/plot_coefficients.py work_dirs/demo/patterns.tiff \
        --config configs/patterns/acda_patterns.py \
        --checkpoint work_dirs/demo/acda_patterns/iter_500.pth
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os.path as osp
from argparse import Namespace
from typing import Dict

import torch

from mmacda.apis.analysis_command import (add_figure_arguments,
                                          add_image_arguments, model_and_image)
from mmacda.apis.command_line import CommandParser, run_command
from mmacda.apis.inspection import run_model
from mmacda.io import check_output
from mmacda.visualization import (CapturedLayer, CoefficientCapture,
                                  effective_receptive_field, scale_energies)
from mmacda.visualization.coefficient_figures import (draw_receptive_fields,
                                                      draw_scale_maps)
from mmacda.visualization.figures import save_figure
from mmacda.visualization.pixels import layer_pixel
from mmacda.visualization.receptive_field import field_moments


def energies_of(found: CapturedLayer) -> Dict[int, torch.Tensor]:
    """Scale to the energy map (Ho, Wo) of a single image."""
    maps = scale_energies(found.layer, found.coefficients)
    return {scale: energy[0].float().cpu() for scale, energy in maps.items()}


def plot(args: Namespace) -> None:
    if args.pixels and len(args.pixels) % 2:
        raise ValueError('--pixels takes pairs of a row and a column')
    stem, ending = osp.splitext(args.out)
    path = f'{stem}_receptive_fields{ending}'
    check_output(path, [args.image])
    model, inputs, image = model_and_image(args)
    with CoefficientCapture(model, args.layers) as captured:
        run_model(model, inputs)
    maps = {name: energies_of(found) for name, found in captured.items()}
    for name, energies in maps.items():
        total = sum(energy.sum().item() for energy in energies.values())
        print(f'{name}: ' + ', '.join(
            f'scale {scale} {energy.sum().item() / total:.1%}'
            for scale, energy in energies.items()))
    arrays = {
        name: {scale: energy.numpy() for scale, energy in energies.items()}
        for name, energies in maps.items()
    }

    name, found = list(captured.items())[-1]
    total = torch.stack(list(maps[name].values())).sum(0).clamp(min=1e-30)
    shares = {scale: energy / total for scale, energy in maps[name].items()}
    if args.pixels:
        pixels = [layer_pixel(found, position, image.shape[:2])
                  for position in zip(args.pixels[::2], args.pixels[1::2])]
    else:
        pixels = [divmod(share.argmax().item(), share.shape[1])
                  for share in shares.values()]
    fields = effective_receptive_field(model, inputs, pixels, name)
    for pixel, field in zip(pixels, fields):
        if not field.any():
            raise ValueError(f'nothing in the image moves pixel {pixel[0]} '
                             f'{pixel[1]} of {name}: choose other --pixels')
    moments = [field_moments(field) for field in fields]
    weights = [{scale: share[pixel].item()
                for scale, share in shares.items()} for pixel in pixels]
    save_figure(draw_scale_maps(arrays, image), args.out, args.dpi)
    save_figure(
        draw_receptive_fields(image, fields.cpu().numpy(), moments, weights),
        path, args.dpi)
    for pixel, moment in zip(pixels, moments):
        print(f'{name}, pixel {pixel[0]} {pixel[1]} of the layer: receptive '
              f'field around {moment[0]:.1f} {moment[1]:.1f} of the image, '
              f'root mean square radius {moment[2]:.2f} pixels')
    print(f'{args.out}, {path}')


def main() -> None:
    parser = CommandParser(__doc__)
    add_image_arguments(parser)
    parser.add_argument(
        '--pixels',
        nargs='+',
        type=int,
        metavar='ROW COLUMN',
        help='pixels of the image whose receptive fields are drawn, for the '
        'last of the layers; default: where each scale weighs most')
    add_figure_arguments(parser, 'coefficients.png')
    run_command(parser, plot)


if __name__ == '__main__':
    main()
