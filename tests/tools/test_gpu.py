"""The check of a GPU, on machines that have none."""
import csv
import json
import logging
import os
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import MODELS

from mmacda.ops import backends
from tools.benchmarks.common import RESULTS, Row
from tools.benchmarks.contestants import GateError
from tools.gpu import (calls, cases, command, environment, journal, networks,
                       steps, table, tiles, timing)
from tools.gpu.processes import run_limited
from tools.gpu.run import Run

without_gpu = pytest.mark.skipif(
    torch.cuda.is_available(), reason='there is a GPU')


def read(path):
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """The command: exit code, output, errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', [
            'gpu', '--work-dir', str(tmp_path / 'work'), '--out-dir',
            str(tmp_path / 'out'), *arguments])
        code = 0
        try:
            command.main('')
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def run(tmp_path):
    """What a step is asked for, in this process."""

    def make(step, seconds=60):
        return Run(step, 'run', 'cpu', seconds, tmp_path / 'rows.jsonl')

    return make


@without_gpu
def test_without_a_gpu_it_is_one_sentence_and_2(call, tmp_path):
    code, out, error = call()
    assert code == 2 and not out
    assert error == (
        'python -m tools.gpu: error: PyTorch finds no GPU here: nothing was '
        'measured (--rehearse tries all steps on a CPU)\n')
    assert not list(tmp_path.rglob('*.csv'))


@pytest.mark.parametrize('hip, xpu, said', [
    ('6.2', False, 'built for ROCm'), (None, True, 'a device of type xpu')])
def test_other_devices_are_refused(monkeypatch, hip, xpu, said):
    monkeypatch.setattr(torch.version, 'hip', hip)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch, 'xpu', SimpleNamespace(
        is_available=lambda: xpu), raising=False)
    assert said in command.refusal('cuda')
    assert command.refusal('cpu') is None


@pytest.mark.parametrize('wrong', [
    ('--minutes', '0'), ('--minutes', 'x'), ('--steps', 'nothing')])
def test_wrong_options_are_one_sentence(call, wrong):
    code, _, error = call(*wrong)
    assert code == 2 and wrong[1] in error and error.count('\n') == 1


def alive(process):
    try:
        with open(f'/proc/{process}/stat', encoding='utf-8') as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def test_what_hangs_is_killed_alone_with_what_it_started(tmp_path):
    hang = f'echo kept; sleep 60 & echo $! > {tmp_path}/inner; wait'
    start = time.monotonic()
    codes = run_limited(
        [['sh', '-c', hang], ['sh', '-c', 'echo done'],
         ['sh', '-c', 'exit 3']], 0.5, tmp_path / 'log', tmp_path, os.environ)
    assert codes == [None, 0, 3]
    assert time.monotonic() - start < 30
    log = (tmp_path / 'log').read_text(encoding='utf-8')
    assert set(log.split()) == {'kept', 'done'}
    inner = int((tmp_path / 'inner').read_text(encoding='utf-8'))
    while alive(inner) and time.monotonic() - start < 30:
        time.sleep(0.01)
    assert not alive(inner)


# How steps end, after a row of their own.
SCRIPTS = dict(environment='exit 0', calls='kill -11 $$', networks='exit 0',
               correctness='sleep 60')


@pytest.fixture
def scripts(monkeypatch):
    """Shell scripts in place of the steps."""

    def line(step, phase, device, seconds, path, share=(0, 1)):
        row = Row(step, phase, 'forward', 'triton', '', 1., 1., 1., 'ms')
        text = json.dumps(dict(row._asdict(), kind='row', date='today',
                               device='a GPU'))
        end = 'exit 0' if (step, phase) == ('correctness', 'run') \
            else SCRIPTS[step]
        return ['sh', '-c', f"echo '{text}' >> {path}; {end}"]

    monkeypatch.setattr(steps, 'command', line)
    monkeypatch.setattr(steps, 'MARGIN', 0.1)
    monkeypatch.setattr(steps, 'LEAST', 0)
    monkeypatch.setattr(command, 'STEPS', [
        steps.Step(name, 1.5, 0.5 if name == 'correctness' else 0)
        for name in SCRIPTS])


def test_a_step_that_hangs_or_dies_ends_alone(scripts, call, tmp_path):
    code, out, error = call('--rehearse', '--steps', *SCRIPTS)
    assert code == 1
    assert 'not all is well in calls, correctness' in error
    found = {row['step']: row for row in read(tmp_path / 'out' /
                                              'checks-cpu.csv')}
    assert {name: row['outcome'] for name, row in found.items()} == dict(
        environment='passed', correctness='killed', calls='failed',
        networks='passed')
    assert 'prepare did not end within' in found['correctness']['message']
    assert 'status -11' in found['calls']['message']
    # What they wrote stays.
    for name in SCRIPTS:
        rows = read(tmp_path / 'out' / f'{name}-cpu.csv')
        assert rows[-1]['case'] == 'run' and rows[0]['device'] == 'a GPU'
    assert {row['case'] for row in read(
        tmp_path / 'out' / 'correctness-cpu.csv')} == {'prepare', 'run'}


def test_no_step_starts_when_the_time_is_over(tmp_path):
    shared = steps.Check('cpu', tmp_path / 'rows', tmp_path / 'log',
                         time.monotonic() + 8, 1.)
    found = steps.run_step(steps.STEPS[0], shared)
    assert (found.outcome, found.message) == ('left out', 'no time was left')
    assert journal.outcomes(journal.read(shared.journal))[0] == found


def test_limits_fill_no_more_than_what_is_asked_for():
    assert {step.name for step in steps.STEPS} == {
        'environment', 'correctness', 'calls', 'networks', 'layers',
        'kernels', 'tiles', 'sanitizer'}
    assert all(step.limit <= 0.3 * steps.WHOLE for step in steps.STEPS)


def test_an_error_is_told_and_the_next_case_goes_on(run, tmp_path):
    report = run('calls').report
    with report.attempt('bad'):
        report.add('calls', 'bad', 'forward', 'triton', '', 1., 1., 1., 'ms')
        raise ZeroDivisionError('first line\nlast line')
    with report.attempt('wrong'):
        raise GateError('it is wrong')
    with report.attempt('large'):
        raise torch.cuda.OutOfMemoryError('CUDA out of memory')
    with open(report.path, 'a', encoding='utf-8') as file:
        file.write('{"kind": "row", "cut')  # killed
    records = journal.read(report.path)
    assert [(o.case, o.outcome, o.message)
            for o in journal.outcomes(records)] == [
        ('bad', 'failed', 'ZeroDivisionError: last line'),
        ('wrong', 'wrong', 'it is wrong'),
        ('large', 'left out', 'it needs more memory than the GPU has')]
    logger = logging.getLogger('mmacda.test_gpu')
    handler = journal.Warnings(report)
    logger.addHandler(handler)
    logger.warning('slower kernels serve')
    logger.removeHandler(handler)
    records = journal.read(report.path)
    assert journal.outcomes(records)[-1][1:4] == (
        '', 'warned', 'slower kernels serve')
    rows, checks = journal.write_tables(records, tmp_path, 'cpu')
    row, = read(rows)
    assert (row['case'], row['median'], row['torch']) == (
        'bad', '1', torch.__version__)
    assert 'cpu' in row['device'] and len(read(checks)) == 4


@pytest.fixture
def stock_alone(monkeypatch):
    """The only backend; its output becomes wrong by ``error``."""
    right, wrong = backends.stock, SimpleNamespace(error=0.)

    def forward(*args):
        return right.forward(*args) * (1 + wrong.error)

    wrong.forward, wrong.backward = forward, right.backward
    monkeypatch.setitem(backends.BACKENDS, 'stock', wrong)
    monkeypatch.setattr(calls, 'backends', lambda: ['stock'])
    return wrong


@pytest.mark.parametrize('error', [0., 1e-2])
def test_what_is_wrong_is_not_timed(stock_alone, run, error):
    stock_alone.error = error
    asked = run('calls')
    asked.report.dtype = 'float32'
    calls.time_job(asked, cases.jobs('cpu')[0])
    found = journal.outcomes(journal.read(asked.journal))
    assert found[0].outcome == ('wrong' if error else 'passed')
    timed = {row.contestant for row in asked.report.rows}
    assert timed == {'conv7', 'conv3', 'unfold'} | (
        set() if error else {'stock'})
    measures = {row.measure for row in asked.report.rows
                if row.contestant == 'conv7'}
    assert measures == {f'{measure}{kind}' for measure in (
        'forward', 'forward+backward') for kind in (
            '', ', graph', ', host')} | {
                'peak forward', 'peak forward+backward'}


def test_a_graph_that_leaves_something_else_is_refused():
    values = iter([torch.ones(3), torch.ones(3), torch.zeros(3)])
    graph = timing.Graph([lambda: next(values)], 'cpu')
    timing.check_graph(graph, 'ours')
    values = iter([torch.zeros(3), torch.ones(3)])
    with pytest.raises(GateError, match='a graph of ours differs'):
        timing.check_graph(graph, 'ours')


@pytest.mark.parametrize('knob', tiles.KNOBS, ids=lambda knob: knob.name)
def test_settings_are_the_kernels_own_and_come_back(knob):
    pytest.importorskip('triton')
    before = getattr(knob.owner, knob.name)
    for value in knob.values:
        setting = tiles.Setting(knob, value)
        with tiles.turned(setting):
            turned = getattr(knob.owner, knob.name)
            assert turned == setting.of(before) != before
            assert type(turned) is type(before)
    assert getattr(knob.owner, knob.name) == before


def test_settings_are_of_the_kind_of_what_is_there():
    knob = tiles.KNOBS[0]
    before = cases.Job('a layer', 'a dtype')
    assert tiles.Setting(knob, ('another', 2)).of(before) == cases.Job(
        'another', 2)

    def last(found):
        return found[-1:]

    setting = tiles.Setting(knob, last)
    assert setting.of([1, 2]) == [2]
    assert str(setting) == f'{knob.name} = last'


def test_twins_differ_in_the_dynamic_layers_alone():
    found = networks.configs()
    with torch.device('meta'):
        made = {name: MODELS.build(found[name]) for name in networks.RIVALS}
    # torchvision's ResNet-18 without its classifier.
    assert sum(p.numel() for p in made[
        'resnet18'].parameters()) == 11_689_512 - 513_000
    kernels = {name: [(module.kernel_size[0], module.padding[0])
                      for key, module in made[name].named_modules()
                      if key.startswith(('layer3', 'layer4'))
                      and key.endswith('conv2')]
               for name in ('conv3', 'conv7')}
    assert kernels == dict(conv3=[(3, 1)] * 4, conv7=[(7, 3)] * 4)


def test_large_layers_are_compared_on_some_of_their_images(monkeypatch):
    case = cases.layer((8, 256, 100), True)
    whole = 5 * cases.unfold_bytes(case, torch.float32)
    assert whole == 5 * 4 * 49 * 8 * 256 * 100 * 100
    monkeypatch.setattr(torch.cuda, 'mem_get_info',
                        lambda: (whole // 3, whole), raising=False)
    assert cases.affordable(case, 'cuda').batch == 2
    assert cases.affordable(case, 'cpu') == case
    tiny = cases.layer(cases.TINY[1], True)
    operands = tiny.operands(torch.float32)
    some = calls.some_images(operands, SimpleNamespace(batch=1))
    assert [len(some[key]) for key in ('input', 'basis_coefficients')] == \
        [1, 1]
    assert some['weight'] is operands['weight']


def test_coefficients_lie_as_a_layer_leaves_them():
    case = cases.layer((2, 8, 5), True)
    alpha = case.operands(torch.float32)['basis_coefficients']
    assert alpha.flatten(1, 2).is_contiguous(
        memory_format=torch.channels_last)
    assert alpha.flatten(1, 2).data_ptr() == alpha.data_ptr()


def test_machine_is_described():
    assert f'{os.cpu_count()} cores' in environment.describe('cpu')


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Rows of a GPU that is not there."""
    monkeypatch.setattr(
        'tools.benchmarks.common.environment', lambda device: dict(
            date='today', torch='2', triton='3', device='cuda (A card)'))
    report = journal.Journal(tmp_path / 'rows', 'calls', 'cuda')
    report.dtype = 'bfloat16'
    case = '8x256x100x100 channels-last'

    def ratio(section, case, measure, name, rival, value):
        report.add(section, case, measure, name, rival, *[value] * 3, 'x')

    ratio('calls', case, 'forward, graph', 'triton', 'conv7', 0.4)
    ratio('calls', case, 'forward+backward, graph', 'triton', 'conv7', 0.7)
    report.add('calls', case, 'forward, host', 'triton', '', *[0.1] * 3, 'ms')
    network = 'Ad-ResNet-s 128x3x224x224'
    for name, rate in (('acda-light', 800.), ('conv3', 1000.)):
        report.add('networks', network, 'training, graph', name, '',
                   *[rate] * 3, 'images/s')
    ratio('networks', network, 'training, graph', 'acda-light', 'conv3', 1.25)
    report.note('a layer', 'wrong', 'by 1')
    journal.write_tables(journal.read(report.path), tmp_path, 'cuda')
    return table.make(tmp_path, 'cuda')


def test_table_has_the_device_and_marks_missed_goals(measured):
    lines = measured.splitlines()
    assert lines[0].startswith('today, cuda (A card), torch 2, triton 3')
    row = next(line for line in lines if line.startswith('| 8x256'))
    assert '| 0.4 (0.5) | **0.7** (0.6) | (0.15) | (0.2) |' in row
    light = next(line for line in lines if 'light generator' in line)
    assert '| 800 | **0.8** (0.85) |' in light
    assert '- calls a layer: wrong, by 1' in lines
    assert 'redicted' not in measured


def test_readme_holds_the_table_of_the_rows_that_are_there(tmp_path):
    text = table.README.read_text(encoding='utf-8')
    made = table.make(RESULTS, 'cuda')
    assert f'{table.BEGIN}\n{made}\n\n{table.END}' in text
    if not (RESULTS / 'calls-cuda.csv').exists():
        assert '**Predicted**' in made
    copy = tmp_path / 'README.md'
    copy.write_text(text, encoding='utf-8')
    table.write_readme('another table', copy)
    found = copy.read_text(encoding='utf-8')
    assert 'another table' in found and made not in found
    table.write_readme(made, copy)
    assert copy.read_text(encoding='utf-8') == text


@pytest.mark.long
def test_rehearsal_of_all_steps(call, tmp_path):
    pytest.importorskip('triton')
    code, out, error = call('--rehearse', '--minutes', '60')
    assert code == 0, (out, error)
    found = {row['step']: row['outcome']
             for row in read(tmp_path / 'out' / 'checks-cpu.csv')
             if not row['case']}
    assert found == {step.name: 'passed' for step in steps.STEPS}
    sections = {path.name.split('-')[0]: read(path)
                for path in (tmp_path / 'out').glob('*-cpu.csv')}
    assert set(sections) == {
        'checks', 'environment', 'calls', 'networks', 'layers', 'kernels',
        'tiles'}
    for name in set(sections) - {'checks'}:
        assert {row['torch'] for row in sections[name]} == {
            torch.__version__}, name
    ratios = {(row['measure'], row['rival']) for row in sections['calls']
              if row['contestant'] == 'triton'}
    assert {('forward, graph', 'conv7'), ('forward+backward, graph',
                                          'unfold')} <= ratios
    assert {row['contestant'] for row in sections['networks']} == set(
        table.NETWORKS)
    assert 'the figures mean nothing' in out and '| Ad-ResNet-s |' in out
