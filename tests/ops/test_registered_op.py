"""The operator under torch.compile, torch.export and autocast."""
import pytest
import torch
import torch.nn.functional as F

from mmacda.ops import adaptive_conv2d, fourier_bessel_bases, registered_op

pytestmark = pytest.mark.skipif(
    not registered_op.AVAILABLE, reason='needs torch 2.4')

BASES = fourier_bessel_bases((3, 5), 4).float()


def make_tensors(size=(7, 9), batch=2):
    generator = torch.Generator().manual_seed(0)
    shapes = ((batch, 4, *size), (batch, 3, len(BASES), *size),
              (5, 4 * 3, 1, 1), (5, ))
    return [
        torch.randn(s, generator=generator).requires_grad_() for s in shapes
    ]


def layer(x, alpha, weight, bias):
    return F.relu(adaptive_conv2d(2 * x, alpha, BASES, weight, bias, 1, 2))


def output_and_grads(function, tensors):
    output = function(*tensors)
    grads = torch.autograd.grad(output.float().square().sum(), tensors)
    return [output, *grads]


def assert_same(results, expected):
    for ours, theirs in zip(results, expected):
        assert ours.dtype == theirs.dtype
        torch.testing.assert_close(ours, theirs)


@pytest.fixture
def compiled():
    torch._dynamo.reset()
    yield lambda **options: torch.compile(layer, fullgraph=True, **options)
    torch._dynamo.reset()


@pytest.mark.parametrize('memory_format',
                         [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('dynamic', [False, True])
def test_compiles_in_one_graph(compiled, dynamic, memory_format):
    function = compiled(dynamic=dynamic, backend='aot_eager')
    for size, batch in (((7, 9), 2), ((10, 8), 3)):
        tensors = make_tensors(size, batch)
        tensors[0] = tensors[0].detach().to(
            memory_format=memory_format).requires_grad_()
        assert_same(
            output_and_grads(function, tensors),
            output_and_grads(layer, tensors))


def test_inductor_accepts_the_strides(compiled):
    tensors = make_tensors()
    assert_same(
        output_and_grads(compiled(), tensors),
        output_and_grads(layer, tensors))


def test_compiles_under_autocast(compiled):
    function = compiled(backend='aot_eager')
    tensors = make_tensors()
    with torch.autocast('cpu', torch.bfloat16):
        results = output_and_grads(function, tensors)
        expected = output_and_grads(layer, tensors)
    assert results[0].dtype == torch.bfloat16
    assert_same(results, expected)


def test_autocast_rounds_the_inputs_only():
    tensors = make_tensors()
    with torch.autocast('cpu', torch.bfloat16):
        output = layer(*tensors)
    rounded = [t.detach().bfloat16().float() for t in tensors]
    exact = layer(*rounded)
    torch.testing.assert_close(
        output.float(), exact, rtol=2**-7, atol=2**-7 * exact.max().item())


@pytest.mark.parametrize('needs', [(True, True, True), (True, False, False),
                                   (False, True, False),
                                   (False, False, True)])
def test_opcheck(needs):
    x, alpha, weight, _ = make_tensors((5, 6))
    for tensor, need in zip((x, alpha, weight), needs):
        tensor.requires_grad_(need)
    outcome = torch.library.opcheck(
        torch.ops.mmacda.adaptive_conv2d.default,
        (x, alpha, BASES, weight, [1, 1], [2, 2], [1, 1], 1, None))
    assert set(outcome.values()) == {'SUCCESS'}


def test_opcheck_of_backward():
    x, alpha, weight, _ = (t.detach() for t in make_tensors((5, 6)))
    grad = torch.ones(2, 5, 5, 6)
    outcome = torch.library.opcheck(
        torch.ops.mmacda.adaptive_conv2d_backward.default,
        (grad, x, alpha, BASES, weight, [1, 1], [2, 2], [1, 1], 1, None,
         [True, False, False, True]))
    assert set(outcome.values()) == {'SUCCESS'}


def test_bases_get_a_gradient(compiled):
    bases = BASES.clone().requires_grad_()

    def function(x, alpha, weight, bias):
        return adaptive_conv2d(x, alpha, bases, weight, bias, 1, 2)

    tensors = make_tensors()
    graph = torch.compile(function, fullgraph=True, backend='aot_eager')
    ours, = torch.autograd.grad(graph(*tensors).square().sum(), [bases])
    theirs, = torch.autograd.grad(function(*tensors).square().sum(), [bases])
    assert theirs.abs().max() > 0
    torch.testing.assert_close(ours, theirs)


def test_export_keeps_the_operator():

    class Layer(torch.nn.Module):

        def forward(self, *tensors):
            return layer(*tensors)

    tensors = tuple(t.detach() for t in make_tensors())
    program = torch.export.export(Layer(), tensors)
    targets = [str(node.target) for node in program.graph.nodes]
    assert 'mmacda.adaptive_conv2d.default' in targets
    torch.testing.assert_close(program.module()(*tensors), layer(*tensors))


@pytest.mark.parametrize('exporting, expected', [
    (True, {'aten::_convolution', 'aten::matmul'}),
    (False, {'aten::im2col', 'aten::matmul'}),
])
def test_tracing_takes_plain_operators(monkeypatch, exporting, expected):
    """Exporters know no im2col; FLOPs counters see matrix products."""
    monkeypatch.setattr(torch.onnx, 'is_in_onnx_export', lambda: exporting)
    tensors = [t.detach() for t in make_tensors()]
    traced = torch.jit.trace(layer, tensors, check_trace=False)
    kinds = {node.kind() for node in traced.inlined_graph.nodes()}
    assert expected <= kinds
    assert ('aten::im2col' in kinds) is not exporting
    torch.testing.assert_close(traced(*tensors), layer(*tensors))
