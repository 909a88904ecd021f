r"""Draw the noise level that a VariationalDenoiser predicts for a photograph.

    python tools/analysis/plot_noise_level.py noisy.png --config CONFIG \
        --checkpoint CHECKPOINT --out noise_level.png
"""
from argparse import Namespace

import numpy as np
import torch
from mmengine.model import BaseModel

from mmacda.apis import RestorationInferencer
from mmacda.apis.command_line import (CommandParser, add_device_argument,
                                      add_model_options, output_file,
                                      run_command)
from mmacda.apis.restoration_inferencer import read_picture
from mmacda.models.losses import local_noise_level
from mmacda.visualization.figures import save_figure
from mmacda.visualization.restoration_figures import draw_noise_level


def predict(model: BaseModel, photograph: np.ndarray) -> np.ndarray:
    """Standard deviation of the noise, (H, W), white at 1.

    Args:
        model (BaseModel): A VariationalDenoiser.
        photograph (np.ndarray): uint8 BGR (H, W, 3).
    """
    from mmagic.structures import DataSample
    inputs = torch.from_numpy(
        np.ascontiguousarray(photograph.transpose(2, 0, 1)))
    sample = DataSample(metainfo=dict(img_channel_order='bgr'))
    batch = model.data_preprocessor(
        dict(inputs=[inputs], data_samples=[sample]))
    return model.noise_level(batch['inputs'])[0].mean(0).cpu().numpy()


def draw(args: Namespace) -> None:
    """Predict and draw what the command line asks for."""
    paths = [path for path in (args.photo, args.truth) if path]
    pictures = [read_picture(path) for path in paths]
    for path, picture in zip(paths, pictures):
        if picture.dtype != np.uint8 or picture.shape != (
                *pictures[0].shape[:2], 3):
            raise ValueError(f'{path} must have 8 bits, 3 channels and the '
                             f'size of {args.photo}')
    model = RestorationInferencer(args.config, args.checkpoint,
                                  args.device).model
    if not hasattr(model, 'noise_level'):
        raise ValueError(f'the model of {args.config} predicts no noise '
                         'level: it must be a VariationalDenoiser')
    save_figure(
        draw_noise_level(
            pictures[0][..., ::-1], predict(model, pictures[0]),
            local_noise_level(*pictures) if args.truth else None), args.out)
    print(args.out)


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('photo', help='noisy picture, 8 bits and 3 channels')
    add_model_options(parser)
    parser.add_argument(
        '--truth', help='the same without noise, to draw what is true beside')
    parser.add_argument(
        '--out', type=output_file, required=True, help='picture to write')
    add_device_argument(parser)
    run_command(parser, draw)


if __name__ == '__main__':
    main()
