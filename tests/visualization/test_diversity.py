"""Section A.5: the closed form against all pairs."""
import math
import statistics

import pytest
import torch
import torch.nn.functional as F
from mmengine.model import BaseModel

from mmacda.layers import ACDAConv
from mmacda.visualization.coefficients import basis_scales
from mmacda.visualization.diversity import (StreamingMean, atom_diversity,
                                            intra_image_distance,
                                            mean_cosine_distance)


def by_pairs(vectors):
    """(D, N): over all pairs of different positions."""
    columns = [v for v in vectors.T if v.any()]
    distances = [
        1 - F.cosine_similarity(p, q, dim=0).item()
        for n, p in enumerate(columns) for q in columns[:n]
    ]
    return statistics.fmean(distances)


@pytest.mark.parametrize('shape', [(3, 5, 7), (1, 2, 2), (2, 108, 30)])
def test_distance_is_that_of_all_pairs(shape):
    torch.manual_seed(0)
    vectors = torch.randn(shape) + 0.3
    vectors[0, :, 0] = 0 if shape[2] > 2 else vectors[0, :, 0]
    found = mean_cosine_distance(vectors)
    assert found.tolist() == pytest.approx([by_pairs(v) for v in vectors])


def test_known_distances():
    same = torch.ones(1, 4, 6)
    opposite = torch.tensor([[[1., -1.]]])
    assert mean_cosine_distance(same).item() == pytest.approx(0, abs=1e-12)
    assert mean_cosine_distance(opposite).item() == pytest.approx(2)
    assert mean_cosine_distance(torch.eye(5)[None]).item() == pytest.approx(1)
    assert math.isnan(mean_cosine_distance(torch.zeros(1, 4, 6)).item())


def test_scales_are_kept_apart():
    torch.manual_seed(0)
    layer = ACDAConv(2, 2, 3, scales=(3, 5), num_bases=4, num_atoms=2)
    alpha = torch.randn(2, 2, 8, 3, 4)
    found = intra_image_distance(layer, alpha)
    assert list(found) == [3, 5]
    assert basis_scales(layer) == (3, ) * 4 + (5, ) * 4
    for scale, part in ((3, alpha[:, :, :4]), (5, alpha[:, :, 4:])):
        expected = [by_pairs(image.reshape(8, 12)) for image in part]
        assert found[scale].tolist() == pytest.approx(expected)


def test_streaming_mean_and_error():
    values = [0.3, 0.9, 0.4, 0.4, 1.1]
    mean, part = StreamingMean(), StreamingMean(population=20)
    for value in [math.nan, *values]:
        mean.add(value)
        part.add(value)
    error = statistics.stdev(values) / math.sqrt(5)
    assert mean.mean == pytest.approx(statistics.fmean(values))
    assert mean.standard_error == pytest.approx(error)
    assert part.standard_error == pytest.approx(error * math.sqrt(15 / 20))
    part.population = 5
    assert part.standard_error == 0
    one = StreamingMean()
    one.add(0.5)
    assert one.mean == 0.5 and math.isnan(one.standard_error)


def test_stated_error_covers_the_mean():
    """Of many samples, about 95 % lie within two errors of the truth."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.rand(200, generator=generator)
    hits = 0
    for _ in range(200):
        mean = StreamingMean(population=200)
        for n in torch.randperm(200, generator=generator)[:50]:
            mean.add(whole[n].item())
        hits += abs(mean.mean - whole.mean().item()) < 2 * mean.standard_error
    assert 180 <= hits <= 199


class Pair(BaseModel):

    def __init__(self):
        super().__init__()
        self.first = ACDAConv(1, 2, 3, padding=1)
        self.second = ACDAConv(2, 1, 3, padding=1)

    def forward(self, inputs, mode='tensor'):
        return self.second(self.first(inputs))


def test_over_a_dataset():
    torch.manual_seed(0)
    model, images = Pair().eval(), torch.rand(5, 1, 6, 7)
    batches = [dict(inputs=images[:3]), dict(inputs=images[3:])]
    found = atom_diversity(model, batches, population=50)
    assert list(found) == ['first', 'second']
    alpha = model.first.atom_generator(images).detach()
    expected = [by_pairs(image.reshape(36, 42)) for image in alpha]
    mean = found['first'][3]
    assert mean.count == 5 and mean.population == 50
    assert mean.mean == pytest.approx(statistics.fmean(expected), rel=1e-5)
    # One scale: the mean over scales is that of the scale.
    assert found['first']['mean'].mean == pytest.approx(mean.mean)
    assert not any(m._forward_hooks for m in model.modules())
