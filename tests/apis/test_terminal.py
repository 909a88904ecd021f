"""The terminal has a line per epoch, the log file everything."""
import re
from collections import OrderedDict

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from torch.utils.data import Dataset

from mmacda.apis.terminal import ExperimentRunner, ToolRunner


class Points(Dataset):
    metainfo = dict(name='points')

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return dict(inputs=torch.tensor([float(index)]))


class Line(BaseModel):

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, mode='tensor'):
        inputs = torch.stack(inputs) if isinstance(inputs, list) else inputs
        if mode == 'loss':
            return dict(loss=(inputs * self.weight).mean())
        return [dict(value=float(x)) for x in inputs]


class Mean(BaseMetric):
    default_prefix = 'points'

    def process(self, data_batch, data_samples):
        self.results.extend(s['value'] for s in data_samples)

    def compute_metrics(self, results):
        return dict(mean=sum(results) / len(results))


@pytest.fixture(autouse=True)
def no_loggers(monkeypatch):
    """Those of other tests write to streams that are closed."""
    monkeypatch.setattr(MMLogger, '_instance_dict', OrderedDict())


def train(kind, folder, train_cfg):
    loader = dict(batch_size=4, num_workers=0, dataset=Points(),
                  sampler=dict(type='DefaultSampler', shuffle=False))
    if not train_cfg['by_epoch']:
        loader['sampler'] = dict(type='InfiniteSampler', shuffle=False)
    runner = kind(
        Line(), str(folder), train_dataloader=loader,
        val_dataloader=dict(loader, sampler=dict(
            type='DefaultSampler', shuffle=False)),
        train_cfg=train_cfg, val_cfg=dict(), val_evaluator=[Mean()],
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.)),
        log_processor=dict(by_epoch=train_cfg['by_epoch']),
        default_scope='mmengine',
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(
                type='CheckpointHook', save_param_scheduler=False)),
        experiment_name=f'{kind.__name__}_{folder.name}')
    runner.train()
    log, = folder.rglob('*.log')
    return log.read_text(encoding='utf-8')


def test_a_line_for_each_epoch(tmp_path, capsys):
    log = train(ExperimentRunner, tmp_path / 'digits',
                dict(by_epoch=True, max_epochs=4, val_interval=2))
    out, err = capsys.readouterr()
    assert out == ''
    assert err.splitlines() == [
        'digits: epoch 1 of 4, loss 3.5',
        'digits: epoch 2 of 4, loss 3.5, points/mean 3.5',
        'digits: epoch 3 of 4, loss 3.5',
        'digits: epoch 4 of 4, loss 3.5, points/mean 3.5',
    ]
    assert len(re.findall(r'Epoch\(train\)', log)) == 8
    assert 'System environment' in log and 'FileClient' in log


@pytest.mark.parametrize('iterations, lines, loss', [
    (40, 10, '3.5'),  # the mean of four batches
    (3, 3, '1.5')
])
def test_ten_lines_where_iterations_count(tmp_path, capsys, iterations, lines,
                                          loss):
    train(ExperimentRunner, tmp_path / f'patterns_{iterations}',
          dict(by_epoch=False, max_iters=iterations, val_interval=iterations))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == lines
    assert said[-1] == (f'patterns_{iterations}: iteration {iterations} of '
                        f'{iterations}, loss {loss}, points/mean 3.5')


def test_tools_leave_out_what_nobody_asked_for(tmp_path, capsys):
    log = train(ToolRunner, tmp_path / 'tool',
                dict(by_epoch=True, max_epochs=1, val_interval=1))
    out, err = capsys.readouterr()
    for text in ('System environment', 'Hooks will be executed',
                 '"FileClient"'):
        assert text in log and text not in out
    assert out.count('Epoch(train)') == 2 and 'Epoch(val)' in out
    assert err == ''
