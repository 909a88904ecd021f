"""Trainings that repeat bit by bit, resume, stay small, and use AMP."""
import multiprocessing
import os

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper

from .cases import CASES, every_model, tensors_of
from .trainings import train, write_config

SCALES = {'zero': 0., 'tiny': 1e-6, 'usual': 1., 'large': 1e3}
needs_cpu_scaler = pytest.mark.skipif(
    not hasattr(torch.amp, 'GradScaler'), reason='needs torch 2.3')


@pytest.fixture(autouse=True)
def restore_global_settings():
    """What a Runner sets for the process."""
    method = multiprocessing.get_start_method(allow_none=True)
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.deterministic = False
    multiprocessing.set_start_method(method, force=True)


def amp_steps_until_nonfinite(model, x, dtype, steps):
    """Steps whose loss, outputs and parameters are finite."""
    wrapper = build_optim_wrapper(
        model,
        dict(type='AnyDeviceAmpOptimWrapper', dtype=dtype,
             optimizer=dict(type='Adam', lr=1e-3)))
    generator = torch.Generator().manual_seed(2)
    targets = None
    for step in range(steps):
        with wrapper.optim_context(model):
            outputs = tensors_of(model(x))
        if targets is None:
            targets = [torch.rand(o.shape, generator=generator)
                       for o in outputs]
        loss = sum((o.float() - t).square().mean()
                   for o, t in zip(outputs, targets))
        wrapper.update_params(loss)
        finite = [loss, *outputs, *model.parameters(), *model.buffers()]
        if not all(t.isfinite().all() for t in finite):
            return step
    return steps


def check_amp(figure, case, dtype, scale, steps):
    twin = case.build_twin()
    x = scale * case.draw(batch=2)[..., :32, :32]
    expected = amp_steps_until_nonfinite(twin, x, dtype, steps)
    figure(f'{steps} AMP steps without NaN or Inf',
           amp_steps_until_nonfinite(case.build(), x, dtype, steps), expected,
           '>=')
    assert expected == steps, 'the plain convolution overflows as well'


amp_cases = [
    pytest.mark.trust('precision/no-nan'),
    every_model,
    pytest.mark.parametrize('dtype', [
        'bfloat16', pytest.param('float16', marks=needs_cpu_scaler)]),
    pytest.mark.parametrize('scale', SCALES.values(), ids=SCALES),
]


def of_amp_cases(test):
    for mark in amp_cases:
        test = mark(test)
    return test


@of_amp_cases
def test_amp_stays_finite(figure, case, dtype, scale):
    check_amp(figure, case, dtype, scale, steps=6)


@pytest.mark.long
@of_amp_cases
def test_amp_stays_finite_for_200_steps(figure, case, dtype, scale):
    check_amp(figure, case, dtype, scale, steps=200)


@needs_cpu_scaler
@pytest.mark.trust('precision/scaler')
def test_scaler_skips_and_recovers(figure):
    """An overflow costs one step, and halves the scale."""
    case = CASES['ad-resnet']
    model, x = case.build(), case.draw()
    wrapper = build_optim_wrapper(
        model,
        dict(type='AnyDeviceAmpOptimWrapper', dtype='float16',
             loss_scale=dict(init_scale=2.**10, growth_interval=2),
             optimizer=dict(type='SGD', lr=1e-3)))
    parameters = list(model.parameters())
    scales, moved = [], []
    for factor in (1., 1e36, 1., 1.):
        before = [p.detach().clone() for p in parameters]
        with wrapper.optim_context(model):
            loss = sum(o.float().mean() for o in tensors_of(model(x)))
        wrapper.update_params(factor * loss)
        scales.append(wrapper.loss_scaler.get_scale())
        moved.append(any((p != b).any() for p, b in zip(parameters, before)))
    assert moved == [True, False, True, True]
    assert all(p.isfinite().all() for p in parameters)
    figure('loss scales after: a step, an overflow, two steps',
           [int(scale) for scale in scales], [1024, 512, 512, 1024], '==')


@pytest.mark.trust('precision/deterministic')
def test_twenty_steps_repeat_bit_by_bit(figure, tmp_path):
    pytest.importorskip('mmpretrain')
    path = write_config(tmp_path, 'classification',
                        'train_pipeline.insert(1, crop)\n')
    options = {'randomness': dict(seed=3, deterministic=True),
               'train_cfg.max_epochs': 5}
    first, second = (
        train(path, tmp_path / name, **options) for name in ('a', 'b'))
    assert len(first) == 20 and len(set(first)) == 20
    figure('steps with bitwise equal losses, deterministic algorithms on',
           sum(a == b for a, b in zip(first, second)), 20, '>=')


@pytest.mark.trust('precision/resume')
def test_a_resume_goes_on_bit_by_bit(figure, tmp_path):
    pytest.importorskip('mmpretrain')
    path = write_config(tmp_path, 'classification')
    options = {'randomness': dict(seed=3, deterministic=True)}
    whole = train(path, tmp_path / 'whole', **options,
                  **{'train_cfg.max_epochs': 5})
    parts = train(path, tmp_path / 'parts', **options,
                  **{'train_cfg.max_epochs': 2})
    parts += train(path, tmp_path / 'parts', **options, resume=True,
                   **{'train_cfg.max_epochs': 5})
    assert len(whole) == len(parts) == 20
    figure('steps with bitwise equal losses, resumed after 8 of 20',
           sum(a == b for a, b in zip(whole, parts)), 20, '>=')


@pytest.mark.trust('long-run/spawn')
def test_spawned_workers_and_resume(figure, tmp_path):
    path = write_config(tmp_path, 'patterns')
    forked = train(path, tmp_path / 'fork', **{'train_cfg.max_iters': 8})
    options = {
        'env_cfg': dict(mp_cfg=dict(mp_start_method='spawn')),
        'train_dataloader.num_workers': 1,
        'train_dataloader.persistent_workers': True,
    }
    spawned = train(path, tmp_path / 'spawn', **options,
                    **{'train_cfg.max_iters': 4})
    assert multiprocessing.get_start_method() == 'spawn'
    spawned += train(path, tmp_path / 'spawn', **options, resume=True,
                     **{'train_cfg.max_iters': 8})
    figure('of 8 losses of spawned workers, resumed, bitwise those of one '
           'process', sum(a == b for a, b in zip(forked, spawned)), 8, '>=')


def memory_growth(tmp_path, iterations):
    """Growth in % of resident memory, after a warm-up of a quarter."""
    process = pytest.importorskip('psutil').Process(os.getpid())
    sizes = []

    class Watch(Hook):

        def after_train_iter(self, runner, batch_idx, data_batch=None,
                             outputs=None):
            sizes.append(process.memory_info().rss)

    path = write_config(tmp_path, 'patterns')
    train(path, tmp_path / 'work', hooks=[Watch()], **{
        'train_cfg.max_iters': iterations,
        'default_hooks.checkpoint.interval': iterations // 10,
        'default_hooks.logger.interval': 50})
    assert len(sizes) == iterations
    warm = iterations // 4
    quarter = max(sizes[warm:2 * warm])
    return 100 * (max(sizes[-warm:]) / quarter - 1)


@pytest.mark.trust('long-run/memory')
def test_memory_does_not_grow(figure, tmp_path):
    figure('% growth of resident memory, 200 iterations',
           memory_growth(tmp_path, 200), 1.)


@pytest.mark.long
@pytest.mark.trust('long-run/memory')
def test_memory_does_not_grow_over_2000_iterations(figure, tmp_path):
    figure('% growth of resident memory, 2,000 iterations',
           memory_growth(tmp_path, 2000), 1.)
