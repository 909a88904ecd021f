"""Pictures of what adaptive layers learn while they train."""
from typing import Optional, Sequence, Union

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ..capture import CoefficientCapture
from ..coefficients import scale_energies


@HOOKS.register_module()
class CoefficientVisualizationHook(Hook):
    """Shows Figure 7 of the paper while a model trains.

    Every ``interval`` iterations, for the first image of the batch: a heat
    map per scale of the energy of the basis coefficients, a picture for each
    layer, and the share of the energy at each scale as scalars. They go to
    all backends of the runner's visualizer. In between the model carries no
    hook of ours, and no forward is added.

    Args:
        interval (int): Iterations between pictures. Default: 500.
        layers (str | Sequence[str], optional): See
            :func:`mmacda.visualization.find_layers`. Default: None, all.

    Raises:
        ValueError: If ``interval`` is not positive; at the start of the
            training, if the model has no such layers.
        ImportError: At the start of the training, without matplotlib.

    Example:
        >>> custom_hooks = [
        ...     dict(type='CoefficientVisualizationHook', interval=500)
        ... ]
    """

    priority = 'VERY_LOW'

    def __init__(self,
                 interval: int = 500,
                 layers: Optional[Union[str, Sequence[str]]] = None):
        if not isinstance(interval, int) or interval < 1:
            raise ValueError('interval must be a positive integer, but got '
                             f'{interval!r}')
        self.interval = interval
        self.layers = layers

    def before_train(self, runner) -> None:
        try:
            from .. import coefficient_figures
        except ImportError as error:
            raise ImportError('CoefficientVisualizationHook draws with '
                              'matplotlib: pip install matplotlib') from error
        self._figures = coefficient_figures
        self._capture = CoefficientCapture(runner.model, self.layers)

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if self.every_n_train_iters(runner, self.interval):
            self._capture.start()

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None) -> None:
        if not self.every_n_train_iters(runner, self.interval):
            return
        self._capture.stop()
        step = runner.iter + 1
        image = _first_image(data_batch)
        for name, (layer, alpha, _) in self._capture.captured.items():
            energies = {
                scale: energy[0].float().cpu().numpy()
                for scale, energy in scale_energies(layer, alpha[:1]).items()
            }
            figure = self._figures.draw_scale_maps({name: energies}, image)
            runner.visualizer.add_image(f'coefficients_{name}',
                                        self._figures.to_array(figure), step)
            total = max(float(sum(e.sum() for e in energies.values())), 1e-30)
            runner.visualizer.add_scalars(
                {
                    f'coefficients/{name}/scale_{scale}':
                    float(energy.sum()) / total
                    for scale, energy in energies.items()
                }, step)
        self._capture.captured.clear()

    def after_train(self, runner) -> None:
        self._capture.stop()


def _first_image(data_batch) -> Optional[np.ndarray]:
    """The first image of a batch as (H, W) or RGB, None if there is none."""
    inputs = data_batch.get('inputs') if isinstance(data_batch, dict) else None
    if isinstance(inputs, (list, tuple)):
        inputs = inputs[0][None] if len(inputs) else None
    if not isinstance(inputs, torch.Tensor) or inputs.dim() != 4 \
            or inputs.shape[1] not in (1, 3):
        return None
    image = inputs[0].detach().float().cpu().numpy()
    low, high = image.min(), image.max()
    image = (image - low) / max(high - low, 1e-12)
    # Grey: the order of the channels is the pipeline's own affair.
    return image.mean(0)
