"""The counter of cells on the test pictures of BCCD."""
import os.path as osp

import numpy as np
from mmengine.registry import DATASETS
from rich.table import Table

from mmacda.apis import CrowdCountingInferencer
from mmacda.apis.packaged_models import model_files
from mmacda.apis.read_config import read_config
from tools.experiments.evidence.tables import markdown


def _counts(cfg: dict, data: str) -> dict:
    """True counts by picture."""
    cfg = dict(cfg, data_root=osp.join(data, 'BCCD'), pipeline=[])
    dataset = DATASETS.build(cfg)
    return {sample['img_path']: sample['gt_count'] for sample in dataset}


def count_cells(data: str) -> str:
    """The counter's table."""
    cfg = read_config(model_files('blood-cell-counter')[0])
    known = _counts(cfg.train_dataloader.dataset, data)
    true = _counts(cfg.test_dataloader.dataset, data)
    count = CrowdCountingInferencer(
        'blood-cell-counter', device='cpu', show_progress=False)
    counted = [sample.pred_count for sample in count.stream(
        list(true), keep_maps=False)]
    target = np.array(list(true.values()), float)
    table = Table('counted by', 'mean error', 'MAE', 'RMSE')
    for name, values in (
            ('always the mean of the training pictures',
             np.full(len(target), np.mean(list(known.values())))),
            ('blood-cell-counter', np.array(counted))):
        error = values - target
        table.add_row(name, f'{error.mean():+.2f}', f'{abs(error).mean():.2f}',
                      f'{np.sqrt((error**2).mean()):.2f}')
    return (f'{markdown(table)}\n\nRed cells in the {len(target)} test '
            f'pictures of BCCD, which have {target.mean():.1f} on average, '
            f'{target.min():.0f} to {target.max():.0f}.')
