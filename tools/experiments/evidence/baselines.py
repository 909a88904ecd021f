"""What a network has to beat: figures that need no training."""
from typing import Any, Optional

import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, METRICS, DefaultScope

from .catalogue import Experiment, Row
from .training import make_record, prepare


def unchanged_input(cfg: Config) -> dict:
    """Figures of the degraded images themselves."""
    evaluator = cfg.test_evaluator
    metric = METRICS.build(evaluator.get('metrics', [evaluator])[0])
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    for index in range(len(dataset)):
        sample = dataset[index]
        # Metrics take BGR.
        degraded, truth = (image.flip(0) for image in (
            sample['inputs'], sample['data_samples'].gt_img))
        metric.process(
            None, [dict(output=dict(pred_img=degraded), gt_img=truth)])
    return metric.evaluate(len(dataset))


def training_mean(cfg: Config) -> dict:
    """Figures of one number for every image, the training set's mean."""
    metric = METRICS.build(cfg.test_evaluator)
    train, test = (DATASETS.build(loader.dataset)
                   for loader in (cfg.train_dataloader, cfg.test_dataloader))

    def counts(dataset: Any) -> torch.Tensor:
        return torch.tensor(
            [dataset.get_data_info(i)['gt_count']
             for i in range(len(dataset))]).double()

    mean = counts(train).mean().item()
    for number in counts(test).tolist():
        metric.process(None, [dict(pred_count=mean, gt_count=number)])
    return metric.evaluate(len(test))


BASELINES = dict(
    unchanged_input=unchanged_input, training_mean=training_mean)


def measure(experiment: Experiment, row: Row, seed: int, budget: float,
            work_dir: str, overrides: Optional[dict] = None) -> dict:
    """The record of a baseline."""
    cfg = prepare(row, seed, budget, work_dir, overrides)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        metrics = BASELINES[row.baseline](cfg)
    return make_record(experiment, row, seed, budget, cfg, metrics,
                       overrides=overrides or {})
