"""The runner of the evidence: resumable, and honest in its tables."""
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from scipy import stats

from tests import fresh
from tools.experiments import records
from tools.experiments.evidence import __main__ as command
from tools.experiments.evidence import choice, side_by_side, training
from tools.experiments.evidence.catalogue import (EXPERIMENTS, Experiment,
                                                  Metric, Row)
from tools.experiments.evidence.document import write_document
from tools.experiments.evidence.tables import make_table, markdown, paired

CONFIGS = Path(training.ROOT) / 'configs'
DIGITS = Experiment(
    'digits', 'Digits', (Row('plain', 'lenet/lenet_digits.py'),
                         Row('adaptive', 'lenet/lenet-acda_digits.py', 1)), {
                             'error, %':
                             Metric(lambda found: 100 - found['accuracy/top1'],
                                    2, 'accuracy/top1')
                         }, (1, 20, 20), {}, ('A note.', ))
OPTIONS = [
    'train_dataloader.dataset.indices=256', 'test_dataloader.dataset.'
    'indices=50', 'val_dataloader.dataset.indices=50', 'log_level=ERROR',
    'default_hooks.checkpoint.interval=1'
]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    pytest.importorskip('mmpretrain')
    monkeypatch.setitem(EXPERIMENTS, 'digits', DIGITS)

    def call(*arguments, experiments=('digits', ), options=OPTIONS):
        monkeypatch.setattr(sys, 'argv', [
            'evidence', '--records', str(tmp_path / 'records'), '--out',
            str(tmp_path / 'out'), '--experiment', *experiments, '--budget',
            '0.15', '--depth', '0', *arguments, '--cfg-options', *options
        ])
        capsys.readouterr()
        command.main()
        return capsys.readouterr().out

    def refused(sentence):
        with pytest.raises(SystemExit, match='1'):
            call('--seeds', '1', options=[
                *OPTIONS, 'train_dataloader.batch_size=32'])
        return sentence in capsys.readouterr().err

    call.records = tmp_path / 'records'
    call.refused = refused
    return call


def test_trains_once_and_prints_the_table(run, tmp_path):
    printed = run('--seeds', '2')
    paths = sorted(run.records.glob('*.json'))
    assert [path.stem for path in paths] == [
        f'digits_lenet_digits_budget0.15_seed{seed}' for seed in (0, 1)
    ]
    found = [records.read_record(str(path)) for path in paths]
    assert [r['parameters'] for r in found] == [21386] * 2
    for record in found:
        steps, losses = zip(*record['curves']['train/loss'])
        assert steps == tuple(range(1, 9)) and np.isfinite(losses).all()
        epochs = record['curves']['val/accuracy/top1']
        assert [step for step, _ in epochs] == [1, 2]
        assert epochs[-1][1] == pytest.approx(
            record['metrics']['accuracy/top1'], rel=1e-4)
        assert record['seconds'] > 0 and record['cpu_seconds'] > 0
        assert str(tmp_path) not in json.dumps(record)
    plain = [100 - r['metrics']['accuracy/top1'] for r in found]
    assert f'{np.mean(plain):.2f} ± {np.std(plain, ddof=1):.2f}' in printed
    assert 'A note.' in printed
    assert (tmp_path / 'out' / 'digits_budget0.15.png').is_file()

    times = [path.stat().st_mtime_ns for path in paths]
    assert '---' not in run('--seeds', '2').replace('----', '')
    assert '| plain | 2 |' in run('--seeds', '2', '--print', '--markdown')
    assert times == [path.stat().st_mtime_ns for path in paths]
    assert run.refused('record of another config')


def test_what_was_interrupted_goes_on(run, monkeypatch):
    count = training.Effort.after_train_iter
    seen = []

    def stop(hook, runner, *args, **kwargs):
        count(hook, runner, *args, **kwargs)
        seen.append(runner.iter)
        if len(seen) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(training.Effort, 'after_train_iter', stop)
    with pytest.raises(SystemExit, match='130'):
        run('--seeds', '1')
    assert not list(run.records.glob('*'))
    assert run.refused('training of another config')
    run('--seeds', '1')
    # 4 iterations an epoch: the first one was kept, the second one repeated.
    assert seen[:10] == [0, 1, 2, 3, 4, 5, 4, 5, 6, 7]
    record = records.read_record(
        str(run.records / 'digits_lenet_digits_budget0.15_seed0.json'))
    assert len(record['curves']['train/loss']) == 8
    # The kept checkpoint is older than the validation of its epoch.
    assert len(record['curves']['val/accuracy/top1']) == 2


def test_missing_data_is_named_and_the_rest_goes_on(run, monkeypatch):
    gone = DIGITS._replace(name='gone', data={
        'no/such/folder': 'Buy it.', 'no/other': 'Buy it.'})
    monkeypatch.setitem(EXPERIMENTS, 'gone', gone)
    printed = run('--seeds', '1', experiments=('gone', 'digits'))
    assert ('gone is left out. no/such/folder and no/other are missing: Buy '
            'it.') in printed
    assert len(list(run.records.glob('digits_*.json'))) == 1


def test_a_pattern_chooses_trainings(run, capsys):
    with pytest.raises(SystemExit, match='2'):
        run('--seeds', '2', '--only', '*_seed1', 'crowds_*')
    assert 'only crowds_*: no training has such a name; one is digits_lenet_' \
        in capsys.readouterr().err
    assert not list(run.records.glob('*'))
    run('--seeds', '2', '--only', '*_seed1', '--no-tables')
    assert [path.stem[-5:] for path in run.records.glob('*')] == ['seed1']


@pytest.mark.long
def test_trainings_side_by_side(tmp_path):
    """The data are drawn once; what fails is named and the rest trained."""
    small = ['test_dataloader.dataset.indices=2']
    for loader in ('train', 'val', 'test'):
        prefix = f'{loader}_dataloader.dataset.'
        small += [f'{prefix}data_root={tmp_path}/data',
                  f'{prefix}image_size=(128, 128)',
                  f'{prefix}num_images.train=9', f'{prefix}num_images.test=2']
    stuck = tmp_path / 'out/crowds_ad-resnet-s_synthetic_budget0.001_seed1'
    stuck.mkdir(parents=True)
    (stuck / 'digest').write_text('of another config', encoding='utf-8')
    done = fresh.run(
        '-m', 'tools.experiments.evidence', '--experiment', 'crowds',
        '--budget', '0.001', '--records', tmp_path / 'records', '--out',
        tmp_path / 'out', '--jobs', '2', '--seeds', '2', '--only',
        'crowds_ad-resnet-s_*', '*_mean_*', '--cfg-options', *small)
    assert done.returncode == 1
    assert f'1 of 3 trainings failed: {stuck.name}' in done.stderr
    found = records.read_records(str(tmp_path / 'records'), 'crowds')
    assert [r['row'] for r in found] == ['ACDA',
                                         'the mean of the training set']
    assert [r['threads'] for r in found] == [max(1, os.cpu_count() // 2)] * 2
    assert done.stdout.count(' 2/11') == 1


@pytest.mark.parametrize('seconds, stopped', [(0, False), (60, True)])
def test_processes_side_by_side_fail_or_are_stopped(
        monkeypatch, tmp_path, seconds, stopped):
    """Ctrl-C ends those that run and starts no others."""
    # A module at hand that sleeps and then fails: --only is no statement.
    monkeypatch.setattr(side_by_side, 'MODULE', 'timeit')
    statements = ['import time, os', f'open({str(tmp_path / "begun")!r}, "a")'
                  '.write("x")', f'time.sleep({seconds})']
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    if stopped:
        threading.Timer(
            1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt if stopped else RuntimeError,
                           match='' if stopped else '3 of 3 trainings failed'):
            side_by_side.train_side_by_side(
                'abc', 2, statements, str(tmp_path))
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - start < 50
    begun = (tmp_path / 'begun').read_text(encoding='utf-8')
    assert begun == ('xx' if stopped else 'xxx')


@pytest.mark.parametrize('name, budget, expected', [
    ('lenet/lenet_1xb64_cifar10-jpeg.py', 0.3, (3, 120, 3, 1, 1)),
    ('lenet/lenet_1xb64_cifar10-jpeg.py', 2, (20, 800, 20, 1, 1)),
    ('counting/ad-resnet-xs_1xb8_bccd.py', 0.5, (20, 25, 20, 2, 2)),
    ('real_sr/acda-restorer_city100.py', 0.1, (150, 5, 150, 50, 25)),
    ('real_sr/acda-restorer_city100.py', 1e-5, (1, 1, 1, 1, 1)),
])
def test_the_schedule_keeps_its_shape(name, budget, expected):
    cfg = Config.fromfile(CONFIGS / name)
    training.scale_schedule(cfg, budget)
    length = cfg.train_cfg.get('max_epochs', cfg.train_cfg.get('max_iters'))
    warm_up, cosine = cfg.param_scheduler
    assert expected == (length, warm_up.end, cosine.T_max,
                        cfg.train_cfg.val_interval,
                        cfg.default_hooks.checkpoint.interval)


def test_every_row_has_a_config_and_the_first_is_a_network():
    for experiment in EXPERIMENTS.values():
        assert not experiment.rows[0].baseline
        for row in experiment.rows:
            assert (CONFIGS / row.config).is_file()
            assert row.order in (0, 1, 2)


def test_pairs_of_the_most_telling_rows_come_first():
    rows = (Row('twin', 'a'), Row('late', 'b', 2), Row('soon', 'c'),
            Row('mean', 'd', 0, 'training_mean'))
    experiment = DIGITS._replace(rows=rows)
    names = [f'{row.name}{seed}'
             for _, row, seed in choice.order([experiment], 2, 2)]
    assert names == ['twin0', 'soon0', 'mean0', 'twin1', 'soon1', 'late0',
                     'late1']
    assert len(list(choice.order([experiment], 2, 1))) == 5


def make_record(row, seed, top1):
    known = dict(
        parameters=10, flops=2_000_000, cpu_seconds=5., device='cpu')
    return {**dict.fromkeys(records.KEYS), 'row': row, 'seed': seed,
            'metrics': {'accuracy/top1': top1}, **known}


def test_the_comparison_is_that_of_a_paired_t_test():
    rng = np.random.default_rng(0)
    values = rng.normal(60, 3, (2, 4))
    found = [make_record(row, seed, 100 - values[i, seed])
             for i, row in enumerate(('plain', 'adaptive'))
             for seed in range(4)]
    found.append(make_record('adaptive', 9, 1.))  # without a partner
    text = markdown(make_table(DIGITS, found, 1.)).splitlines()[-1]
    interval = stats.ttest_rel(values[1], values[0]).confidence_interval()
    difference = (values[1] - values[0]).mean()
    assert (f'| {difference:+.2f} ({interval.low:+.2f} to '
            f'{interval.high:+.2f}) | 10 | 2.0 M | 5 |') in text
    assert text.startswith('| adaptive | 5 |')
    assert paired(np.array([1.]), np.array([3.]), 1) == '-2.0'
    table = markdown(make_table(DIGITS, found, 1., 'adaptive')).splitlines()
    assert 'minus adaptive (95 %)' in table[0]
    assert (f'| {-difference:+.2f} ({-interval.high:+.2f} to '
            f'{-interval.low:+.2f}) | 10 |') in table[2]
    assert '|  | 10 | 2.0 M |' in table[3]


def test_trainings_on_a_gpu_are_counted_and_not_timed():
    found = [make_record('plain', seed, 90.) for seed in range(3)]
    for record in found[1:]:
        record.update(device='cuda', cpu_seconds=100.)
    texts = [markdown(make_table(DIGITS, records, 1.)).splitlines()[-1]
             for records in (found, found[1:])]
    assert texts[0].startswith('| plain | 3 (2 on CUDA) | 10.00 ± 0.00 |')
    assert texts[0].endswith('| 2.0 M | 5 |')
    assert texts[1].startswith('| plain | 2 on CUDA |')
    assert texts[1].endswith('| 2.0 M |  |')


def test_a_section_of_a_document_is_replaced(tmp_path):
    path = tmp_path / 'docs' / 'evidence.md'
    path.parent.mkdir()
    path.write_text('Before.\n<!-- digits -->\nold\n<!-- end of digits -->\n'
                    'After.\n', encoding='utf-8')
    found = [dict(make_record('plain', 0, 90.), curves={}, budget=0.5)]
    for _ in range(2):
        write_document(str(path), DIGITS, found)
        text = path.read_text(encoding='utf-8')
        assert text.startswith('Before.\n') and text.endswith('After.\n')
        assert text.count('| plain | 1 | 10.00 |') == 1
        assert 'SEEDS=3 BUDGET=0.5`' in text and 'old' not in text
    assert 'images' not in text
    curve = {'val/accuracy/top1': [[1, 50.], [2, 60.], [3, 70.]]}
    found[0]['curves'] = curve
    write_document(str(path), DIGITS, found)
    assert '(images/evidence-digits.png)' in path.read_text(encoding='utf-8')
    assert (tmp_path / 'docs/images/evidence-digits.png').is_file()
    with pytest.raises(ValueError, match='has them 0 times'):
        write_document(str(path), DIGITS._replace(name='other'), found)


@pytest.mark.parametrize('name', [e for e in EXPERIMENTS if e != 'digits'])
def test_the_documentation_says_what_the_records_say(name, tmp_path):
    document = Path(training.ROOT) / 'docs' / 'evidence.md'
    copy = tmp_path / 'evidence.md'
    copy.write_text(document.read_text(encoding='utf-8'), encoding='utf-8')
    found = records.read_records(
        str(Path(training.ROOT) / 'benchmarks' / 'evidence'), name)
    write_document(str(copy), EXPERIMENTS[name], found)
    assert copy.read_text(encoding='utf-8') == document.read_text(
        encoding='utf-8')


def test_one_fault_stops_nothing_else(run, monkeypatch, capsys):
    """A training that fails, then a record that is damaged."""
    other = DIGITS._replace(name='other', rows=DIGITS.rows[:1])
    monkeypatch.setitem(EXPERIMENTS, 'other', other)
    train = command.train

    def fail(experiment, *args):
        if experiment.name == 'digits':
            raise ValueError('the disk is full')
        return train(experiment, *args)

    monkeypatch.setattr(command, 'train', fail)
    with pytest.raises(SystemExit, match='1'):
        run('--seeds', '1', experiments=('digits', 'other'))
    error = capsys.readouterr().err
    assert 'digits_lenet_digits_budget0.15_seed0: the disk is full' in error
    assert '1 of 2 trainings failed: digits_lenet_digits' in error
    path, = run.records.glob('*.json')
    assert path.stem.startswith('other_')
    (run.records / 'digits_bad.json').write_text('{}', encoding='utf-8')
    with pytest.raises(SystemExit, match='1'):
        run('--print', '--markdown', experiments=('digits', 'other'))
    said = capsys.readouterr()
    assert '| plain | 1 |' in said.out
    assert 'digits has no table:' in said.err and 'digits_bad' in said.err


def test_records_of_before_and_of_other_kinds(tmp_path):
    path = tmp_path / 'a.json'
    record = json.loads(next(iter(Path(command.RECORDS).glob(
        'cells_*.json'))).read_text(encoding='utf-8'))
    del record['device']
    path.write_text(json.dumps(record), encoding='utf-8')
    assert records.read_record(str(path))['device'] == 'cpu'
    path.write_text(json.dumps({**record, 'budget': 'x', 'metrics': 3}),
                    encoding='utf-8')
    with pytest.raises(ValueError, match='its budget, metrics cannot be'):
        records.read_record(str(path))
    with pytest.raises(ValueError, match='plain, budget 1, seed 3 has no suc'):
        make_table(DIGITS, [dict(make_record('plain', 3, 1.), metrics={},
                                 budget=1)], 1.)


def test_records_are_whole(tmp_path):
    path = tmp_path / 'a.json'
    with pytest.raises(ValueError, match='lacks experiment, config'):
        records.write_record(str(path), {
            key: 1
            for key in records.KEYS if key not in ('experiment', 'config')
        })
    assert not path.exists()
    for text in ('{"row": ', '{"row": 1}', '[]'):
        path.write_text(text, encoding='utf-8')
        with pytest.raises(ValueError, match='remove it to train anew'):
            records.read_record(str(path))


@pytest.mark.parametrize('arguments', [
    ('--seeds', '0'), ('--budget', '0'), ('--budget', 'nan'),
    ('--threads', '-1'), ('--experiment', 'none'), ('--budget', 'inf'),
    ('--against', 'none'), ('--against', 'plain', '--document', __file__)
])
def test_bad_options(run, arguments):
    with pytest.raises(SystemExit):
        run(*arguments)


@pytest.mark.parametrize('arguments, told', [
    (('--records', '{file}/in'), 'file'),
    (('--out', '{file}/in', '--print'), 'file'),
    (('--document', '{file}/in', '--print'), 'file'),
    (('--document', '{folder}/none.md', '--print'), 'none.md'),
    (('--records', command.RECORDS), '--cfg-options changes what is trained'),
])
def test_what_cannot_be_written_is_refused_before_any_training(
        run, capsys, monkeypatch, tmp_path, arguments, told):
    monkeypatch.setattr(command, 'run', None)
    file = tmp_path / 'file'
    file.touch()
    with pytest.raises(SystemExit, match='2'):
        run(*(text.format(file=file, folder=tmp_path) for text in arguments))
    printed = capsys.readouterr().err
    assert told in printed and printed.count('\n') == 1


def test_rows_of_one_config_differ_by_their_overrides(tmp_path):
    experiment = EXPERIMENTS['options']
    names = {choice.stem(experiment, row, 0, 1) for row in experiment.rows}
    fingerprints = {
        records.digest(training.prepare(row, 0, 1, str(tmp_path)))
        for row in experiment.rows
    }
    assert len(names) == len(fingerprints) == len(experiment.rows)
    row = experiment.rows[1]
    given = {'optim_wrapper.optimizer.lr': 0.5}
    cfg = training.prepare(row, 0, 1, str(tmp_path), given)
    assert cfg.optim_wrapper.optimizer.lr == 0.5
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys.atom_generator == {
        'lr_mult': 0.1
    }
