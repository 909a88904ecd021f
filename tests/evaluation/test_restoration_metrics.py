"""RealSRMetric and SIDDMetric through the evaluators of both frameworks."""
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS

from mmacda.evaluation.image_quality import luma, psnr, ssim, to_uint8


def make_samples(shapes, seed=0):
    rng = np.random.default_rng(seed)
    samples = []
    for shape in shapes:
        gt = rng.integers(0, 256, (3, *shape)).astype(np.float32)
        pred = gt + rng.normal(0, 20, gt.shape).astype(np.float32)
        samples.append(
            dict(
                gt_path='x_HR.png',
                gt_img=torch.from_numpy(gt),
                output=dict(pred_img=torch.from_numpy(pred))))
    return samples


def evaluate(config, samples):
    evaluator = Evaluator(METRICS.build(config))
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def images(sample):
    return to_uint8(sample['output']['pred_img']), to_uint8(sample['gt_img'])


def test_realsr_is_rounded_luma_cut_to_a_multiple_of_four():
    samples = make_samples([(21, 30), (16, 16)])
    result = evaluate(dict(type='RealSRMetric'), samples)
    expected = []
    for sample, (height, width) in zip(samples, ((20, 28), (16, 16))):
        pair = [luma(image)[:height, :width] for image in images(sample)]
        expected.append((psnr(*pair), ssim(*pair)))
    assert set(result) == {'RealSR/PSNR', 'RealSR/SSIM'}
    assert result['RealSR/PSNR'] == pytest.approx(
        np.mean([e[0] for e in expected]))
    assert result['RealSR/SSIM'] == pytest.approx(
        np.mean([e[1] for e in expected]))


def test_realsr_tile_mean_counts_tiles():
    """Four tiles of the large image and the small one: a mean of five."""
    samples = make_samples([(1204, 1204), (16, 16)])
    large = samples[0]
    large['output']['pred_img'] = large['gt_img'].clone()
    large['output']['pred_img'][:, :4, :4] += 20  # in the first tile only
    large['output']['pred_img'][:, -1, -1] -= 20  # in the last tile only
    large['output']['pred_img'][:, 700, 700] -= 20  # in all of them
    result = evaluate(dict(type='RealSRMetric', tile_mean=True), samples)
    expected = []
    for sample in samples:
        x, y = map(luma, images(sample))
        corners = [(0, 0), (0, 4), (4, 0), (4, 4)] if len(x) > 16 \
            else [(0, 0)]
        expected += [
            psnr(x[i:i + 1200, j:j + 1200], y[i:i + 1200, j:j + 1200])
            for i, j in corners
        ]
    assert len(expected) == 5
    assert result['RealSR-tiles/PSNR'] == pytest.approx(np.mean(expected))
    whole = evaluate(dict(type='RealSRMetric'), samples)
    assert whole['RealSR/PSNR'] != pytest.approx(np.mean(expected))


def test_sidd_gives_both_conventions():
    samples = make_samples([(16, 18)])
    result = evaluate(dict(type='SIDDMetric'), samples)
    pair = images(samples[0])
    assert result == {
        'SIDD/PSNR': psnr(*pair),
        'SIDD/SSIM-2d': ssim(*pair, '2d'),
        'SIDD/SSIM-3d': ssim(*pair, '3d')
    }


@pytest.mark.parametrize('kind', ['RealSRMetric', 'SIDDMetric'])
def test_beside_mmagic_s_own(kind):
    """mmagic's evaluator asks a metric for more than MMEngine's."""
    pytest.importorskip('mmagic')
    from mmagic.evaluation import PSNR, SSIM
    from mmagic.evaluation import Evaluator as MMagicEvaluator
    samples = make_samples([(16, 16)])
    for sample in samples:  # what is rounded already
        for owner, key in ((sample, 'gt_img'), (sample['output'],
                                                'pred_img')):
            owner[key] = torch.from_numpy(
                to_uint8(owner[key]).transpose(2, 0, 1).astype(np.float32))
    y = dict(convert_to='Y') if kind == 'RealSRMetric' else {}
    evaluator = MMagicEvaluator(
        [METRICS.build(dict(type=kind)), PSNR(**y), SSIM(**y)])
    loader = torch.utils.data.DataLoader(samples)
    model = torch.nn.Module()
    model.data_preprocessor = None
    evaluator.prepare_metrics(model, loader)
    groups = evaluator.prepare_samplers(model, loader)
    assert len(groups) == 1  # one pass over the data for all of them
    evaluator.process(samples, None, groups[0][0])
    result = evaluator.evaluate()
    ours = kind[:-len('Metric')]
    # Only the rounding of Y differs.
    assert result[f'{ours}/PSNR'] == pytest.approx(result['PSNR'], abs=0.02)
    name = f'{ours}/SSIM' if kind == 'RealSRMetric' else f'{ours}/SSIM-2d'
    assert result[name] == pytest.approx(result['SSIM'], abs=1e-3)


def test_bad_samples():
    sample, = make_samples([(16, 16)])
    metric = METRICS.build(dict(type='RealSRMetric'))
    sample['gt_img'] = sample['gt_img'][:, 1:]
    with pytest.raises(ValueError, match=r'x_HR.png.*\(3, 16, 16\)'):
        metric.process(None, [sample])
    del sample['gt_img']
    with pytest.raises(KeyError, match="x_HR.png has no 'gt_img'"):
        metric.process(None, [sample])
