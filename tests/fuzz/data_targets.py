"""Transforms, metrics, and files that are read and written."""
import io
import json
import tempfile
from functools import partial
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from hypothesis import strategies as st
from mmcv.transforms import Compose
from mmengine.registry import METRICS, TRANSFORMS
from PIL import Image

from mmacda.checkpoints import load_checkpoint
from mmacda.datasets.crowd.annotation_files import (as_points, image_size,
                                                    read_json, read_mat)
from mmacda.datasets.sidd import cut_pairs, load_blocks
from mmacda.evaluation.image_quality import psnr, ssim
from mmacda.evaluation.sidd_submission import write_submission

from .harness import JUNK, spoil, target

SIDES = st.sampled_from((33, 40, 16, 12, 3, 1))
INTERPOLATIONS = st.sampled_from(('bilinear', 'bicubic', 'nearest', 'best'))


def draw_picture(draw, *channels, dtype=np.uint8):
    shape = draw(SIDES), draw(SIDES), *channels
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def draw_crowd(draw):
    """What a crowd dataset hands to its pipeline."""
    img = draw_picture(draw, 3)
    height, width = img.shape[:2]
    points = draw(st.lists(
        st.tuples(st.floats(-3, width + 3, width=32),
                  st.floats(-3, height + 3, width=32)), max_size=5))
    points = np.array(points, np.float32).reshape(-1, 2)
    results = dict(
        img=img, img_shape=img.shape[:2], ori_shape=img.shape[:2],
        img_path='photo.jpg', points=points, gt_count=len(points))
    if draw(st.sampled_from((False, False, True))):  # as in inference
        results.pop('points')
        results.pop('gt_count')
    return results


def draw_transform(draw):
    kind = draw(st.sampled_from(('ResizeCrowd', 'RandomScaleCrowd',
                                 'RandomCropCrowd', 'RandomFlipCrowd')))
    arguments = dict(
        ResizeCrowd=dict(
            shorter_side=draw(st.sampled_from(((8, 64), None, (9, 9)))),
            longer_side=draw(st.sampled_from((None, 32, 17))),
            size_divisor=draw(st.sampled_from((1, 4, 16))),
            interpolation=draw(INTERPOLATIONS)),
        RandomScaleCrowd=dict(
            ratio_range=draw(st.sampled_from(((0.7, 1.3), (0.1, 0.2)))),
            min_side=draw(st.sampled_from((1, 20)))),
        RandomCropCrowd=dict(
            crop_size=draw(st.sampled_from((16, (8, 24), 64)))),
        RandomFlipCrowd=dict(
            prob=draw(st.sampled_from((1., 0.5, 0.))),
            direction=draw(st.sampled_from(('horizontal', 'vertical',
                                            'diagonal', 'x')))))[kind]
    return dict(type=kind, **spoil(draw, arguments, chance=8))


@target(share=4)
def transforms(draw):
    """A pipeline from the image to what the model gets."""
    steps = [draw_transform(draw) for _ in range(draw(st.integers(0, 2)))]
    density = dict(
        kernel_size=draw(st.sampled_from((15, 3, 1))),
        sigma=draw(st.sampled_from((4., 0.5, 100.))),
        stride=draw(st.sampled_from((1, 2, 8))))
    if draw(st.booleans()):
        density = spoil(draw, density, chance=8)
        steps.append(dict(type='GenerateDensityMap', **density))
    results, seed = draw_crowd(draw), draw(st.integers(0, 9))

    def call():
        np.random.seed(seed)
        pipeline = Compose(
            [TRANSFORMS.build(step) for step in steps] +
            [TRANSFORMS.build(dict(type='PackCrowdInputs'))])
        packed = pipeline(dict(results))
        sample = packed['data_samples']
        if 'gt_points' in sample:
            assert len(sample.gt_points) == sample.gt_count
        if 'gt_density' in sample:
            total = sample.gt_density.sum().item()
            assert abs(total - sample.gt_count) < 1e-3
        return packed['inputs'], sample.to_dict()

    return call


@target(share=2)
def counting_metric(draw):
    counts = st.one_of(st.integers(0, 10**6),
                       st.floats(-10., 1e6, width=32))
    samples = [
        spoil(draw, dict(
            img_path=f'{n}.jpg', pred_count=draw(counts),
            gt_count=draw(st.integers(0, 10**6)),
            crowd_level=draw(st.integers(0, 2))), chance=10)
        for n in range(draw(st.integers(0, 4)))
    ]
    broken = {key for sample in samples for key, value in sample.items()
              if isinstance(value, float) and value != value}
    arguments = spoil(draw, dict(
        levels=draw(st.sampled_from(((), ('crowd_level', ))))), chance=8)

    def call():
        metric = METRICS.build(dict(type='CountingMetric', **arguments))
        metric.process(None, samples)
        errors = metric.compute_metrics(metric.results)
        if 'pred_count' in broken:  # must not become a number
            assert np.isnan(errors['mae'])
        return None if broken else errors

    return call


@target(share=2)
def image_metrics(draw):
    prediction = draw_picture(draw, *draw(st.sampled_from(((3, ), ()))))
    truth = prediction // 2 if draw(st.sampled_from((True, True, False))) \
        else draw_picture(draw, 3)
    kind = draw(st.sampled_from(('SIDDMetric', 'RealSRMetric', psnr, ssim)))
    pair = dict(prediction=prediction, target=truth)
    if callable(kind):
        pair = spoil(draw, pair, chance=8)

    def call():
        if callable(kind):
            quality = kind(**pair)
            return None if quality == float('inf') else quality
        metric = METRICS.build(dict(type=kind))
        images = [torch.from_numpy(image.reshape(*image.shape[:2], -1)).
                  permute(2, 0, 1).float() for image in pair.values()]
        metric.process(None, [
            dict(gt_path='a.png', output=dict(pred_img=images[0]),
                 gt_img=images[1])
        ])
        found = metric.compute_metrics(metric.results)
        return {k: v for k, v in found.items() if v != float('inf')}

    return call


def damage(draw, content, changed=True):
    """Bytes, whole, cut, changed or of something else."""
    kind = draw(st.sampled_from(
        ('whole', 'cut', 'other') + ('changed', ) * changed))
    if kind == 'cut':
        return content[:draw(st.integers(0, len(content)))]
    if kind == 'changed':
        content = bytearray(content)
        for _ in range(draw(st.integers(1, 9))):
            at = draw(st.integers(0, len(content) - 1))
            content[at] = draw(st.integers(0, 255))
        return bytes(content)
    if kind == 'other':
        return draw(st.binary(max_size=200))
    return content


def written(save):
    with io.BytesIO() as stream:
        save(stream)
        return stream.getvalue()


CHECKPOINTS = [
    written(partial(torch.save, content))
    for content in (dict(state_dict=dict(weight=torch.ones(3))),
                    dict(weight=torch.ones(3)), [1, 2])
]


@target(share=2, errors=(FileNotFoundError, UnpicklingError))
def checkpoints(draw):
    content = damage(draw, draw(st.sampled_from(CHECKPOINTS)))

    def call():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'checkpoint.pth'
            path.write_bytes(content)
            assert isinstance(load_checkpoint(str(path)), dict)

    return call


@target(share=1, errors=(FileNotFoundError, ))
def annotations(draw):
    """Files of crowd datasets."""
    from scipy.io import savemat
    points = np.ones((draw(st.integers(0, 3)), 2))
    kind = draw(st.sampled_from(('mat', 'json', 'jpg', 'points')))
    if kind == 'points':
        values = draw(
            st.sampled_from((*JUNK, points, np.ones(3), [[1, 2], [3]])))
        return lambda: as_points(values, 'a.mat')
    save, read = dict(
        mat=(lambda stream: savemat(stream, dict(points=points)),
             lambda path: as_points(read_mat(path, 'points'), path)),
        json=(lambda stream: stream.write(
            json.dumps(dict(points=points.tolist())).encode()),
            lambda path: as_points(read_json(path, 'points'), path)),
        jpg=(lambda stream: Image.new('RGB', (9, 7)).save(stream, 'JPEG'),
             lambda path: image_size(path, decode=True)))[kind]
    content = written(save)
    # SciPy's reader crashes the whole process on some changed bytes.
    content = damage(draw, content, changed=kind != 'mat')

    def call():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f'file.{kind}'
            path.write_bytes(content)
            return read(str(path))

    return call


@target(share=1, errors=(OSError, ))
def converters(draw):
    """SIDD's pairs into tiles, its blocks out of and into files."""
    noisy, clean = (draw_picture(draw, 3) for _ in range(2))
    if draw(st.sampled_from((True, True, False))):
        clean = noisy
    content = damage(draw, written(
        lambda stream: Image.fromarray(noisy).save(stream, 'PNG')))
    arguments = spoil(draw, dict(
        tile=draw(st.sampled_from((16, 12, 40))),
        step=draw(st.sampled_from((8, 12)))), chance=8)
    blocks = spoil(draw, dict(
        blocks=np.zeros((1, 2, 4, 4, 3), np.uint8),
        path=draw(st.sampled_from(('a.mat', 'a.csv', 'a.txt')))), chance=8)
    submit = draw(st.sampled_from((False, True)))

    def call():
        with tempfile.TemporaryDirectory() as folder:
            if submit:
                if isinstance(blocks['path'], str):
                    blocks['path'] = str(Path(folder) / blocks['path'])
                write_submission(**blocks)
                return
            root = Path(folder) / 'Data'
            root.mkdir()
            Image.fromarray(clean).save(root / '0001_GT_SRGB_010.PNG')
            (root / '0001_NOISY_SRGB_010.PNG').write_bytes(content)
            assert cut_pairs(str(root), str(Path(folder) / 'out'),
                             **arguments) > 0
            load_blocks(str(root / '0001_NOISY_SRGB_010.PNG'))

    return call
