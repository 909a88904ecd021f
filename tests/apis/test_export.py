"""ONNX files equal to their models at several sizes; what users do wrong."""
import runpy
import sys
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from mmengine.registry import MODELS

from mmacda.apis.export import DYNAMO_OPSET, export_onnx
from mmacda.apis.load_model import load_model
from mmacda.layers import ACDAConv
from tests.layers.cases import HYPER_PARAMETERS
from tests.trust.cases import CASES, any_size, every_model

onnx = pytest.importorskip('onnx')
runtime = pytest.importorskip('onnxruntime')

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'export_onnx.py'
DIGITS = ROOT / 'configs/ad_resnet/ad-resnet-s_digits.py'
# One of each task, as users export them.
TRAINED = {
    'onnx-counter': ('counting/ad-resnet-s_synthetic.py', 'mmengine'),
    'onnx-classifier': ('ad_resnet/ad-resnet-s_8xb32_in1k.py', 'mmpretrain'),
    'onnx-restorer': ('denoising/acda-restorer_photographs-noise.py',
                      'mmagic'),
}


def check(figure, comparisons, claim=None, sizes=2):
    assert len({shape[2:] for shape, _ in comparisons}) == sizes
    assert len({shape[0] for shape, _ in comparisons}) > 1
    figure('error in onnxruntime over the largest output',
           max(error for _, error in comparisons), 1e-4, claim=claim)


@pytest.mark.trust('export/onnx-layer')
@pytest.mark.parametrize('options', HYPER_PARAMETERS.values(),
                         ids=HYPER_PARAMETERS)
def test_layer(figure, options, tmp_path):
    torch.manual_seed(0)
    layer = ACDAConv(4, 8, **options)
    backend = layer.backend
    path = tmp_path / 'layer.onnx'
    check(figure, export_onnx(layer, str(path), (17, 20)))
    assert layer.training and layer.backend is backend
    graph = onnx.load(path).graph
    dims = [d.dim_param for d in graph.input[0].type.tensor_type.shape.dim]
    assert dims[0] and not dims[1] and dims[2] and dims[3]
    kinds = {node.op_type for node in graph.node}
    assert not {node.domain for node in graph.node} - {''}
    assert not kinds & {'Col2Im', 'Im2Col', 'GatherElements', 'Loop'}


@every_model
@pytest.mark.parametrize('opset', [17, 20])
def test_models_and_opsets(case, opset, tmp_path):
    path = tmp_path / 'model.onnx'
    comparisons = export_onnx(case.build(), str(path), case.sizes[0],
                              opset=opset)
    assert max(error for _, error in comparisons) < 1e-4
    assert onnx.load(path).opset_import[0].version == opset
    sizes = {shape[2:] for shape, _ in comparisons}
    assert len(sizes) == (2 if len(case.sizes) > 1 else 1)


needs_dynamo = pytest.mark.skipif(
    'dynamic_shapes' not in signature(torch.onnx.export).parameters
    or not find_spec('onnxscript'), reason='needs torch 2.6 and onnxscript')


@needs_dynamo
@pytest.mark.parametrize('options', [
    dict(kernel_size=3, padding=1, stride=2),
    dict(kernel_size=5, padding=4, dilation=2, groups=2)])
def test_layer_by_dynamo(options, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / 'layer.onnx'
    comparisons = export_onnx(ACDAConv(4, 8, **options), str(path), (17, 20),
                              dynamo=True)
    assert max(error for _, error in comparisons) < 1e-4
    assert len({shape[2:] for shape, _ in comparisons}) == 2
    graph = onnx.load(path).graph
    dims = [d.dim_param for d in graph.input[0].type.tensor_type.shape.dim]
    assert dims[0] and not dims[1] and dims[2] and dims[3]


# The others hold these two: in the long suite.
@needs_dynamo
@pytest.mark.parametrize('case', [
    pytest.param(case, id=name, marks=[pytest.mark.long] if name in (
        'ad-resnet', 'denoiser') else []) for name, case in CASES.items()])
def test_models_by_dynamo(case, tmp_path):
    path = tmp_path / 'model.onnx'
    comparisons = export_onnx(case.build(), str(path), case.sizes[0],
                              dynamo=True)
    assert max(error for _, error in comparisons) < 1e-4
    assert onnx.load(path).opset_import[0].version == DYNAMO_OPSET
    sizes = {shape[2:] for shape, _ in comparisons}
    assert len(sizes) == (2 if len(case.sizes) > 1 else 1)


@needs_dynamo
def test_dynamo_has_a_least_opset(tmp_path):
    with pytest.raises(ValueError, match='at least 18 with dynamo.*got 17'):
        export_onnx(ACDAConv(4, 8, 3), str(tmp_path / 'x.onnx'), opset=17,
                    dynamo=True)


@pytest.mark.parametrize('upscale', [2, 3, 4])
def test_enlarging_restorers(upscale, tmp_path):
    model = MODELS.build(
        dict(CASES['restorer'].model, mid_channels=4, upscale=upscale))
    comparisons = export_onnx(model, str(tmp_path / 'x.onnx'), (11, 14))
    assert max(error for _, error in comparisons) < 1e-4
    assert len({shape[2:] for shape, _ in comparisons}) == 2


@pytest.mark.trust(*(f'export/{claim}' for claim in TRAINED))
@pytest.mark.parametrize('claim', TRAINED)
def test_trained_models(figure, claim, tmp_path):
    config, framework = TRAINED[claim]
    pytest.importorskip(framework)
    model = load_model(str(ROOT / 'configs' / config))
    comparisons = export_onnx(model, str(tmp_path / 'model.onnx'), (32, 48))
    check(figure, comparisons, f'export/{claim}')


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A checkpoint of the digits' classifier."""
    pytest.importorskip('mmpretrain')
    path = tmp_path_factory.mktemp('trained') / 'digits.pth'
    torch.save(dict(state_dict=load_model(str(DIGITS)).state_dict()), path)
    return path


@pytest.fixture
def tool(monkeypatch, capsys):
    """Run the tool as a command: what it printed, or its error."""

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['export_onnx.py',
                                          *map(str, arguments)])
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
        except SystemExit:
            return capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.mark.trust('export/onnx-tool')
def test_tool(figure, tool, trained, tmp_path):
    out = tmp_path / 'new' / 'digits.onnx'
    printed = tool(DIGITS, trained, '--out', out, '--height', 32, '--width',
                   40)
    assert printed.count('onnxruntime differs by') == 3
    assert '(1, 1, 32, 40)' in printed and 'any height and width' in printed
    assert 'mean [80.0] and std [96.0]' in printed
    assert list(out.parent.iterdir()) == [out]
    session = runtime.InferenceSession(str(out))
    x = torch.rand(5, 1, 24, 31)
    ours = load_model(str(DIGITS), str(trained))
    with torch.no_grad():
        expected = ours(x)
    result = session.run(None, {'input': x.numpy()})[0]
    figure('logits of the tool\'s file at a third size',
           (torch.from_numpy(result) - expected).abs().max().item(), 1e-4)


@pytest.mark.trust('export/onnx-tool')
def test_tool_says_what_is_wrong(tool, trained, tmp_path):
    out = tmp_path / 'a.onnx'
    end = '--out', out
    foreign = tmp_path / 'foreign.pth'
    torch.save(dict(state_dict=nn.Conv2d(3, 4, 3).state_dict()), foreign)
    message = tool(DIGITS, foreign, *end)
    assert 'foreign.pth is not a checkpoint of this network' in message
    truncated = tmp_path / 'truncated.pth'
    truncated.write_bytes(trained.read_bytes()[:5000])
    printed = tool(DIGITS, truncated, *end)
    assert 'truncated.pth is not a checkpoint: ' in printed
    assert 'missing.pth' in tool(DIGITS, tmp_path / 'missing.pth', *end)
    assert 'missing.py' in tool(tmp_path / 'missing.py', trained, *end)
    assert 'opset must be at least 17' in tool(
        DIGITS, trained, *end, '--opset', 11)
    assert 'of at least 1' in tool(DIGITS, trained, *end, '--height', 0)
    assert not out.exists()


def test_a_size_that_the_model_refuses_is_named(tmp_path):
    layer = ACDAConv(3, 4, 5)
    with pytest.raises(ValueError, match=r'ACDAConv cannot run on an input of '
                       r'\(1, 3, 2, 9\).* smaller than'):
        export_onnx(layer, str(tmp_path / 'a.onnx'), (2, 9))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('package', ['onnx', 'onnxruntime'])
def test_a_missing_package_is_named(package, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match='pip install onnx onnxruntime'):
        export_onnx(ACDAConv(3, 4, 3), str(tmp_path / 'a.onnx'))


class Coin(nn.Module):
    """What it does at the traced size it does at every other one."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x) + (1 if x.shape[2] % 2 else 0)


def test_a_file_that_differs_is_not_written(tmp_path):
    before = tmp_path / 'a.onnx'
    before.write_text('the last good one', encoding='utf-8')
    with pytest.raises(ValueError, match=r'differs by .*\(2, 3, 21, 25\)'):
        export_onnx(Coin(), str(before), (16, 16))
    assert before.read_text(encoding='utf-8') == 'the last good one'
    assert list(tmp_path.iterdir()) == [before]


def test_what_is_no_tensor_is_named(tmp_path):

    class Two(nn.Conv2d):

        def forward(self, x):
            return dict(y=super().forward(x))

    with pytest.raises(TypeError, match='Two gives dict'):
        export_onnx(Two(3, 4, 3), str(tmp_path / 'a.onnx'))


@pytest.mark.trust('export/torch-export')
@any_size
def test_torch_export(figure, case):
    if not hasattr(torch, 'export') or not hasattr(torch.export, 'Dim'):
        pytest.skip('needs torch 2.2')
    model = case.build().eval()
    # PyTorch's max-pool asks for sizes of one parity: multiples of 32.
    height, width = (32 * torch.export.Dim(name, min=2, max=32)
                     for name in ('rows', 'columns'))
    batch = torch.export.Dim('batch', min=1, max=64)
    program = torch.export.export(
        model, (case.draw(), ),
        dynamic_shapes=({0: batch, 2: height, 3: width}, ))
    compare_at_all_sizes(figure, case, model, program.module())


@pytest.mark.trust('export/torchscript')
@pytest.mark.filterwarnings('ignore')
@every_model
def test_torchscript(figure, case, tmp_path):
    model = case.build().eval()
    path = str(tmp_path / 'traced.pt')
    torch.jit.trace(model, case.draw()).save(path)
    compare_at_all_sizes(figure, case, model, torch.jit.load(path))


def compare_at_all_sizes(figure, case, model, other):
    error = 0.
    for size in range(len(case.sizes)):
        x = case.draw(batch=3, size=size)
        with torch.no_grad():
            for ours, theirs in zip(_tuple(other(x)), _tuple(model(x))):
                scale = theirs.abs().max()
                error = max(error, ((ours - theirs).abs().max() /
                                    scale).item())
    figure('error over the largest output, at two other sizes', error, 1e-4)


def _tuple(output):
    return (output, ) if isinstance(output, torch.Tensor) else output


@pytest.mark.trust('export/int8')
def test_int8_of_the_pointwise_convolutions(figure, tmp_path):
    """The coefficient convolutions, whose weights are most of the file."""
    quantization = pytest.importorskip('onnxruntime.quantization')
    case = CASES['ad-resnet']
    model = case.build()
    path, small = str(tmp_path / 'a.onnx'), str(tmp_path / 'int8.onnx')
    export_onnx(model, path, case.sizes[0])
    graph = onnx.load(path).graph
    shapes = {w.name: tuple(w.dims) for w in graph.initializer}
    pointwise = [node.name for node in graph.node
                 if node.op_type == 'Conv'
                 and shapes.get(node.input[1], ())[2:] == (1, 1)]
    layers = [m for m in model.modules() if isinstance(m, ACDAConv)]
    assert len(pointwise) >= len(layers)
    quantization.quantize_dynamic(path, small, nodes_to_quantize=pointwise)
    kinds = [node.op_type for node in onnx.load(small).graph.node]
    assert kinds.count('ConvInteger') == len(pointwise)
    x = case.draw().numpy()
    exact, quantized = (
        runtime.InferenceSession(p).run(None, {'input': x})
        for p in (path, small))
    error = max(abs(q - e).max() / abs(e).max()
                for q, e in zip(quantized, exact))
    figure('error of int8 over the largest output', float(error), 0.1)


@pytest.mark.trust('export/int8')
@pytest.mark.filterwarnings('ignore')
def test_int8_of_pytorch_leaves_the_layer_alone():
    model = nn.Sequential(
        ACDAConv(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 64, 5))
    model.eval()
    x = torch.rand(2, 3, 8, 8)
    quantized = torch.ao.quantization.quantize_dynamic(
        model, {nn.Linear}, dtype=torch.qint8)
    with torch.no_grad():
        torch.testing.assert_close(quantized[0](x), model[0](x))
        torch.testing.assert_close(quantized(x), model(x), atol=0.05, rtol=0)
