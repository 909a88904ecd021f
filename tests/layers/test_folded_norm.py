"""A batch norm folded into the convolution before it, against PyTorch's."""
import copy

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from mmacda.layers import folded_norm
from mmacda.layers.folded_norm import fold_norm, moments
from mmacda.testing.cases import relative_error
from tests import fresh

LAYOUTS = dict(contiguous=torch.contiguous_format,
               channels_last=torch.channels_last)


def draw(offset=0., layout='contiguous', shape=(3, 9, 7, 5)):
    torch.manual_seed(1)
    maps = torch.randn(shape) * (0.01 if offset else 1) + offset
    return maps.contiguous(memory_format=LAYOUTS[layout])


def make_norm(**options):
    norm = nn.BatchNorm2d(12, **options)
    if norm.affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return norm


def run(maps, weight, norm, folds):
    maps = maps.detach().requires_grad_()
    weight = weight.detach().requires_grad_()
    if folds:
        matrix = fold_norm(weight, None, norm, maps)
        output = F.conv2d(maps, matrix[:, :-1, None, None], matrix[:, -1])
    else:
        output = norm(F.conv2d(maps, weight))
    steps = torch.arange(output.numel()).cos().view(output.shape)
    grads = torch.autograd.grad(
        output, (maps, weight, *norm.parameters()), steps.to(output.dtype))
    return output.detach(), grads, norm.state_dict()


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('options', [
    dict(), dict(momentum=None), dict(affine=False),
    dict(track_running_stats=False), dict(eps=0.1, momentum=0.3)
], ids=str)
@pytest.mark.parametrize('training', [True, False])
def test_equals_batch_norm(training, options, layout):
    norm = make_norm(**options).train(training)
    other = copy.deepcopy(norm)
    maps, weight = draw(layout=layout), torch.randn(12, 9, 1, 1)
    ours = run(maps, weight, norm, True)
    theirs = run(maps, weight, other, False)
    assert relative_error(ours[0], theirs[0]) < 1e-5
    for a, b in zip(ours[1], theirs[1]):
        assert relative_error(a, b) < 1e-5
    for name, value in ours[2].items():
        assert relative_error(value, theirs[2][name]) < 1e-5, name


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('offset', [0.99, -0.999, 50.])
def test_is_no_less_exact_far_from_zero(offset, layout):
    """Where float32 cancels, PyTorch's own way sets the measure."""
    maps, weight = draw(offset, layout), torch.randn(12, 9, 1, 1)
    norm = make_norm()
    plain, exact = copy.deepcopy(norm), copy.deepcopy(norm).double()
    ours = run(maps, weight, norm, True)
    theirs = run(maps, weight, plain, False)
    expected = run(maps.double(), weight.double(), exact, False)
    for name in ('running_mean', 'running_var'):
        assert relative_error(ours[2][name], expected[2][name]) < 1e-5
    for a, b, c in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]),
                       (expected[0], *expected[1])):
        assert relative_error(a, c) < 10 * relative_error(b, c) + 1e-5


@pytest.mark.parametrize('layout', LAYOUTS)
def test_chunks_add_up(monkeypatch, layout):
    maps = draw(0.5, layout)
    monkeypatch.setattr(folded_norm, 'CHUNK', 50)
    count, mean, product = moments(maps)
    rows = maps.double().permute(0, 2, 3, 1).reshape(-1, 9)
    assert count == len(rows)
    torch.testing.assert_close(mean, rows.mean(0), rtol=1e-6, atol=1e-9)
    expected = torch.cov(rows.t(), correction=0) * len(rows)
    assert relative_error(product, expected) < 1e-5


def work(rank, folder):
    """One of two processes; leaves what it computed in a file."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/init', rank=rank, world_size=2)
    maps, weight, state = torch.load(f'{folder}/inputs.pth')
    norm = nn.SyncBatchNorm(12)
    norm.load_state_dict(state)
    part = maps[:1] if rank == 0 else maps[1:]
    part = part.clone().requires_grad_()
    weight = weight.clone().requires_grad_()
    matrix = fold_norm(weight, None, norm, part)
    output = F.conv2d(part, matrix[:, :-1, None, None], matrix[:, -1])
    grads = torch.autograd.grad(output.pow(3).sum(),
                                (part, weight, norm.weight, norm.bias))
    torch.save([output.detach(), *grads, norm.running_mean, norm.running_var],
               f'{folder}/{rank}.pth')


def test_processes_share_the_statistics_of_a_sync_batch_norm(tmp_path):
    """Two processes with one and two images: as one with all three."""
    maps, weight, norm = draw(), torch.randn(12, 9, 1, 1), make_norm()
    torch.save((maps, weight, norm.state_dict()), tmp_path / 'inputs.pth')
    fresh.run_together([
        f'from {__name__} import work; work({rank}, {str(tmp_path)!r})'
        for rank in range(2)])
    whole = maps.clone().requires_grad_()
    weight.requires_grad_()
    output = norm(F.conv2d(whole, weight))
    grads = torch.autograd.grad(output.pow(3).sum(),
                                (whole, weight, norm.weight, norm.bias))
    first, second = (
        torch.load(tmp_path / f'{rank}.pth') for rank in range(2))
    assert relative_error(torch.cat((first[0], second[0])), output) < 1e-5
    assert relative_error(torch.cat((first[1], second[1])), grads[0]) < 1e-4
    for n, grad in enumerate(grads[1:], 2):  # as DDP adds them
        assert relative_error(first[n] + second[n], grad) < 1e-4
    for part in (first, second):
        assert relative_error(part[5], norm.running_mean) < 1e-5
        assert relative_error(part[6], norm.running_var) < 1e-5
