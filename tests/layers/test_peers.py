"""CondConv, DynamicConv and DFNConv against their definitions."""
import builtins
from types import SimpleNamespace

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.config import ConfigDict
from mmengine.registry import HOOKS, MODELS, DefaultScope

from mmacda.layers import CondConv, DFNConv, DynamicConv

IN, OUT = 4, 6
EXPERT_LAYERS = (CondConv, DynamicConv)
LAYERS = (*EXPERT_LAYERS, DFNConv)
OPTIONS = {
    'plain': dict(kernel_size=3),
    'padding': dict(kernel_size=3, padding=1),
    'kernel-1': dict(kernel_size=1),
    'kernel-5': dict(kernel_size=5, padding=(2, 1)),
    'stride': dict(kernel_size=3, stride=(2, 1), padding=1),
    'dilation': dict(kernel_size=3, dilation=(1, 2), padding='same'),
    'groups': dict(kernel_size=3, padding=1, groups=2),
    'no-bias': dict(kernel_size=3, bias=False),
    'reflect': dict(kernel_size=3, padding=1, padding_mode='reflect'),
    'circular':
    dict(kernel_size=3, padding=1, padding_mode='circular', stride=2),
}
EVEN = {
    'kernel-2': dict(kernel_size=2, padding=1),
    'kernel-4x3': dict(kernel_size=(4, 3), stride=2, padding=(2, 1)),
    'valid': dict(kernel_size=(2, 4), padding='valid'),
}
CASES = [
    pytest.param(layer, options, id=f'{layer.__name__}-{name}')
    for layer in LAYERS for name, options in {
        **OPTIONS,
        **(EVEN if layer in EXPERT_LAYERS else {})
    }.items()
]
NARROW = dict(hidden_channels=2)
every_layer = pytest.mark.parametrize('layer', LAYERS)


@pytest.fixture(autouse=True)
def timm(request):
    """Skips what builds CondConv or DynamicConv where timm is missing."""
    name = request.node.name
    if 'dfn' not in name.lower() and 'missing_timm' not in name:
        pytest.importorskip('timm')


def own_options(layer):
    # One hidden unit for 4 channels might not be active.
    return dict(reduction=1) if layer is DynamicConv else {}


def build(layer, options):
    torch.manual_seed(0)
    module = layer(IN, OUT, **options, **own_options(layer)).double()
    for name, parameter in module.named_parameters():
        if name.endswith('bias'):
            nn.init.normal_(parameter)
    return module


def draw(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def padded(layer, x):
    mode = 'constant' if layer.padding_mode == 'zeros' else layer.padding_mode
    pad_h, pad_w = layer.padding
    return F.pad(x, (pad_w, pad_w, pad_h, pad_h), mode=mode)


def routing_weights(layer, image):
    """a, from the mean of every channel of one image (C, H, W)."""
    mean = image.mean((1, 2))
    if isinstance(layer, CondConv):
        return 1 / (1 +
                    (-layer.routing.weight @ mean - layer.routing.bias).exp())
    first, _, second = layer.attention
    hidden = (first.weight @ mean + first.bias).clamp(min=0)
    logits = (second.weight @ hidden + second.bias) / layer.temperature
    return logits.exp() / logits.exp().sum()


def mix_experts(layer, x):
    """One convolution per image with W = sum_e a_e W_e."""
    shape = OUT, IN // layer.groups, *layer.kernel_size
    outputs = []
    for image, expanded in zip(x, padded(layer, x)):
        weight, bias = 0, None
        for expert, share in enumerate(routing_weights(layer, image)):
            weight = weight + share * layer.experts.weight[expert].view(shape)
            if layer.experts.bias is not None:
                bias = (0 if bias is None else
                        bias) + share * layer.experts.bias[expert]
        outputs.append(
            F.conv2d(expanded[None], weight, bias, layer.stride, 0,
                     layer.dilation, layer.groups))
    return torch.cat(outputs)


def filter_every_pixel(layer, x):
    """One convolution per pixel, of the patch that it sees."""
    filters = layer.filter_generator(x) * layer.filter_scale
    expanded = padded(layer, x)
    (kernel, _), stride, dilation = (layer.kernel_size, layer.stride,
                                     layer.dilation)
    rows = []
    for i in range(filters.shape[2]):
        row = []
        for j in range(filters.shape[3]):
            top, left = i * stride[0], j * stride[1]
            patch = expanded[:, :, top:top + dilation[0] * (kernel - 1) + 1,
                             left:left + dilation[1] * (kernel - 1) + 1]
            weight = filters[:, :, i, j].reshape(
                len(x), OUT, IN // layer.groups, kernel, kernel)
            row.append(
                torch.cat([
                    F.conv2d(p[None], w, layer.bias, 1, 0, dilation,
                             layer.groups) for p, w in zip(patch, weight)
                ]))
        rows.append(torch.cat(row, 3))
    return torch.cat(rows, 2)


def define(layer, x):
    form = filter_every_pixel if isinstance(layer, DFNConv) else mix_experts
    return form(layer, x)


def gradients(output, layer, x):
    return torch.autograd.grad(
        output, [x, *layer.parameters()],
        torch.cos(torch.arange(output.numel())).view(output.shape).double())


@pytest.mark.parametrize('layer, options', CASES)
def test_output_and_gradients_equal_the_definition(layer, options):
    layer = build(layer, options)
    x = draw(3, IN, 6, 7).requires_grad_()
    output = layer(x)
    expected = define(layer, x)
    plain = nn.Conv2d(IN, OUT, **options).double()
    assert output.shape == plain(x).shape
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-9)
    names = ['input', *dict(layer.named_parameters())]
    for name, ours, theirs in zip(names, gradients(output, layer, x),
                                  gradients(expected, layer, x)):
        assert theirs.any(), name
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


@every_layer
def test_outputs_of_images_are_independent(layer):
    layer = build(layer, dict(kernel_size=3, padding=1)).eval()
    x = draw(3, IN, 5, 5)
    torch.testing.assert_close(layer(x)[1:2], layer(x[1:2]))


def test_temperature_flattens_the_attention():
    layer = build(DynamicConv, dict(kernel_size=3))
    mean = draw(2, IN)
    sharp = layer.route(mean)
    layer.temperature = 1e6
    even = layer.route(mean)
    assert (sharp - 0.25).abs().max() > 1e-3
    torch.testing.assert_close(
        even, torch.full_like(even, 0.25), atol=1e-5, rtol=0)


def test_temperature_hook_follows_dy_cnn():
    """30, 27.1, ... linearly to 1 at the tenth epoch, then 1."""
    model = nn.Sequential(DynamicConv(IN, OUT, 3), nn.Conv2d(OUT, OUT, 1))
    hook = HOOKS.build(dict(type='DynamicConvTemperatureHook'))
    seen = []
    for epoch in range(12):
        hook.before_train_epoch(SimpleNamespace(model=model, epoch=epoch))
        seen.append(model[0].temperature)
    assert seen == pytest.approx([30 - 2.9 * n for n in range(10)] + [1, 1])
    with pytest.raises(ValueError, match='at least 1'):
        HOOKS.build(dict(type='DynamicConvTemperatureHook', epochs=0))


def test_dfn_filters_have_kaiming_energy():
    """E |filter|^2 = 2 for an output channel, as a ReLU net wants."""
    torch.manual_seed(0)
    layer = DFNConv(IN, OUT, 3, padding=1).double()
    filters = layer.filter_generator(draw(8, IN, 16, 16)) * layer.filter_scale
    energy = filters.square().mean() * IN * 9
    assert energy.item() == pytest.approx(2, rel=0.02)


def test_dfn_says_what_it_would_need_before_it_allocates():
    """The paper's out-of-memory row: 147,456 weights for every pixel."""
    layer = DFNConv(128, 128, 3, padding=1, filter_generator=NARROW)
    # One float stands for the input: its generator's output would not fit.
    x = torch.zeros(()).expand(256, 128, 512, 512)
    gib = 256 * 512 * 512 * 128 * 128 * 9 * 4 / 2**30
    assert layer.filter_bytes(x) == gib * 2**30
    with pytest.raises(MemoryError, match=f'need {gib:.1f} GiB'):
        layer(x)


def test_dfn_memory_limit_is_an_argument():
    x = torch.zeros(2, IN, 5, 5)
    needed = 2 * 25 * OUT * IN * 9 * 4
    assert DFNConv(
        IN, OUT, 3, padding=1, memory_limit=needed)(x).shape[1] == OUT
    with pytest.raises(MemoryError):
        DFNConv(IN, OUT, 3, padding=1, memory_limit=needed - 1)(x)


@every_layer
@pytest.mark.parametrize(
    'options', [
        dict(),
        dict(stride=2, norm_cfg=dict(type='BN')),
        dict(groups=2, bias=True),
        dict(padding_mode='reflect'),
    ],
    ids=str)
def test_conv_module(layer, options):
    torch.manual_seed(0)
    module = ConvModule(
        IN,
        8,
        3,
        padding=1,
        conv_cfg=dict(type=layer.__name__, **own_options(layer)),
        **options)
    assert isinstance(module.conv, layer)
    plain = ConvModule(IN, 8, 3, padding=1, **options)
    for name in ('in_channels', 'out_channels', 'kernel_size', 'stride',
                 'padding', 'dilation', 'transposed', 'output_padding',
                 'groups', 'with_bias'):
        assert getattr(module, name) == getattr(plain, name), name
    torch.manual_seed(0)
    alone = layer(
        IN,
        8,
        3,
        groups=module.groups,
        bias=module.with_bias,
        **own_options(layer))
    assert alone.state_dict().keys() == module.conv.state_dict().keys()
    for name, value in alone.state_dict().items():
        assert torch.equal(module.conv.state_dict()[name], value), name
    x = draw(2, IN, 9, 8).float()
    output = module(x)
    assert output.shape == plain(x).shape
    (output * draw(*output.shape)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@every_layer
def test_mmpretrain_resnet(layer):
    pytest.importorskip('mmpretrain')
    torch.manual_seed(0)
    conv_cfg = dict(type=layer.__name__)
    if layer is DFNConv:
        conv_cfg.update(filter_generator=NARROW)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            ConfigDict(
                type='ResNet_CIFAR',
                depth=18,
                stem_channels=8,
                base_channels=8,
                num_stages=2,
                strides=(1, 2),
                dilations=(1, 1),
                out_indices=(1, ),
                conv_cfg=conv_cfg))
    layers = {
        name: m
        for name, m in model.named_modules() if isinstance(m, layer)
    }
    assert len(layers) == 10
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.init_weights()
    for name, value in model.state_dict().items():
        if any(name.startswith(f'{prefix}.') for prefix in layers):
            assert torch.equal(value, before[name]), name
    output, = model(draw(2, 3, 9, 9).float())
    (output * draw(*output.shape)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all()
               for p in model.parameters())


@every_layer
def test_takes_conv2d_arguments_first(layer):
    import inspect
    theirs = list(inspect.signature(nn.Conv2d).parameters)
    theirs = [name for name in theirs if name not in ('device', 'dtype')]
    assert list(inspect.signature(layer).parameters)[:len(theirs)] == theirs


@every_layer
@pytest.mark.parametrize(
    'options, message', [
        (dict(groups=3), 'divisible by groups'),
        (dict(stride=0), 'stride must be'),
        (dict(padding='full'), "'same', 'valid' or pixels"),
        (dict(padding='same', stride=2), 'needs stride=1'),
        (dict(padding_mode='mirror'), 'padding_mode must be one of'),
    ],
    ids=lambda v: v if isinstance(v, str) else '')
def test_wrong_arguments(layer, options, message):
    with pytest.raises(ValueError, match=message):
        layer(IN, OUT, 3, **options)


@pytest.mark.parametrize('layer, kernel, options, message', [
    (CondConv, 2, dict(padding='same'), 'odd kernel_size'),
    (CondConv, 3, dict(num_experts=0), 'number of experts'),
    (DynamicConv, 3, dict(reduction=0), 'reduction must be'),
    (DynamicConv, 3, dict(temperature=0), 'temperature must be positive'),
    (DFNConv, 2, dict(), 'odd and square'),
    (DFNConv, (3, 5), dict(), 'odd and square'),
    (DFNConv, 3, dict(memory_limit=0), 'memory_limit must be'),
])
def test_wrong_own_arguments(layer, kernel, options, message):
    with pytest.raises(ValueError, match=message):
        layer(IN, OUT, kernel, **options)


@every_layer
def test_wrong_input(layer):
    layer = layer(IN, OUT, 3)
    with pytest.raises(ValueError, match=r'\(B, 4, H, W\)'):
        layer(torch.rand(2, IN + 1, 5, 5))
    with pytest.raises(TypeError, match='floating point'):
        layer(torch.ones(2, IN, 5, 5, dtype=torch.long))


@pytest.mark.parametrize('layer', EXPERT_LAYERS)
def test_missing_timm_is_told(layer, monkeypatch):
    original = builtins.__import__

    def without_timm(name, *args, **kwargs):
        if name.split('.')[0] == 'timm':
            raise ImportError(f'No module named {name!r}')
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without_timm)
    with pytest.raises(ImportError, match='pip install timm'):
        layer(IN, OUT, 3)
