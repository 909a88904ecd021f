"""torch.compile on the layer, Ad-ResNet, and a Runner's training step."""
import pytest
import torch

from mmacda.layers import ACDAConv
from mmacda.ops import registered_op

from .cases import CASES, tensors_of
from .trainings import train, write_config

pytestmark = [
    pytest.mark.skipif(not registered_op.AVAILABLE, reason='needs torch 2.4'),
    pytest.mark.filterwarnings('ignore'),
]
LAYERS = {
    'drop-in': dict(padding=1, scales=(3, 5, 7)),
    'stride-groups': dict(padding=1, stride=2, groups=2),
    'direct-reflect': dict(
        padding=1, atom_bases=None, padding_mode='reflect'),
}
# The first size is compiled as it is, the second with symbols.
SIZES = ((2, 64, 96), (3, 96, 128), (4, 128, 64), (5, 160, 96))


@pytest.fixture
def compiled():
    """A module compiled into one graph, and the number of its graphs."""
    from torch._dynamo.testing import CompileCounterWithBackend
    torch._dynamo.reset()

    def make(module, backend):
        counter = CompileCounterWithBackend(backend)
        return torch.compile(module, fullgraph=True, backend=counter), counter

    yield make
    torch._dynamo.reset()


def run(function, module, x):
    """Outputs and gradients: {(layer, name): tensor}."""
    x = x.clone().requires_grad_()
    module.zero_grad()
    outputs = tensors_of(function(x))
    sum(o.square().sum() for o in outputs).backward()
    results = {(f'output {n}', ''): o for n, o in enumerate(outputs)}
    results['input', ''] = x.grad
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            layer, _, kind = name.rpartition('.')
            results[layer, kind] = parameter.grad
    return results


def largest_error(ours, theirs):
    """Relative to the largest value of the same layer.

    The gradient of a bias before a batch norm is zero but for rounding, which
    is in proportion to that of the layer's weight.
    """
    scales = {}
    for (layer, _), value in theirs.items():
        largest = value.abs().max().item()
        scales[layer] = max(scales.get(layer, 1e-6), largest)
    return max((ours[key] - value).abs().max().item() / scales[key[0]]
               for key, value in theirs.items())


def graphs_after_each(compiled, module, shapes, backend):
    """Numbers of graphs after each size, and the largest relative error."""
    function, counter = compiled(module, backend)
    graphs, error = [], 0.
    for shape in shapes:
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        state = {k: v.clone() for k, v in module.state_dict().items()}
        ours = run(function, module, x)
        graphs.append(counter.frame_count)
        module.load_state_dict(state)  # batch norms have moved
        theirs = run(module, module, x)
        assert ours.keys() == theirs.keys()
        error = max(error, largest_error(ours, theirs))
    torch._dynamo.reset()
    return graphs, error


def check(figure, compiled, module, shapes, backend, expected):
    graphs, error = graphs_after_each(compiled, module, shapes, backend)
    claim = 'layer' if isinstance(module, ACDAConv) else 'ad-resnet'
    figure(f'relative error of outputs and gradients, {backend}', error, 1e-4,
           claim=f'compilation/{claim}')
    figure(f'graphs after each of several sizes, {backend}', graphs,
           expected[:len(graphs)], '==', claim='compilation/recompilation')


@pytest.mark.trust('compilation/layer', 'compilation/recompilation')
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('options', LAYERS.values(), ids=LAYERS)
def test_layer(figure, compiled, options, training):
    torch.manual_seed(0)
    layer = ACDAConv(4, 8, 3, **options).train(training)
    shapes = [(batch, 4, height // 8, width // 8)
              for batch, height, width in SIZES]
    check(figure, compiled, layer, shapes, 'aot_eager', [1, 2, 2, 2])


@pytest.mark.trust('compilation/ad-resnet', 'compilation/recompilation')
def test_ad_resnet(figure, compiled):
    model = CASES['ad-resnet'].build()
    shapes = [(batch, 3, height, width) for batch, height, width in SIZES[:3]]
    check(figure, compiled, model, shapes, 'aot_eager', [1, 2, 2, 2])


# PyTorch compiles anew where no layer of ours has a say: its max-pool for
# every parity of its input, and inductor's convolutions on a CPU for every
# height and width (hence two sizes below).
@pytest.mark.long
@pytest.mark.trust('compilation/recompilation')
def test_odd_sizes_cost_what_plain_convolutions_cost(figure, compiled):
    sizes = ((64, 96), (81, 97), (99, 70), (101, 67), (75, 113))
    shapes = [(2, 3, *size) for size in sizes]
    case = CASES['ad-resnet']
    ours, theirs = (
        graphs_after_each(compiled, model, shapes, 'eager')[0]
        for model in (case.build(), case.build_twin()))
    figure('graphs of Ad-ResNet after each of five odd sizes, as its twin\'s',
           ours, theirs, '==')


@pytest.mark.long
@pytest.mark.trust('compilation/layer', 'compilation/recompilation')
def test_layer_with_inductor(figure, compiled):
    torch.manual_seed(0)
    layer = ACDAConv(4, 8, 3, padding=1, scales=(3, 5, 7))
    shapes = [(batch, 4, height // 8, width // 8)
              for batch, height, width in SIZES[:2]]
    check(figure, compiled, layer, shapes, 'inductor', [1, 2])


@pytest.mark.long
@pytest.mark.trust('compilation/ad-resnet', 'compilation/recompilation')
def test_ad_resnet_with_inductor(figure, compiled):
    model = CASES['ad-resnet'].build()
    shapes = [(batch, 3, height, width) for batch, height, width in SIZES[:2]]
    check(figure, compiled, model, shapes, 'inductor', [1, 2])


def check_runner(figure, tmp_path, task, compile):
    path = write_config(tmp_path, task)
    options = {'randomness': dict(seed=3)}
    plain = train(path, tmp_path / 'plain', **options)
    torch._dynamo.reset()
    losses = train(path, tmp_path / 'compiled', compile=compile, **options)
    torch._dynamo.reset()
    assert len(losses) == len(plain) > 1
    figure(f'difference of losses, compile={compile}',
           max(abs(a - b) for a, b in zip(losses, plain)), 1e-4)


@pytest.mark.trust('compilation/runner')
def test_runner(figure, tmp_path):
    check_runner(figure, tmp_path, 'patterns', dict(backend='eager'))


@pytest.mark.long
@pytest.mark.trust('compilation/runner')
@pytest.mark.parametrize('task', ['patterns', 'classification'])
def test_runner_with_inductor(figure, tmp_path, task):
    if task == 'classification':
        pytest.importorskip('mmpretrain')
    check_runner(figure, tmp_path, task, True)
