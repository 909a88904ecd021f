"""The hook in a real training, with real backends."""
import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, VISBACKENDS
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend

from mmacda.visualization import CoefficientVisualizationHook

pytest.importorskip('matplotlib')
CONV = dict(type='ACDAConv', num_atoms=2, atom_generator=dict(norm_cfg=None))


class RecordingBackend(LocalVisBackend):
    """What the visualizer hands to any backend."""
    images: list = []
    scalars: dict = {}

    def add_image(self, name, image, step=0, **kwargs):
        self.images.append((name, step, image.dtype, image.shape))

    def add_scalars(self, scalar_dict, step=0, file_path=None, **kwargs):
        self.scalars.setdefault(step, {}).update(scalar_dict)


def train(folder, hooks=(), backends=(), conv=CONV, iters=5):
    runner = Runner.from_cfg(
        Config(
            dict(
                model=dict(
                    type='PatternDetector', conv_cfg=conv, kernel_size=5),
                train_dataloader=dict(
                    batch_size=1,
                    num_workers=0,
                    dataset=dict(
                        type='MultiScalePatterns', size=40, num_patterns=1),
                    collate_fn=dict(type='default_collate'),
                    sampler=dict(type='InfiniteSampler')),
                train_cfg=dict(by_epoch=False, max_iters=iters),
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
                log_processor=dict(by_epoch=False),
                custom_hooks=list(hooks),
                visualizer=dict(
                    type='Visualizer', vis_backends=list(backends)),
                randomness=dict(seed=0),
                work_dir=str(folder),
                experiment_name=folder.name)))
    runner.train()
    return runner


def weights(runner):
    return torch.cat([p.detach().flatten() for p in runner.model.parameters()])


def test_local_and_tensorboard_show_the_maps(tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import \
        EventAccumulator
    hook = dict(type='CoefficientVisualizationHook', interval=2)
    runner = train(tmp_path, [hook], [
        dict(type='LocalVisBackend'),
        dict(type='TensorboardVisBackend')])
    pictures = sorted(tmp_path.glob('*/vis_data/vis_image/*.png'))
    assert [p.name for p in pictures] == [
        'coefficients_layer_2.png', 'coefficients_layer_4.png']
    assert cv2.imread(str(pictures[0])).std() > 10
    events = EventAccumulator(str(next(tmp_path.glob('*/vis_data'))))
    events.Reload()
    assert events.Tags()['images'] == ['coefficients_layer']
    assert [e.step for e in events.Images('coefficients_layer')] == [2, 4]
    shares = [events.Scalars(f'coefficients/layer/scale_{s}') for s in (3, 5)]
    for pair in zip(*shares):
        assert sum(e.value for e in pair) == pytest.approx(1)
    assert not any(m._forward_hooks for m in runner.model.modules())


def test_training_is_the_same_with_the_hook(tmp_path):
    VISBACKENDS.register_module(
        name='RecordingBackend', module=RecordingBackend, force=True)
    RecordingBackend.images, RecordingBackend.scalars = [], {}
    plain = train(tmp_path / 'plain')
    hook = dict(type='CoefficientVisualizationHook', interval=5, layers='lay')
    shown = train(tmp_path / 'shown', [hook], [dict(type='RecordingBackend')])
    assert torch.equal(weights(plain), weights(shown))
    (name, step, dtype, shape), = RecordingBackend.images
    assert (name, step, dtype) == ('coefficients_layer', 5, 'uint8')
    assert shape[2] == 3 and shape[1] > shape[0]
    assert {'coefficients/layer/scale_3', 'coefficients/layer/scale_5'
            } <= set(RecordingBackend.scalars[5])


def test_says_what_is_wrong(tmp_path):
    assert HOOKS.get('CoefficientVisualizationHook') is \
        CoefficientVisualizationHook
    with pytest.raises(ValueError, match='interval must be a positive'):
        CoefficientVisualizationHook(interval=0)
    hook = dict(type='CoefficientVisualizationHook')
    with pytest.raises(ValueError, match='no ACDAConv layer'):
        train(tmp_path / 'conv', [hook], conv=dict(type='Conv2d'))
    with pytest.raises(ValueError, match="no adaptive layer fits 'neck'"):
        train(tmp_path / 'neck', [dict(hook, layers='neck')])
