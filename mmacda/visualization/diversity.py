"""How much filters differ within an image (paper, Section A.5)."""
import math
from statistics import fmean
from typing import Any, Dict, Iterable, Optional

import torch
import torch.nn as nn
from torch import Tensor

from ..layers import ACDAConv
from .capture import CoefficientCapture, Layers
from .coefficients import basis_scales

ALL_SCALES = 'mean'


def mean_cosine_distance(vectors: Tensor) -> Tensor:
    """Mean of 1 - cos over all pairs of different positions, exactly.

    The pairs are not visited: the squared norm of the sum of N unit vectors
    is N plus the cosines of all ordered pairs.

    Args:
        vectors (Tensor): Shape (B, D, N). Zero vectors, which have no
            direction, are left out.

    Returns:
        Tensor: Shape (B, ), float64, in [0, 1 + 1 / (N - 1)]; nan where fewer
        than two positions have a direction.
    """
    vectors = vectors.double()
    norms = vectors.norm(dim=1, keepdim=True)
    units = torch.where(norms > 0, vectors / norms, torch.zeros_like(vectors))
    count = (norms > 0).sum((1, 2)).double()
    pairs = count * (count - 1)
    cosines = units.sum(2).square().sum(1) - count
    return torch.where(pairs > 0, 1 - cosines / pairs,
                       torch.full_like(pairs, math.nan))


def intra_image_distance(layer: ACDAConv,
                         coefficients: Tensor) -> Dict[int, Tensor]:
    """Mean cosine distance between the positions of an image, by scale.

    Args:
        layer (ACDAConv): Where the coefficients come from.
        coefficients (Tensor): alpha, shape (B, m, J, Ho, Wo).

    Returns:
        Dict[int, Tensor]: Scale in pixels to the distances (B, ) of vectors
        of all atoms' coefficients at that scale. A.5 averages over scales.
    """
    scales = torch.tensor(basis_scales(layer))
    return {
        scale: mean_cosine_distance(
            coefficients[:, :, (scales == scale).to(coefficients.device)].
            flatten(1, 2).flatten(2))
        for scale in scales.unique().tolist()
    }


class StreamingMean:
    """Mean of a sample and its standard error, one value at a time.

    Args:
        population (int, optional): Size of what is sampled without
            replacement; the error vanishes when all of it was seen.
            Default: None, unlimited.
    """

    def __init__(self, population: Optional[int] = None):
        self.population = population
        self.count = 0
        self.mean = math.nan
        self._squares = 0.  # of deviations from the mean (Welford)

    def add(self, value: float) -> None:
        """Take a value; nan is not counted."""
        if math.isnan(value):
            return
        self.count += 1
        if self.count == 1:
            self.mean = value
            return
        step = value - self.mean
        self.mean += step / self.count
        self._squares += step * (value - self.mean)

    @property
    def standard_error(self) -> float:
        """s / sqrt(n) with finite population correction; nan if unknown."""
        if self.population is not None and self.count >= self.population:
            return 0.
        if self.count < 2:
            return math.nan
        error = math.sqrt(self._squares / (self.count - 1) / self.count)
        if self.population is not None:
            error *= math.sqrt(1 - self.count / self.population)
        return error


@torch.no_grad()
def atom_diversity(
        model: nn.Module,
        batches: Iterable[Any],
        layers: Layers = None,
        population: Optional[int] = None
) -> Dict[str, Dict[Any, StreamingMean]]:
    """Average pairwise cosine distance within images, over a dataset (A.5).

    Exact over all pairs of positions of each image; over images a running
    mean, so that nothing but a few numbers is kept.

    Args:
        model (nn.Module): An MMEngine model, in eval mode.
        batches (Iterable): What its ``test_step`` takes.
        layers (str | Sequence[str], optional): See
            :func:`mmacda.visualization.find_layers`. Default: None, all.
        population (int, optional): Size of the dataset that the batches were
            sampled from. Default: None.

    Returns:
        Dict[str, Dict[Any, StreamingMean]]: Layer to scale to the mean over
        images; the key 'mean' holds the average of an image's scales, which
        the paper reports.
    """
    means: Dict[str, Dict[Any, StreamingMean]] = {}
    with CoefficientCapture(model, layers) as captured:
        for batch in batches:
            captured.clear()
            model.test_step(batch)
            for name, (layer, alpha, _) in captured.items():
                distances = {
                    scale: values.tolist()
                    for scale, values in intra_image_distance(
                        layer, alpha).items()
                }
                distances[ALL_SCALES] = [
                    fmean(image) for image in zip(*distances.values())
                ]
                kept = means.setdefault(
                    name, {s: StreamingMean(population) for s in distances})
                for scale, values in distances.items():
                    for value in values:
                        kept[scale].add(value)
    return means
