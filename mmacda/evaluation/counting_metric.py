"""Errors of counts."""
import csv
import json
import logging
import math
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.registry import METRICS

from ..io import check_output, whole_file

FIELDS = ('img_path', 'gt_count', 'pred_count', 'error')


def counting_errors(gt: Sequence[float], pred: Sequence[float]) -> dict:
    """MAE, "MSE" and NAE of predicted counts.

    With e = pred - gt of an image, ``mae`` is the mean of abs(e), ``mse`` is
    the *root* of the mean of e^2, and ``nae`` is the mean of abs(e) / gt over
    the images with people; it is left out where no image has any.
    """
    gt, error = np.asarray(gt, float), np.subtract(pred, gt, dtype=float)
    errors = dict(
        mae=float(np.abs(error).mean()),
        mse=float(np.sqrt(np.square(error).mean())))
    if (gt > 0).any():
        errors['nae'] = float((np.abs(error)[gt > 0] / gt[gt > 0]).mean())
    return errors


def _json_row(result: dict) -> dict:
    """JSON has no number that is not finite: null instead."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else
        value
        for key, value in result.items()
    }


@METRICS.register_module()
class CountingMetric(BaseMetric):
    """MAE, "MSE" and NAE of counts, see :func:`counting_errors`.

    The literature calls the root of the mean squared error MSE, and so does
    the key ``counting/mse``. The ground truth is the number of annotated
    points, not the sum of a density map. Smaller is better for every key: set
    ``rule='less'`` beside ``save_best='counting/mae'``.

    Args:
        out_file (str, optional): A .json or .csv file for the counts of each
            image. Default: None.
        levels (Sequence[str]): Metainfo by which the images are also
            evaluated in classes, as NWPU-Crowd's benchmark does by
            'crowd_level' and 'illumination': adds ``crowd_level_<k>/mae`` and
            so on for each class, and ``crowd_level_mean/mae``, the plain
            mean over the classes. Default: ().
        collect_device (str): See :class:`mmengine.evaluator.BaseMetric`.
        prefix (str, optional): Prefix of the keys. Default: 'counting'.
        collect_dir (str, optional): See BaseMetric.

    Raises:
        OSError: If ``out_file`` cannot be written.
        ValueError: If there are no images, or samples lack a count.
    """

    default_prefix = 'counting'

    def __init__(self,
                 out_file: Optional[str] = None,
                 levels: Sequence[str] = (),
                 collect_device: str = 'cpu',
                 prefix: Optional[str] = None,
                 collect_dir: Optional[str] = None):
        super().__init__(
            collect_device=collect_device,
            prefix=prefix,
            collect_dir=collect_dir)
        if out_file is not None and not out_file.endswith(('.json', '.csv')):
            raise ValueError('out_file must end with .json or .csv, but got '
                             f'{out_file!r}')
        if out_file is not None:
            check_output(out_file)
        self.out_file = out_file
        self.levels = tuple(levels)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the counts of a batch.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): ``pred_count``, ``gt_count`` and
                ``img_path`` of each image, and its ``levels``.
        """
        for sample in data_samples:
            path = sample.get('img_path')
            for key in ('pred_count', 'gt_count', *self.levels):
                if key not in sample:
                    raise ValueError(
                        f'{path or "a sample"} has no {key}: CountingMetric '
                        'needs the counts of a model and the annotation of '
                        f'each image, but got {sorted(sample)}')
            result = dict(
                img_path=path,
                gt_count=int(sample['gt_count']),
                pred_count=float(sample['pred_count']))
            result['error'] = result['pred_count'] - result['gt_count']
            result.update({key: sample[key] for key in self.levels})
            self.results.append(result)

    def compute_metrics(self, results: List[dict]) -> Dict[str, float]:
        """Errors over all images; writes ``out_file``.

        Args:
            results (list[dict]): What :meth:`process` kept, of all ranks.

        Returns:
            dict: ``mae``, ``mse``, ``nae`` and those of the levels.
        """
        if not results:
            raise ValueError('CountingMetric got no images: the dataset of '
                             'the data loader is empty')
        broken = [r['img_path'] for r in results
                  if not math.isfinite(r['pred_count'])]
        if broken:
            print_log(
                f'The predicted count of {len(broken)} of {len(results)} '
                f'images is not finite, first {broken[0]}',
                logger='current',
                level=logging.WARNING)
        if self.out_file is not None:
            self._dump(results)
        metrics = self._errors(results)
        for level in self.levels:
            classes = {}
            for value in sorted({result[level] for result in results}):
                classes[value] = self._errors(
                    [r for r in results if r[level] == value])
                metrics.update({
                    f'{level}_{value}/{key}': error
                    for key, error in classes[value].items()
                })
            for key in ('mae', 'mse', 'nae'):
                errors = [c[key] for c in classes.values() if key in c]
                if errors:
                    metrics[f'{level}_mean/{key}'] = float(np.mean(errors))
        return metrics

    @staticmethod
    def _errors(results: List[dict]) -> Dict[str, float]:
        return counting_errors([r['gt_count'] for r in results],
                               [r['pred_count'] for r in results])

    def _dump(self, results: List[dict]) -> None:
        """Write all of it, or nothing."""
        with whole_file(self.out_file, 'w', newline='') as file:
            if self.out_file.endswith('.csv'):
                writer = csv.DictWriter(file, FIELDS + self.levels)
                writer.writeheader()
                writer.writerows(results)
            else:
                json.dump([_json_row(r) for r in results], file, indent=1)
