"""Whole layers on a GPU against float64, in every way that they are run."""
import threading

import pytest
import torch
from mmengine.registry import MODELS

import mmacda  # noqa: F401
from mmacda.layers import on_the_fly
from mmacda.ops.backends.triton import trial

from .layers import (FORMS, HALVES, SINGLE, assert_equal, cast, differentiate,
                     error, in_double, joined, make_input, make_layer)

every_form = pytest.mark.parametrize('form', FORMS)
every_dtype = pytest.mark.parametrize('dtype', (SINGLE, *HALVES), ids=str)


@every_dtype
@every_form
@pytest.mark.parametrize('channels_last', [True, False])
def test_output_and_gradients(form, dtype, channels_last):
    layer, x = make_layer(form), make_input(channels_last=channels_last)
    assert_equal(differentiate(layer, x, dtype), in_double(layer, x), dtype)
    assert not any(trial._verdicts.values()), trial._verdicts


@every_form
def test_odd_channels_stride_and_groups(form):
    layer = make_layer(form, 18, stride=2, groups=3, num_atoms=5)
    x = make_input(18)
    assert_equal(differentiate(layer, x), in_double(layer, x))


@every_dtype
def test_coefficients_made_on_the_fly(dtype, monkeypatch):
    """What is slower on a GPU is right there all the same."""
    monkeypatch.setattr(on_the_fly, 'DEVICES', ('cuda', ))
    layer, x = make_layer('light'), make_input()
    assert_equal(differentiate(layer, x, dtype), in_double(layer, x), dtype)
    layer.eval()
    with torch.no_grad(), cast(dtype):
        y = layer(x)
        exact = layer.cpu().double()(x.cpu().double())
    assert error(y, exact) <= (1e-5 if dtype == SINGLE else 3e-2)


@every_dtype
@every_form
def test_two_steps_are_bitwise_equal(form, dtype, monkeypatch):
    """Where the generator's convolutions are: those are cuDNN's."""
    monkeypatch.setattr(torch.backends.cudnn, 'deterministic', True)
    layer, x = make_layer(form).eval(), make_input()
    first, second = (differentiate(layer, x, dtype) for _ in range(2))
    assert torch.equal(first[0], second[0])
    ours = ('input', 'weight')
    assert all(torch.equal(first[1][n], second[1][n]) for n in ours)


def test_two_threads_on_streams_of_their_own():
    """With shapes that nobody has called before, and other bases."""
    layers = [make_layer(channels=16, num_bases=n) for n in (4, 5)]
    inputs = [make_input(16, size=(11, 9 + n)) for n in range(2)]
    found = [None, None]

    def work(place):
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(3):
                found[place] = differentiate(layers[place], inputs[place])
            torch.cuda.current_stream().synchronize()

    torch.cuda.synchronize()
    threads = [threading.Thread(target=work, args=(n, )) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in range(2):
        assert_equal(found[place], in_double(layers[place], inputs[place]))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs two')
def test_two_devices():
    layer, x = make_layer(), make_input()
    right = in_double(layer, x)
    assert_equal(differentiate(layer.to('cuda:1'), x.to('cuda:1')), right)


@every_dtype
@every_form
def test_a_step_never_waits_for_the_gpu(form, dtype):
    """Also where the bases are written, as DistributedDataParallel does."""
    layer, x = make_layer(form), make_input()
    differentiate(layer, x, dtype)
    copied = {name: b.clone() for name, b in layer.named_buffers()}
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    try:
        for name, buffer in layer.named_buffers():
            buffer.copy_(copied[name])
        differentiate(layer, x, dtype)
    finally:
        torch.cuda.set_sync_debug_mode('default')


@pytest.mark.parametrize('form', ['default', 'light'])
def test_a_network_learns_with_scaled_gradients(form):
    torch.manual_seed(0)
    net = MODELS.build(dict(type='AdResNet', arch='s', cifar_stem=True,
                            max_pool=False,
                            acda_cfg=dict(atom_generator=FORMS[form].get(
                                'atom_generator', {}))))
    net.init_weights()
    head = torch.nn.Linear(512, 4)
    model = torch.nn.ModuleList([net, head]).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    scaler = torch.amp.GradScaler('cuda')
    x = torch.randn(16, 3, 32, 32, device='cuda')
    target = torch.arange(16, device='cuda') % 4
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        with torch.autocast('cuda', torch.float16):
            scores = head(net(x)[-1].mean((2, 3)))
            loss = torch.nn.functional.cross_entropy(scores, target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert joined(dict(model.named_parameters())).isfinite().all()
