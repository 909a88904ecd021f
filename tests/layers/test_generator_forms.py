"""A form of generator is one word, wherever options of a layer pass."""
import inspect
import re

import pytest
import torch
import torch.nn as nn
from mmengine.registry import MODELS
from mmengine.runner.checkpoint import load_state_dict

from mmacda.layers import ACDAConv, replace_convs
from mmacda.layers.generator_forms import GENERATOR_FORMS, RECOMMENDED_CONV
from mmacda.layers.on_the_fly import why_plain
from mmacda.models import (ACDALeNet, ACDARestorer, AdResNet, ReplaceConvs)

ARCH = dict(stage_widths=(4, 4, 8, 8), stage_blocks=(1, 1, 1, 1))


def kernels(model):
    """Kernel sizes of all atom generators."""
    return {(m.atom_generator.conv1.kernel_size[0],
             m.atom_generator.conv2.kernel_size[0])
            for m in model.modules() if isinstance(m, ACDAConv)}


LIGHT, MEDIUM = {(1, 1)}, {(3, 1)}


@pytest.mark.parametrize('word, expected', [('light', (1, 1)),
                                            ('medium', (3, 1))])
def test_a_word_means_its_options(word, expected):
    torch.manual_seed(0)
    layer = ACDAConv(4, 6, 3, padding=1, atom_generator=word)
    torch.manual_seed(0)
    same = ACDAConv(4, 6, 3, padding=1, atom_generator=GENERATOR_FORMS[word])
    x = torch.rand(2, 4, 5, 7)
    assert torch.equal(layer(x), same(x))
    assert why_plain(layer.atom_generator) is None
    assert kernels(layer) == {expected}
    assert kernels(ACDAConv(4, 6, 3)) == {(3, 3)}  # the authors'


@pytest.mark.parametrize('cfg', [
    dict(atom_generator='light'),
    dict(atom_generator='light', scales=(3, 5), num_atoms=2)
], ids=str)
@pytest.mark.parametrize('build', [
    lambda cfg: AdResNet(ARCH, acda_cfg=cfg),
    lambda cfg: ACDALeNet(acda_cfg=cfg),
    lambda cfg: ACDARestorer(num_blocks=1, acda_cfg=cfg),
], ids=['ad_resnet', 'lenet', 'restorer'])
def test_models_take_the_word(build, cfg):
    given = dict(cfg)
    assert kernels(build(cfg)) == LIGHT
    assert cfg == given


def test_defaults():
    assert kernels(AdResNet(ARCH)) == kernels(ACDALeNet()) == {(3, 3)}
    assert kernels(ACDARestorer(num_blocks=1)) == LIGHT
    norm = dict(atom_generator=dict(norm_cfg=None))
    assert kernels(ACDARestorer(num_blocks=1, acda_cfg=norm)) == LIGHT
    authors = dict(atom_generator=dict(kernel_size=3))
    assert kernels(ACDARestorer(num_blocks=1, acda_cfg=authors)) == {(3, 3)}


def test_replaced_convolutions_are_medium():
    model = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 4, 5))
    replace_convs(model)
    assert kernels(model) == MEDIUM
    built = MODELS.build(
        dict(type='WithReplacedConvs', original=ACDALeNet, conv_type='conv'))
    assert kernels(built) == MEDIUM
    for function in (replace_convs, ReplaceConvs):
        default = inspect.signature(function).parameters['conv_cfg'].default
        assert default == RECOMMENDED_CONV


@pytest.mark.parametrize('made, words', [
    ('light', "of 1x1 and 1x1 .* has 3x3 and 1x1 .* set "
     "atom_generator='light', which is dict\\(kernel_size=1\\),"),
    (None, r'of 3x3 and 3x3 .* set atom_generator=dict\(kernel_size=3\) w'),
    (dict(kernel_size=(1, 5)), r'atom_generator=dict\(kernel_size=\(1, 5\)\)'),
], ids=str)
def test_a_checkpoint_of_another_form_says_which(made, words, capsys):
    def net(form):
        return nn.Sequential(
            *(ACDAConv(4, 4, 3, atom_generator=form) for _ in range(2)))

    given, model = net(made).state_dict(), net('medium')
    with pytest.raises(RuntimeError, match=words) as failure:
        model.load_state_dict(given)
    assert str(failure.value).count('set atom_generator') == 1
    load_state_dict(model, given)  # MMEngine's, which goes on
    assert re.search(words, capsys.readouterr().out)
    net(made).load_state_dict(given)


@pytest.mark.parametrize('given, error, words', [
    ('lite', ValueError,
     "'lite' is unknown; supported are 'light', 'medium' .*'light'"),
    ('', ValueError, "'' is unknown"),
    (3, TypeError, 'must be a dict .* got 3'),
    ([], TypeError, 'must be a dict'),
])
@pytest.mark.parametrize('build', [
    lambda g: ACDAConv(4, 4, 3, atom_generator=g),
    lambda g: AdResNet(ARCH, acda_cfg=dict(atom_generator=g)),
    lambda g: ACDARestorer(num_blocks=1, acda_cfg=dict(atom_generator=g)),
], ids=['layer', 'ad_resnet', 'restorer'])
def test_another_word_says_what_is_supported(build, given, error, words):
    with pytest.raises(error, match=words):
        build(given)


@pytest.mark.parametrize('options, words', [
    (dict(atom_generator='light'), 'coefficients on the fly'),
    (dict(atom_generator='medium'), 'coefficients on the fly'),
    (dict(), 'in memory (its second convolution is not a pointwise one)'),
    (dict(atom_generator='light', backend='stock'),
     "in memory (backend='stock')"),
])
def test_repr_says_which_way_and_why(options, words):
    assert words in repr(ACDAConv(4, 4, 3, **options))
