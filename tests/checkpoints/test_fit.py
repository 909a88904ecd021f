"""Checkpoints of other models are refused, with what does not fit."""
from collections import OrderedDict

import pytest
import torch
import torch.nn as nn

from mmacda.checkpoints.fit import check_bases, check_fit
from mmacda.layers import ACDAConv

STATE = dict(
    meta=dict(epoch=1, iter=1), message_hub=dict(log_scalars={}))


class Model(nn.Module):

    def __init__(self, width=4, classes=3):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))
        self.head = nn.Linear(width, classes)


def weights(model, drop=()):
    return {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith(tuple(drop) or '-')
    }


@pytest.mark.parametrize('purpose', ('train', 'test', 'resume'))
@pytest.mark.parametrize('prefix', ('', 'module.'))
def test_the_same_model_fits(purpose, prefix):
    given = {prefix + k: v for k, v in weights(Model()).items()}
    given.pop(f'{prefix}backbone.1.num_batches_tracked')
    check_fit(Model(), dict(STATE, state_dict=given), purpose)


@pytest.mark.trust('faults/checkpoint')
@pytest.mark.parametrize('purpose', ('train', 'test', 'resume'))
@pytest.mark.parametrize('given', [
    {'features.weight': torch.ones(3)},
    {},
    weights(Model(5, 6), drop=['backbone.1.num']),
])
def test_nothing_fits(purpose, given):
    with pytest.raises(ValueError, match='another model: no weight.*backbo'):
        check_fit(Model(), dict(STATE, state_dict=given), purpose)


@pytest.mark.parametrize('given,message', [
    (weights(Model(), drop=['head.bias']), 'head.bias is missing'),
    (weights(Model(classes=7)),
     r'head.weight is \(7, 4\) in place of \(3, 4\).*head.bias'),
])
def test_a_part_that_does_not_fit(given, message):
    checkpoint = dict(STATE, state_dict=given)
    check_fit(Model(), checkpoint, 'train')
    for purpose in ('test', 'resume'):
        with pytest.raises(ValueError, match=message):
            check_fit(Model(), checkpoint, purpose)


def test_a_part_that_is_absent():
    checkpoint = dict(STATE, state_dict=weights(Model(), drop=['head']))
    check_fit(Model(), checkpoint, 'test')
    with pytest.raises(ValueError, match='2 of its weights.*head.weight is m'):
        check_fit(Model(), checkpoint, 'resume')


def test_a_larger_model_cannot_be_resumed():
    given = dict(weights(Model()), **{'neck.weight': torch.ones(2)})
    checkpoint = dict(STATE, state_dict=given)
    check_fit(Model(), checkpoint, 'test')
    with pytest.raises(ValueError, match='neck.weight is not in the model'):
        check_fit(Model(), checkpoint, 'resume')


@pytest.mark.parametrize('checkpoint,message', [
    (dict(), 'no state_dict, meta, message_hub'),
    (dict(STATE, meta={}, state_dict={}), r"no meta\['epoch'\]"),
    (dict(STATE, state_dict=[1]), 'no state_dict: '),
])
def test_no_state_of_a_training(checkpoint, message):
    with pytest.raises(ValueError, match=message):
        check_fit(Model(), checkpoint, 'resume')


def test_weights_of_a_strange_type():
    with pytest.raises(ValueError, match='no weights.*of type list'):
        check_fit(Model(), dict(state_dict=[1]), 'test')


def test_models_that_rename_are_trusted():
    model = Model()
    model._register_load_state_dict_pre_hook(lambda *_: None)
    check_fit(model, dict(state_dict={}), 'test')


def test_models_without_weights():
    check_fit(nn.ReLU(), dict(state_dict={}), 'test')


class Adaptive(nn.Module):

    def __init__(self, scales=(3, 5), **options):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.ReLU(), ACDAConv(4, 4, 3, scales=scales, **options))


@pytest.mark.parametrize('prefix', ('', 'module.'))
@pytest.mark.parametrize('wrapped', (False, True))
def test_other_bases_of_equal_shapes(prefix, wrapped):
    given = {prefix + k: v for k, v in weights(Adaptive((3, 7))).items()}
    for scales in (3, 7), (3, 5):
        model = Adaptive(scales)
        if wrapped:  # as by data parallelism
            model = nn.Sequential(OrderedDict(module=model))
        for checkpoint in given, dict(STATE, state_dict=given):
            if scales == (3, 7):
                check_bases(model, checkpoint)
                continue
            with pytest.raises(ValueError, match='for backbone.1: .*3, 7.*5'):
                check_bases(model, checkpoint)
    check_bases(Adaptive(), weights(Model()))


@pytest.mark.parametrize('prefix', ('', 'module.'))
def test_another_form_of_generators(prefix):
    form = dict(atom_generator='light')
    given = {prefix + k: v for k, v in weights(Adaptive(**form)).items()}
    check_fit(Adaptive(**form), dict(STATE, state_dict=given), 'resume')
    for purpose in ('test', 'resume'):
        with pytest.raises(ValueError, match="set atom_generator='light'"):
            check_fit(Adaptive(), dict(STATE, state_dict=given), purpose)
