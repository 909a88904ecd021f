"""What is tried of every framework, with its own tools."""
import re

import numpy as np
import torch

from tests.forks import run_forks
from tests.frameworks.harness import TIMEOUT, losses

EMA = '''
custom_hooks = [dict(type='EMAHook', momentum=0.5)]
'''


class Tries:
    """The tries of one framework; a class of tests inherits them.

    `name` is a key of ``FRAMEWORKS``, `metric` what its test tool prints.
    """
    name = metric = ''

    def infer(self, config, checkpoint, image):
        """Build by the framework's `init_*`, and use its inferencer."""
        raise NotImplementedError

    def test_train(self, runs, config):
        work_dir, log = runs.train(config)
        found = losses(log)
        assert len(found) == 2 and np.isfinite(found).all()
        assert re.search(self.metric, log)
        state = torch.load(
            runs.checkpoint(config), map_location='cpu',
            weights_only=False)['state_dict']
        assert any('.atom_generator.' in key for key in state)
        assert all(value.isfinite().all() for value in state.values())

    def test_test(self, runs, config):
        """Needs no weights but the checkpoint."""
        log = runs.run('test', runs.config(config), runs.checkpoint(config))
        assert re.search(self.metric, log)
        assert 'do not match exactly' not in log

    def test_inference(self, runs, config):
        checkpoint = str(runs.checkpoint(config))
        path = runs.saved_config(config)
        run_forks(lambda: self.infer(path, checkpoint, str(runs.image)),
                  runs.folder, timeout=TIMEOUT)

    def test_resume(self, runs, config):
        work_dir, _ = runs.train(config)
        log = runs.run('train', runs.config(config), '--work-dir', work_dir,
                       '--resume', epochs=2)
        assert re.search('resumed epoch: 1|resumed from|iter: 2', log)
        found = losses(log)
        assert len(found) == 2 and np.isfinite(found).all()
        assert (work_dir / runs.framework.checkpoint(2)).exists()

    def test_amp(self, runs, config):
        work_dir = runs.folder / 'amp'
        log = runs.run('train', runs.config(config), '--work-dir', work_dir,
                       '--amp', options=runs.framework.amp)
        found = losses(log)
        assert len(found) == 2 and np.isfinite(found).all()
        assert re.search(self.metric, log)

    def test_ema(self, runs, config):
        work_dir = runs.folder / 'ema'
        log = runs.run('train', runs.config(config, EMA), '--work-dir',
                       work_dir)
        assert len(losses(log)) == 2 and re.search(self.metric, log)
        checkpoint = torch.load(
            work_dir / runs.framework.checkpoint(1), map_location='cpu',
            weights_only=False)
        ema = [v for k, v in checkpoint['ema_state_dict'].items()
               if '.atom_generator.' in k]
        assert ema and all(value.isfinite().all() for value in ema)

    def test_ddp(self, runs, config):
        """Two processes, one log."""
        options = {
            'train_dataloader.batch_size': 1,
            'model_wrapper_cfg.type': 'MMDistributedDataParallel',
            'model_wrapper_cfg.device_ids': None,
            **runs.framework.ddp
        }
        log = runs.run('train', runs.config(config), '--work-dir',
                       runs.folder / 'ddp', processes=2, options=options)
        assert np.isfinite(losses(log)).all() and losses(log)
        assert re.search(self.metric, log)
