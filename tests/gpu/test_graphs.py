"""CUDA graphs and torch.compile of the operator and the layer."""
import pytest
import torch

from mmacda.ops import adaptive_conv2d, warm_up
from mmacda.testing.cases import Case, evaluate, relative_error

from .layers import (FORMS, HALVES, SINGLE, assert_equal, differentiate,
                     error, make_input, make_layer)

every_form = pytest.mark.parametrize('form', FORMS)
both_dtypes = pytest.mark.parametrize('dtype', (SINGLE, HALVES[1]), ids=str)


@both_dtypes
@every_form
def test_a_graph_of_a_step(form, dtype):
    """Replayed with other values, it gives what a call would."""
    layer, x = make_layer(form).eval(), make_input()
    static = x.clone(memory_format=torch.preserve_format)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            differentiate(layer, static, dtype)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = differentiate(layer, static, dtype)
    static.copy_(x.flip(0))
    graph.replay()
    right = differentiate(layer, x.flip(0), dtype)
    # Libraries may choose another algorithm in a graph: one more rounding.
    limit = 1e-6 if dtype == SINGLE else torch.finfo(dtype).eps
    assert error(found[0], right[0]) <= limit
    assert error(found[1]['weight'], right[1]['weight']) <= limit
    assert_equal(found, right, dtype)


@both_dtypes
def test_graphed_callables(dtype):
    layer, x = make_layer(), make_input().requires_grad_()
    right = differentiate(layer, x, dtype)
    with torch.autocast('cuda', HALVES[1], enabled=dtype != SINGLE,
                        cache_enabled=False):
        graphed = torch.cuda.make_graphed_callables(make_layer(), (x, ))
    assert_equal(differentiate(graphed, x, dtype), right, dtype)


def test_a_graph_outlives_what_is_kept_of_plans():
    from mmacda.ops.backends.triton import plan
    case = Case('kept', in_channels=16, out_channels=16, size=(9, 9))
    operands = case.operands(torch.float32, 'cuda')
    warm_up(**operands, **case.geometry)
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        output = adaptive_conv2d(**operands, **case.geometry)
    plan._cached_plan.cache_clear()
    torch.cuda.empty_cache()
    taken = [torch.full((2**n, ), 77, dtype=torch.int32, device='cuda')
             for n in range(6, 24)]
    graph.replay()
    with torch.no_grad():
        right = adaptive_conv2d(**operands, **case.geometry)
    assert torch.equal(output, right) and taken


def test_a_first_call_in_a_capture_says_what_to_do():
    case = Case('first', in_channels=48, out_channels=16, size=(7, 5),
                num_atoms=7)
    operands = case.operands(torch.bfloat16, 'cuda')
    with pytest.raises(RuntimeError, match='warm_up'):
        with torch.no_grad(), torch.cuda.graph(torch.cuda.CUDAGraph()):
            adaptive_conv2d(**operands, **case.geometry)
    torch.cuda.synchronize()
    warm_up(**operands, **case.geometry)
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        output = adaptive_conv2d(**operands, **case.geometry)
    graph.replay()
    right = adaptive_conv2d(**operands, **case.geometry)
    assert torch.equal(output, right)


@pytest.mark.parametrize('mode', ['default', 'reduce-overhead'])
@both_dtypes
@every_form
def test_compiled(form, dtype, mode):
    layer, x = make_layer(form), make_input()
    right = differentiate(layer, x, dtype)
    compiled = torch.compile(make_layer(form), mode=mode)
    names = dict(layer.named_parameters())
    for _ in range(3):  # recorded, captured, replayed
        torch.compiler.cudagraph_mark_step_begin()
        y, grads = differentiate(compiled, x, dtype)
        found = y.clone(), {
            name.replace('_orig_mod.', ''): grad.clone()
            for name, grad in grads.items()
        }
    assert found[1].keys() == {'input', *names}
    assert_equal(found, right, dtype)


def test_compiled_operator_is_not_broken_up():
    case = Case('compiled', in_channels=16, out_channels=8)
    operands = case.operands(torch.float32, 'cuda')
    call = torch.compile(adaptive_conv2d, fullgraph=True)
    output, grads = evaluate(call, operands, case.geometry)
    right, others = evaluate(adaptive_conv2d, operands, case.geometry)
    assert relative_error(output, right) <= 1e-5
    for name, grad in grads.items():
        assert relative_error(grad, others[name]) <= 1e-5, name
