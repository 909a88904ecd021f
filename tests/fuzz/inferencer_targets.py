"""Inferencers: images of any kind through small networks."""
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from mmengine.config import Config

from mmacda.apis import CrowdCountingInferencer, RestorationInferencer

from .data_targets import draw_picture
from .harness import spoil, target

CONFIGS = Path(__file__).parents[2] / 'configs'


@lru_cache(maxsize=None)
def counter():
    cfg = Config.fromfile(CONFIGS / 'counting/ad-resnet-s_synthetic.py')
    cfg.model.backbone.update(
        arch=dict(stage_widths=(4, 4, 4, 4), stage_blocks=(1, 1, 1, 1)),
        stem_channels=4)
    cfg.model.head.update(in_channels=4, channels=(4, 4, 4))
    return CrowdCountingInferencer(cfg, None, 'cpu', show_progress=False)


@lru_cache(maxsize=None)
def restorer():
    cfg = Config.fromfile(
        CONFIGS / 'real_sr/acda-restorer_realsr-v2-x4.py')
    cfg.model.generator.update(num_blocks=1, mid_channels=4)
    return RestorationInferencer(cfg, None, 'cpu')


def draw_photo(draw):
    return draw_picture(
        draw,
        *draw(st.sampled_from(((3, ), (3, ), (3, ), (), (1, ), (4, ), (2, )))),
        dtype=draw(st.sampled_from((np.uint8, np.uint8, np.uint8, np.uint16,
                                    np.int64))))


@target(share=1, errors=(FileNotFoundError, ))
def counting_inferencer(draw):
    count = draw(st.sampled_from((1, 2, 0)))
    inputs = [draw_photo(draw) for _ in range(count)]
    arguments = spoil(
        draw,
        dict(
            inputs=draw(st.sampled_from((inputs, inputs, inputs, 'a.jpg'))),
            batch_size=draw(st.sampled_from((1, 2, 1, 0))),
            tile=draw(st.sampled_from((None, 2048, 1024, 80))),
            overlap=draw(st.sampled_from((8, 0, 16, 176)))))

    def call():
        samples = counter()(**arguments)
        return [[s.pred_count, s.pred_density] for s in samples]

    return call


@target(share=1)
def restoration_inferencer(draw):
    pytest.importorskip('mmagic')
    arguments = spoil(
        draw,
        dict(
            image=draw_photo(draw),
            tile=draw(st.sampled_from((None, 16, 0))),
            overlap=draw(st.sampled_from((None, 4, 0)))))
    return lambda: restorer()(**arguments)
