"""The Triton backends: in the interpreter, and on a GPU where there is one."""
import sys
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from mmacda.ops import (
    adaptive_conv2d,
    backends,
    reference,
    registered_op,
    warm_up,
)
from mmacda.ops.backends import bases as bases_module
from mmacda.ops.backends import triton
from mmacda.ops.geometry import ConvGeometry
from mmacda.testing.cases import (
    CASES,
    OPERANDS,
    Case,
    evaluate,
    relative_error,
    upstream_of,
)

from .test_one_hot import DIRECT, MULTI_SCALE, composition_of, shifted

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a GPU')
pytestmark = pytest.mark.usefixtures('exact_products')
SINGLE, HALVES = torch.float32, (torch.float16, torch.bfloat16)
# The interpreter reads float32 only.
every_place = pytest.mark.parametrize('device, dtype', [
    pytest.param(
        'cpu', SINGLE, marks=pytest.mark.interpreted, id='interpreted'),
    *[
        pytest.param(
            'cuda', dtype, marks=needs_gpu, id=f'cuda-{str(dtype)[6:]}')
        for dtype in (SINGLE, *HALVES)
    ],
])
interpreted = pytest.mark.interpreted
backend = partial(adaptive_conv2d, backend='triton')
# What is not the same code in both; the one that is deprecated takes its time.
both = pytest.mark.parametrize(
    'name', ['triton', pytest.param('triton_fused', marks=pytest.mark.long)])


@pytest.fixture
def launch(monkeypatch):
    """The launching module, with tiles that the interpreter is quick at."""
    (plan, *_), reason = triton._load()
    assert reason is None
    from mmacda.ops.backends.triton import launch
    monkeypatch.setattr(launch, 'FEW_WARPS', 0)
    monkeypatch.setattr(fused_kernel(), 'FEW_PROGRAMS', 0)
    forget(plan, launch)
    yield launch
    forget(plan, launch)


def forget(plan, launch):
    """Plans are made anew, by what is patched."""
    plan._cached_plan.cache_clear()
    launch.choose_tile.cache_clear()


def fused_kernel():
    pytest.importorskip('triton')
    from mmacda.ops.backends.triton import fused_kernel
    return fused_kernel


def named(name, operands):
    x = operands['input']
    if name == 'triton_fused' and x.is_cuda and x.dtype == SINGLE:
        pytest.skip('for half precision')
    return partial(adaptive_conv2d, backend=name)


def exact(operands):
    return {k: v if v is None else v.double() for k, v in operands.items()}


def assert_equal_results(case,
                         operands,
                         expected=None,
                         differentiate=OPERANDS,
                         name='triton'):
    """Output and gradients of the backend are those of the reference.

    Half precision is judged by PyTorch's own: at most twice the reference's
    error in the output, three times in a gradient.
    """
    output, grads = evaluate(
        named(name, operands), operands, case.geometry, differentiate)
    right = expected or evaluate(reference.adaptive_conv2d, exact(operands),
                                 case.geometry, differentiate)
    limits = dict.fromkeys(('output', *grads), 1e-4)
    dtype = operands['input'].dtype
    if dtype in HALVES:
        peer = evaluate(reference.adaptive_conv2d, operands, case.geometry,
                        differentiate)
        eps = torch.finfo(dtype).eps
        for factor, name in ((2, 'output'), *((3, name) for name in grads)):
            theirs, true = (results[0] if name == 'output' else
                            results[1][name] for results in (peer, right))
            limits[name] = factor * max(eps, relative_error(theirs, true))
    assert output.dtype == dtype
    assert relative_error(output, right[0]) <= limits['output']
    assert grads.keys() == right[1].keys()
    for name, grad in grads.items():
        assert grad.dtype == dtype, name
        error = relative_error(grad, right[1][name])
        assert error <= limits[name], name


@both
@every_place
@pytest.mark.parametrize('case', CASES, ids=str)
def test_output_and_gradients_equal_reference(case, device, dtype, name,
                                              launch):
    assert_equal_results(case, case.operands(dtype, device), name=name)


@both
@every_place
@pytest.mark.parametrize('case', [
    *[Case(f'{m}-atoms', num_atoms=m, scales=None, kernel=1, padding=(0, 0))
      for m in (3, 4, 5, 7, 8, 9, 11, 12)],
    Case('520-channels', 1, 520, 6, (2, 2), None),
    Case('vectors', in_channels=48, out_channels=32, size=(3, 5)),
    Case('vectors-of-groups', in_channels=64, out_channels=32, size=(3, 5),
         groups=2, layout='channels_last'),
    Case('nine', 1, 2, 2, (5, 4), (9, ), padding=(4, 4), num_atoms=1),
], ids=str)  # yapf: disable
def test_other_sizes_equal_reference(case, device, dtype, name, launch):
    assert_equal_results(case, case.operands(dtype, device), name=name)


@every_place
@pytest.mark.parametrize('tile', [(1, 1, 16), (2, 8, 32)], ids=str)
@pytest.mark.parametrize('case', [
    Case('strided-groups', 1, size=(4, 3), stride=(2, 1), groups=2),
    Case('many-channels', 1, 18, 5, (2, 3)),
], ids=str)  # yapf: disable
def test_any_tile_gives_the_same(case, tile, device, dtype, launch,
                                 monkeypatch):
    from mmacda.ops.backends.triton import fma
    monkeypatch.setattr(fma, 'choose_tile',
                        lambda *_: launch.Tile(*tile, case.num_atoms))
    assert_equal_results(case, case.operands(dtype, device))


@every_place
@pytest.mark.parametrize('tile', [(1, 16, 16, 2), (4, 8, 64, 1)],
                         ids=str)
@pytest.mark.parametrize('case', [
    Case('strided-groups', 1, size=(4, 3), stride=(2, 1), groups=2),
    Case('many', 1, 36, 70, (2, 3)),
], ids=str)  # yapf: disable
def test_any_fused_tile_gives_the_same(case, tile, device, dtype, launch,
                                       monkeypatch):
    kernel = fused_kernel()
    monkeypatch.setattr(kernel, 'choose_tile',
                        lambda *_: kernel.FusedTile(*tile))
    assert_equal_results(
        case, case.operands(dtype, device), name='triton_fused')


@pytest.mark.parametrize('size, outputs, atoms', [
    ((8, 100, 100), 256, 6), ((1, 1, 1), 1, 7), ((2, 5, 64), 33, 9),
    ((8, 100, 100), 1000, 8)], ids=str)  # yapf: disable
def test_fused_tiles_fit_the_registers(size, outputs, atoms):
    kernel = fused_kernel()
    tile = kernel.choose_tile(size, outputs, atoms)
    pixels = tile.rows * tile.columns
    assert atoms % tile.atoms == 0
    assert kernel.LEAST_PIXELS <= pixels <= kernel.MOST_PIXELS
    assert kernel.LEAST <= tile.outputs <= kernel.MOST_OUTPUTS
    assert pixels * (tile.outputs + tile.atoms * kernel.LEAST) <= kernel.SUMS


@both
@every_place
def test_chosen_tiles_of_small_maps(device, dtype, name):
    """As they are on a GPU, a few elements per thread."""
    case = Case('small', in_channels=20, num_atoms=6, size=(2, 3))
    assert_equal_results(case, case.operands(dtype, device), name=name)


@both
@every_place
@pytest.mark.parametrize('case', [
    Case('chunks', 3, size=(5, 4), stride=(2, 1), groups=2),
    Case('halo', 1, size=(9, 4), dilation=(2, 1), padding=(2, 1)),
], ids=str)  # yapf: disable
def test_chunk_borders(case, device, dtype, name, launch, monkeypatch):
    """A tiny workspace splits maps into single rows."""
    from mmacda.ops.backends.triton import plan
    monkeypatch.setattr(plan, 'WORKSPACE_BYTES', (1, 1))
    assert_equal_results(case, case.operands(dtype, device), name=name)


def own_choice(case, count):
    """A one-hot choice out of ``count`` for each pixel, all of them there."""
    height, width = case.out_size
    assert case.batch * height * width >= count, 'too small to show them all'
    pixels = torch.arange(case.batch * height * width)
    step = next(n for n in (37, 41, 43) if count % n)  # in no order
    return (pixels * step % count).view(case.batch, height, width)


def assert_picks(case, candidates, operands, choice, name):
    """Every pixel's output is made of the candidate that it chose.

    ``candidates(x)`` is (n, B, C, Ho, Wo): what each tap or basis makes of
    the input, by plain PyTorch.
    """
    def expected(input, alpha, bases, weight, bias, **_):
        made = candidates(input)
        atom, index = choice // len(made), choice % len(made)
        picked = made.gather(
            0, index[None, :, None].expand_as(made[:1]))[0]
        outputs = torch.stack([
            F.conv2d(picked, composition_of(case, dict(weight=weight), a),
                     bias, groups=case.groups) for a in range(case.num_atoms)
        ])
        return outputs.gather(
            0, atom[None, :, None].expand_as(outputs[:1]))[0]

    names = 'input', 'weight', 'bias'
    results = evaluate(expected, exact(operands), case.geometry, names)
    assert_equal_results(case, operands, results, names, name)


def probe(case, device, dtype, count):
    operands = case.operands(dtype, device)
    choice = own_choice(case, case.num_atoms * count)
    alpha = F.one_hot(choice, case.num_atoms * count).movedim(-1, 1)
    operands['basis_coefficients'] = alpha.unflatten(
        1, (case.num_atoms, count)).to(device, dtype)
    return operands, choice.to(device)


def large_enough(case):
    side = 6 if case.support < 7 else 4
    return Case(**dict(
        vars(case), batch=1, size=(side * case.stride[0] + case.support,
                                   side * case.stride[1] + case.support)))


@both
@every_place
@pytest.mark.parametrize('case', map(large_enough, DIRECT), ids=str)
def test_every_tap_of_every_atom(case, device, dtype, name, launch):
    operands, choice = probe(case, device, dtype, case.kernel**2)
    assert_picks(
        case, lambda x: torch.stack(
            [shifted(case, x, tap) for tap in range(case.kernel**2)]),
        operands, choice, name)


@both
@every_place
@pytest.mark.parametrize('case', map(large_enough, MULTI_SCALE[:2]), ids=str)
def test_every_basis_of_every_atom(case, device, dtype, name, launch):
    operands, choice = probe(case, device, dtype, case.num_coefficients)
    bases = operands['atom_bases'].double()[:, None, None]

    def filtered(x):
        geometry = dict(case.geometry, groups=case.in_channels)
        return torch.stack([
            F.conv2d(x, basis.expand(case.in_channels, -1, -1, -1),
                     **geometry) for basis in bases
        ])

    assert_picks(case, filtered, operands, choice, name)


@every_place
@pytest.mark.parametrize('case', DIRECT, ids=str)
def test_every_tap_gets_its_gradient(case, device, dtype, launch):
    """d(sum of one output channel) / d(tap) is the shifted input."""
    operands = case.operands(dtype, device)
    alpha = operands['basis_coefficients'].clone().requires_grad_()
    output = backend(
        **dict(operands, basis_coefficients=alpha), **case.geometry)
    out = case.out_channels - 1
    grad, = torch.autograd.grad(output[:, out].sum(), alpha)
    first = case.in_channels - case.in_channels // case.groups
    tolerance = max(1e-5, 3 * torch.finfo(dtype).eps)
    for tap in range(case.kernel**2):
        seen = shifted(case, operands['input'].double(), tap)[:, first:]
        for atom in range(case.num_atoms):
            weight = composition_of(case, exact(operands), atom)[out]
            expected = (weight * seen).sum(1)
            error = relative_error(grad[:, atom, tap], expected)
            assert error < tolerance, (tap, atom)


@both
@every_place
@pytest.mark.parametrize('case', [
    Case('paper', 1, 2, 3, (4, 5), (3, 5, 7), padding=(3, 3), num_atoms=6),
    Case('groups', groups=2, stride=(2, 2)),
], ids=str)  # yapf: disable
def test_two_calls_are_bitwise_equal(case, device, dtype, name, launch):
    operands = case.operands(dtype, device)
    backend = named(name, operands)
    first, first_grads = evaluate(backend, operands, case.geometry)
    second, second_grads = evaluate(backend, operands, case.geometry)
    assert torch.equal(first, second)
    for name, grad in first_grads.items():
        assert torch.equal(grad, second_grads[name]), name


@every_place
@pytest.mark.parametrize('wanted', OPERANDS)
def test_each_gradient_alone_equals_all_at_once(wanted, device, dtype,
                                                launch):
    case = Case('strided', stride=(2, 1))
    operands = case.operands(dtype, device)
    _, together = evaluate(backend, operands, case.geometry)
    _, alone = evaluate(backend, operands, case.geometry, (wanted, ))
    assert list(alone) == [wanted]
    assert torch.equal(alone[wanted], together[wanted])


@both
@every_place
def test_every_cell_is_written(device, dtype, name, launch,
                               nan_in_new_memory):
    assert torch.empty(3).isnan().all()
    case = Case('odd', in_channels=5, stride=(3, 2), size=(8, 7))
    operands = case.operands(dtype, device)
    output, grads = evaluate(
        named(name, operands), operands, case.geometry)
    assert output.isfinite().all()
    for name, grad in grads.items():
        assert grad.isfinite().all(), name


@every_place
def test_saves_only_its_operands(device, dtype, launch):
    case = Case('saved', 1, size=(4, 4))
    operands = case.operands(dtype, device)
    given = {k: v.requires_grad_() for k, v in operands.items()}
    saved = {}

    def pack(tensor):
        saved[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        backend(**given, **case.geometry)
    names = OPERANDS[:4]
    assert saved == {given[n].data_ptr(): given[n].numel() for n in names}


@every_place
@pytest.mark.skipif(
    not registered_op.AVAILABLE, reason='needs torch 2.4')
def test_registered_operator_takes_it(device, dtype, launch):
    case = Case('registered', stride=(2, 1), bias=False)
    operands = case.operands(dtype, device)

    def registered(x, alpha, bases, weight, bias, **geometry):
        options = [list(geometry[n]) for n in ('stride', 'padding',
                                               'dilation')]
        return registered_op.apply(x, alpha, bases, weight, *options,
                                   geometry['groups'], 'triton')

    ours, our_grads = evaluate(registered, operands, case.geometry)
    eager, grads = evaluate(backend, operands, case.geometry)
    assert torch.equal(ours, eager)
    assert our_grads.keys() == grads.keys()
    for name, grad in grads.items():
        assert torch.equal(our_grads[name], grad), name


@interpreted
def test_changed_bases_are_read_again(launch, monkeypatch):
    """Reading them waits for a GPU: once for each state of the buffer."""
    searches = []
    make = bases_module.Description
    monkeypatch.setattr(bases_module, 'Description',
                        lambda values: searches.append(1) or make(values))
    bases_module._by_content.cache_clear()
    case = Case('bases', 1, size=(3, 3))
    operands = case.operands(torch.float32)
    bases = operands['atom_bases']
    x = operands['input'].requires_grad_()
    for times in (1, 1, 2):
        if times == 2:
            bases[:, 0] = 0
            bases[0, 2, 2] = 1
        output = backend(**operands, **case.geometry)
        torch.autograd.grad(output.sum(), x)
        expected = reference.adaptive_conv2d(**operands, **case.geometry)
        assert relative_error(output, expected) < 1e-5
        assert len(searches) == times


@interpreted
def test_autocast_on_a_cpu_computes_in_float32(launch):
    case = Case('autocast', 1, size=(3, 3))
    operands = case.operands(torch.float32)
    with torch.autocast('cpu', torch.bfloat16):
        output, grads = evaluate(backend, operands, case.geometry)
    assert output.dtype == torch.bfloat16
    assert all(grad.dtype == torch.float32 for grad in grads.values())
    expected = backend(**operands, **case.geometry)
    assert relative_error(output, expected) < 3e-2


@needs_gpu
@pytest.mark.parametrize('dtype', HALVES)
def test_autocast_on_a_gpu(dtype):
    case = Case('autocast', in_channels=32, out_channels=16)
    operands = case.operands(torch.float32, 'cuda')
    with torch.autocast('cuda', dtype):
        output, grads = evaluate(adaptive_conv2d, operands, case.geometry)
    assert output.dtype == dtype
    assert all(grad.dtype == torch.float32 for grad in grads.values())
    expected = reference.adaptive_conv2d(**exact(operands), **case.geometry)
    assert relative_error(output, expected) < 3e-2


@needs_gpu
def test_no_call_but_the_first_waits_for_the_gpu():
    case = Case('graph', in_channels=16, out_channels=8)
    operands = case.operands(torch.float32, 'cuda')
    warm_up(**operands, **case.geometry)
    torch.cuda.set_sync_debug_mode('error')
    try:
        with torch.no_grad():
            adaptive_conv2d(**operands, **case.geometry)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        output = adaptive_conv2d(**operands, **case.geometry)
    operands['input'].copy_(operands['input'].flip(0))
    graph.replay()
    expected = reference.adaptive_conv2d(**exact(operands), **case.geometry)
    assert relative_error(output, expected) < 1e-4


@needs_gpu
def test_more_elements_than_32_bits_count():
    if torch.cuda.mem_get_info()[0] < 30 * 2**30:
        pytest.skip('needs 30 GiB of free memory')
    channels, side, dtype = 64, 5800, torch.float16
    x = torch.ones((1, side, side, channels), dtype=dtype, device='cuda')
    x[0, -9:] = torch.rand_like(x[0, -9:])
    alpha = torch.ones((1, 1, 1, side, side), dtype=dtype, device='cuda')
    weight = torch.eye(channels, dtype=dtype, device='cuda')[..., None, None]
    assert x.numel() > 2**31
    with torch.no_grad():
        output = backend(x.permute(0, 3, 1, 2), alpha, None, weight)
    assert torch.equal(output.permute(0, 2, 3, 1)[0, -20:], x[0, -20:])


class OnGpu:
    """What the choice of a backend asks of an input."""
    device, dtype = torch.device('cuda', 0), torch.bfloat16
    shape = 1, 64, 56, 56


@pytest.mark.parametrize('reason, chosen', [
    (None, 'triton'),
    ('Triton is not available (no module)', 'stock'),
])
def test_choice_on_a_gpu(reason, chosen, monkeypatch, caplog):
    monkeypatch.setattr(triton, 'try_device', lambda *_: reason)
    # What is asked of tensors that there are.
    monkeypatch.setattr(triton, 'find_obstacle', lambda *tensors: None)
    monkeypatch.setattr(backends.stock, 'can_run', lambda *arguments: None)
    monkeypatch.delenv(backends.ENVIRONMENT_VARIABLE, raising=False)
    backends._tell.cache_clear()
    case = Case('gpu', 1, 64, 64, (56, 56), (3, 5, 7), padding=(3, 3))
    alpha, bases, weight = (
        torch.empty(shape, device='meta')
        for shape in (case.shapes['basis_coefficients'], (18, 7, 7),
                      case.shapes['weight']))
    with caplog.at_level('DEBUG', logger='mmacda'):
        for _ in range(2):
            name, _ = backends.choose_backend(
                None, OnGpu, alpha, bases, weight,
                ConvGeometry.checked(**case.geometry))
            assert name == chosen
    why = f'not triton: {reason}' if reason \
        else 'it is the fastest on a cuda device'
    assert caplog.messages == [f'the {chosen} backend serves: {why}']


def test_a_missing_triton_is_named(monkeypatch):
    start = 'mmacda.ops.backends.triton.'
    for name in [name for name in sys.modules if name.startswith(start)]:
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(triton, name[len(start):], raising=False)
    monkeypatch.setitem(sys.modules, 'triton', None)
    loaded, reason = triton._load.__wrapped__()
    assert loaded is None
    assert 'Triton is not available (import of triton halted' in reason


@pytest.mark.parametrize('found', ['2.1.0', '3.0.0', '3.2.0+git'])
def test_a_triton_that_would_abort_is_not_asked(found, monkeypatch):
    monkeypatch.setattr(pytest.importorskip('triton'), '__version__', found)
    loaded, reason = triton._load.__wrapped__()
    assert loaded is None
    assert reason.startswith(f'Triton {found} cannot compile its kernels; 3.3')


@both
def test_float64_is_refused(name):
    backend = partial(adaptive_conv2d, backend=name)
    case = Case('double')
    with pytest.raises(ValueError, match='but the input is torch.float64'):
        backend(**case.operands(), **case.geometry)


@both
def test_a_cpu_is_refused(monkeypatch, name):
    backend = partial(adaptive_conv2d, backend=name)
    monkeypatch.delenv(triton.INTERPRET, raising=False)
    case = Case('cpu')
    with pytest.raises(ValueError, match='runs on a GPU, but the input is on'):
        backend(**case.operands(torch.float32), **case.geometry)


@interpreted
def test_empty_tensors_are_refused():
    case = Case('empty')
    operands = case.operands(torch.float32)
    operands['weight'] = operands['weight'][:0]
    operands['bias'] = None
    with pytest.raises(ValueError, match='weight is empty'):
        backend(**operands, **case.geometry)


@interpreted
def test_the_upstream_may_be_expanded(launch):
    """As that of a sum is: strides of zero."""
    case = Case('sum', 1, size=(3, 4))
    operands = case.operands(torch.float32)
    x = operands['input'].requires_grad_()
    grad, = torch.autograd.grad(
        backend(**operands, **case.geometry).sum(), x)
    wanted, = torch.autograd.grad(
        reference.adaptive_conv2d(**operands, **case.geometry).sum(), x)
    assert relative_error(grad, wanted) < 1e-5
    assert upstream_of(grad).shape == grad.shape


@needs_gpu
def test_fused_refuses_float32_on_a_gpu():
    case = Case('single')
    with pytest.raises(ValueError, match='those of half precision'):
        adaptive_conv2d(**case.operands(SINGLE, 'cuda'), **case.geometry,
                        backend='triton_fused')
