"""CountingMetric against figures worked out by hand."""
import csv
import json
import math
import os

import pytest
import torch
import torch.distributed as dist
from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS

from mmacda.structures import CountingDataSample
from tests.forks import run_forks

# Errors 2, -4, 3, -1: sums of absolute values 10, of squares 30; relative to
# the counts of the three images with people 2/10, 4/20 and 1/1.
COUNTS = [(10, 12.), (20, 16.), (0, 3.), (1, 0.)]
EXPECTED = dict(mae=10 / 4, mse=math.sqrt(30 / 4), nae=1.4 / 3)


def samples(counts=COUNTS, levels=None):
    result = []
    for i, (gt, pred) in enumerate(counts):
        sample = CountingDataSample(metainfo=dict(img_path=f'{i}.jpg'))
        sample.gt_count = gt
        sample.pred_count = pred
        if levels is not None:
            sample.set_metainfo(dict(crowd_level=levels[i]))
        result.append(sample)
    return result


def evaluate(data_samples, **kwargs):
    """Through MMEngine's evaluator, in batches of three."""
    evaluator = Evaluator(dict(type='CountingMetric', **kwargs))
    for start in range(0, len(data_samples), 3):
        evaluator.process(data_samples[start:start + 3])
    return evaluator.evaluate(len(data_samples))


def test_hand_computed():
    assert evaluate(samples()) == pytest.approx(
        {f'counting/{key}': value for key, value in EXPECTED.items()})


def test_mse_is_a_root():
    """One image: the error itself, in people, not squared."""
    assert evaluate(samples([(5, 8.5)]), prefix='shta') == pytest.approx({
        'shta/mae': 3.5,
        'shta/mse': 3.5,
        'shta/nae': 0.7
    })


def test_counts_may_be_tensors():
    data_samples = samples()
    for sample in data_samples:
        sample.pred_count = torch.tensor(sample.pred_count)
        sample.gt_count = torch.tensor(sample.gt_count)
    assert evaluate(data_samples)['counting/mae'] == EXPECTED['mae']


def test_nae_is_left_out_where_nobody_is():
    assert evaluate(samples([(0, 1.), (0, 0.)])) == {
        'counting/mae': 0.5,
        'counting/mse': math.sqrt(0.5)
    }


def test_levels():
    """Classes {0: errors 2 and -4, 2: 3 and -1}, and their plain mean."""
    metrics = evaluate(
        samples(levels=[0, 0, 2, 2]), levels=('crowd_level', ))
    assert metrics['counting/mae'] == EXPECTED['mae']
    assert metrics['counting/crowd_level_0/mae'] == 3
    assert metrics['counting/crowd_level_2/mae'] == 2
    assert metrics['counting/crowd_level_0/mse'] == pytest.approx(10**.5)
    assert metrics['counting/crowd_level_0/nae'] == pytest.approx(0.2)
    assert metrics['counting/crowd_level_2/nae'] == 1
    assert metrics['counting/crowd_level_mean/mae'] == 2.5
    assert metrics['counting/crowd_level_mean/nae'] == pytest.approx(0.6)


def test_json_and_csv(tmp_path):
    paths = [tmp_path / 'deep' / f'counts.{kind}' for kind in ('json', 'csv')]
    for path in paths:
        evaluate(samples(), out_file=str(path))
    rows = json.loads(paths[0].read_text(encoding='utf-8'))
    assert rows[1] == dict(
        img_path='1.jpg', gt_count=20, pred_count=16., error=-4.)
    with open(paths[1], newline='', encoding='utf-8') as file:
        table = list(csv.DictReader(file))
    assert [float(row['error']) for row in table] == [2, -4, 3, -1]
    assert [row['img_path'] for row in table
            ] == [row['img_path'] for row in rows]
    assert sorted((tmp_path / 'deep').iterdir()) == sorted(paths)


def test_a_broken_count_shows_and_stays_valid_json(tmp_path):
    path = tmp_path / 'counts.json'
    metrics = evaluate(
        samples([(3, 3.), (4, float('nan'))]), out_file=str(path))
    assert math.isnan(metrics['counting/mae'])
    assert 'NaN' not in path.read_text(encoding='utf-8')
    assert [r['pred_count'] for r in json.loads(path.read_text(
        encoding='utf-8'))] == [3, None]


def test_no_images():
    with pytest.raises(ValueError, match='got no images'):
        evaluate([])


@pytest.mark.parametrize('key', ['pred_count', 'gt_count'])
def test_a_missing_count_names_the_image(key):
    data_samples = samples()
    delattr(data_samples[1], key)
    with pytest.raises(ValueError, match=f'1.jpg has no {key}'):
        evaluate(data_samples)


def test_a_missing_level():
    with pytest.raises(ValueError, match='0.jpg has no crowd_level'):
        evaluate(samples(), levels=('crowd_level', ))


def test_bad_out_file():
    with pytest.raises(ValueError, match='must end with .json or .csv'):
        METRICS.build(dict(type='CountingMetric', out_file='counts.txt'))


def run_rank(folder, out_file):
    """Every other image, as MMEngine's DefaultSampler hands them out; it
    repeats the first one so that both ranks have the same number."""
    rank = int(os.environ['RANK'])
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/init', rank=rank, world_size=2)
    counts = COUNTS + [(7, 7.5)]
    data_samples = samples(counts + counts[:1])
    evaluator = Evaluator(dict(type='CountingMetric', out_file=out_file))
    evaluator.process(data_samples[rank::2])
    print(json.dumps(evaluator.evaluate(len(counts))))


def test_two_ranks_see_all_images_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where MMEngine collects results
    out_file = tmp_path / 'counts.json'
    said = run_forks(lambda: run_rank(tmp_path, str(out_file)), tmp_path,
                     [dict(RANK=str(rank)) for rank in range(2)])
    first, second = (json.loads(line) for line in said.splitlines()
                     if line.startswith('{'))
    expected = evaluate(samples(COUNTS + [(7, 7.5)]))
    assert first == second == pytest.approx(expected)
    paths = [row['img_path'] for row in json.loads(out_file.read_text(
        encoding='utf-8'))]
    assert paths == ['0.jpg', '1.jpg', '2.jpg', '3.jpg', '4.jpg']
