"""A small model and a Runner for the tests of replacement."""
import copy
from itertools import count

import torch
import torch.nn as nn
from mmengine.hooks import Hook
from mmengine.model import BaseModel, BaseModule
from mmengine.runner import Runner
from torch.utils.data import DataLoader

EXACT = dict(type='ACDAConv', num_atoms=9, atom_bases=None)
RUN = count()


class Block(BaseModule):
    """Initializes in a method of its own that never asks whether it ran."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.keep = nn.Conv2d(8, 8, 1)
        self.calls = 0

    def init_weights(self):
        self.calls += 1
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.1)


class Tiny(BaseModel):
    """Unguarded as well, with a framework's bulk initialization on top."""

    def __init__(self, data_preprocessor=None, init_cfg=None):
        super().__init__(data_preprocessor, init_cfg or [
            dict(type='Kaiming', layer='Conv2d'),
            dict(type='Constant', val=1, layer='BatchNorm2d')
        ])
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.block = Block()
        self.head = nn.Conv2d(8, 2, 3, padding=1)

    def init_weights(self):
        super().init_weights()
        nn.init.normal_(self.stem.weight, std=0.2)
        nn.init.constant_(self.norm.weight, 0.5)

    def features(self, x):
        x = self.block.keep(self.block.conv(self.norm(self.stem(x))))
        return self.head(x.relu())

    def forward(self, inputs, mode='tensor'):
        x = self.features(torch.stack(list(inputs)))
        return dict(loss=x.square().mean()) if mode == 'loss' else x


class Spy(Hook):
    """Keeps the weights that training starts from."""

    def before_train(self, runner):
        self.iteration = runner.iter
        self.state = copy.deepcopy(runner.model.state_dict())


def make_runner(model, work_dir, lr=0.1, max_iters=2, **kwargs):
    data = [dict(inputs=torch.randn(3, 8, 8)) for _ in range(4)]
    spy = Spy()
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=DataLoader(data, batch_size=2),
        train_cfg=dict(by_epoch=False, max_iters=max_iters),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=lr)),
        default_hooks=dict(checkpoint=dict(
            type='CheckpointHook', interval=1, by_epoch=False)),
        custom_hooks=[spy],
        experiment_name=f'replace_convs_{next(RUN)}',
        **kwargs)
    return runner, spy
