"""Gradient clipping of each network, tightened at intervals."""
import pytest
import torch
import torch.nn as nn
from mmengine.optim import build_optim_wrapper
from torch.nn.utils import clip_grad_norm_

KEYS = {
    'first.': dict(clip_group='denoiser'),
    'second.': dict(clip_group='noise')
}


class Two(nn.Module):

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)


def build(model, keys=KEYS, **options):
    options.setdefault('clip_grad', dict(denoiser=1., noise=0.1))
    return build_optim_wrapper(
        model,
        dict(
            type='SeparateClipOptimWrapper',
            optimizer=dict(type='SGD', lr=0.),
            paramwise_cfg=dict(custom_keys=keys),
            **options))


def step(model, wrapper, factors):
    """One update by a loss of which each network's part has a factor."""
    inputs = torch.ones(1, 3)
    wrapper.update_params(factors[0] * model.first(inputs).sum() +
                          factors[1] * model.second(inputs).sum())


def norm(factor):
    """Of the gradient of ``factor`` * sum(A @ ones + b)."""
    return factor * (9 + 3)**0.5


def test_networks_are_clipped_separately(monkeypatch):
    model = Two()
    wrapper = build(model)
    seen = {}

    def record(**kwargs):
        seen.update((n, p.grad.clone()) for n, p in model.named_parameters())

    monkeypatch.setattr(wrapper.optimizer, 'step', record)
    step(model, wrapper, (0.01, 10.))
    for name in ('first.weight', 'first.bias'):  # far below its limit
        assert (seen[name] == 0.01).all()
    clipped = torch.cat([seen[f'second.{n}'].flatten()
                         for n in ('weight', 'bias')])
    assert clipped.norm().item() == pytest.approx(0.1, rel=1e-4)


def test_limits_become_the_mean_norm_if_that_is_less():
    model = Two()
    wrapper = build(model, tighten_interval=2)
    step(model, wrapper, (0.01, 1.))
    assert wrapper.clip_grad_kwargs == dict(denoiser=1., noise=0.1)
    step(model, wrapper, (0.03, 1.))
    limits = wrapper.clip_grad_kwargs
    assert limits['denoiser'] == pytest.approx(norm(0.02), rel=1e-5)
    assert limits['noise'] == 0.1  # its gradients were larger
    for _ in range(2):  # larger gradients do not raise a limit again
        step(model, wrapper, (5., 0.001))
    limits = wrapper.clip_grad_kwargs
    assert limits['denoiser'] == pytest.approx(norm(0.02), rel=1e-5)
    assert limits['noise'] == pytest.approx(norm(0.001), rel=1e-5)


def test_norms_are_those_before_clipping():
    """The mean of the norms that clip_grad_norm_ returns."""
    model = Two()
    wrapper = build(
        model, clip_grad=dict(denoiser=1e-3, noise=1e3), tighten_interval=1)
    step(model, wrapper, (2., 2.))
    assert wrapper.clip_grad_kwargs['denoiser'] == 1e-3
    model.first(torch.ones(1, 3)).sum().mul(2).backward()
    expected = clip_grad_norm_(model.first.parameters(), 1.).item()
    assert wrapper.clip_grad_kwargs['noise'] == pytest.approx(expected)


def test_limits_stay_without_an_interval():
    model = Two()
    wrapper = build(model, tighten_interval=0)
    for _ in range(3):
        step(model, wrapper, (1e-3, 1e-3))
    assert wrapper.clip_grad_kwargs == dict(denoiser=1., noise=0.1)


def test_an_infinite_norm_does_not_change_a_limit():
    model = Two()
    wrapper = build(model, tighten_interval=1)
    step(model, wrapper, (float('inf'), 1e-3))
    assert wrapper.clip_grad_kwargs['denoiser'] == 1.
    assert wrapper.clip_grad_kwargs['noise'] < 0.1


def test_checkpoint_keeps_limits_and_means(tmp_path):
    straight, stopped = Two(), Two()
    wrappers = [build(m, tighten_interval=3) for m in (straight, stopped)]
    for model, wrapper in zip((straight, stopped), wrappers):
        for factor in (0.01, 0.02, 0.04, 0.001):
            step(model, wrapper, (factor, factor))
    torch.save(wrappers[1].state_dict(), tmp_path / 'state.pth')
    resumed = build(stopped, tighten_interval=3)
    resumed.load_state_dict(
        torch.load(tmp_path / 'state.pth', weights_only=True))
    for model, wrapper in ((straight, wrappers[0]), (stopped, resumed)):
        for factor in (0.002, 0.003):
            step(model, wrapper, (factor, factor))
    assert resumed.clip_grad_kwargs == wrappers[0].clip_grad_kwargs
    assert resumed.clip_grad_kwargs['denoiser'] == pytest.approx(
        norm(0.002), rel=1e-5)


def test_parameters_without_a_group_are_refused():
    with pytest.raises(ValueError, match='no clip_group'):
        build(Two(), keys={'first.': dict(clip_group='denoiser')})


def test_groups_and_limits_must_agree():
    with pytest.raises(ValueError, match='denoiser.*noise'):
        build(Two(), clip_grad=dict(denoiser=1.))
