"""The benchmarks run, keep what they measured, and refuse wrong results."""
import ast
import csv
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmacda.ops import backends
from mmacda.testing.large_cases import SWEEP_CASES, paper_layer
from tests import fresh
from tools.benchmarks import (goals, growth, layer_sweep, models,
                              operator_command, sweep)
from tools.benchmarks.common import ROOT, Report, time_interleaved
from tools.benchmarks.contestants import (CHOSEN, UNFOLD, GateError, check,
                                          make_contestant)
from tools.benchmarks.peak_memory import (ChildError, measure_model,
                                          measure_operator)

SCRIPT = ROOT / 'tools' / 'benchmarks' / 'operator.py'
TINY = paper_layer(1, 8, 12)


def read(path):
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def measure(*arguments):
    """A quick run, in this process."""
    parser = operator_command.make_parser('')
    operator_command.measure(
        parser.parse_args(
            ['--quick', '--threads', '1', *map(str, arguments)]))


def test_quick_run_of_the_command(tmp_path):
    """As a script, which must not hide Python's own operator module."""
    done = subprocess.run([
        sys.executable, '-W', 'ignore', SCRIPT, '--quick', '--sections',
        'speed', '--threads', '1', '--out', tmp_path
    ],
                          capture_output=True,
                          text=True,
                          cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'threads 1' in done.stdout.splitlines()[0]
    rows = read(tmp_path / 'speed-cpu.csv')
    assert {row['torch'] for row in rows} == {torch.__version__}
    assert {row['threads'] for row in rows} == {'1'}
    ratios = {
        (r['measure'], r['contestant'], r['rival']): r
        for r in rows if r['rival']
    }
    for rival in ('conv7', 'conv3', UNFOLD):
        row = ratios['forward', 'stock', rival]
        assert 0 < float(row['lower']) <= float(row['median']) <= float(
            row['upper'])
        assert row['goal'] == '', 'a tiny layer has no goal'
    assert ('forward+backward', 'stock', 'conv7') in ratios
    assert [p.name for p in tmp_path.iterdir()] == ['speed-cpu.csv']


def test_rows_tell_dtypes_apart(tmp_path):
    measure('--sections', 'speed', '--dtype', 'float32', 'bfloat16', '--out',
            tmp_path)
    rows = read(tmp_path / 'speed-cpu.csv')
    kinds = {
        dtype: [(r['measure'], r['contestant'], r['rival']) for r in rows
                if r['dtype'] == dtype]
        for dtype in ('float32', 'bfloat16')
    }
    assert ('forward', 'stock', 'conv7') in kinds['float32']
    assert set(kinds['bfloat16']) <= set(kinds['float32'])
    assert len(rows) == sum(map(len, kinds.values()))


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_without_a_gpu_nothing_is_measured_on_one(tmp_path):
    done = fresh.run(SCRIPT, '--device', 'cuda', '--out', tmp_path)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last == ('operator.py: error: PyTorch finds no GPU here: nothing '
                    'was measured')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('arguments, goal', [
    (('forward', 'native', 'conv7', 'cpu', 'float32'), 0.18),
    (('forward', 'native', 'conv7', 'cpu', 'bfloat16'), None),
])
def test_goals_depend_on_device_and_dtype(arguments, goal):
    assert goals.limit('1x256x64x64', *arguments) == goal


@pytest.mark.parametrize('case, measure, rival, goal', [
    ('8x256x100x100 channels-last', 'forward, graph', 'conv7', 0.5),
    ('8x256x100x100 channels-last', 'forward+backward, graph', 'conv7', 0.6),
    ('64x128x14x14 channels-last', 'forward, graph', 'conv7', 0.5),
    # Too few pixels.
    ('1x256x64x64 channels-last', 'forward, graph', 'conv7', None),
    ('1x256x64x64 channels-last', 'forward, graph', 'unfold', 0.15),
    ('8x64x32x32 channels-last', 'forward+backward, graph', 'unfold', 0.2),
    ('2x64x112x112 channels-last', 'forward, graph', 'conv7', 1.4),
    ('32x64x112x112 channels-last', 'forward+backward, graph', 'conv7', 1.7),
    # Eager, that one layer alone.
    ('64x256x14x14 channels-last', 'forward', 'conv7', 2.0),
    ('64x256x7x7 channels-last', 'forward', 'conv7', None),
    ('64x256x7x7 channels-last', 'peak forward', 'unfold', 0.1),
    # The goals of half precision are for one layout.
    ('8x256x100x100 contiguous', 'forward, graph', 'conv7', None),
])
def test_goals_on_a_gpu_depend_on_the_layer(case, measure, rival, goal):
    for backend, limit in (('triton', goal), ('stock', None)):
        assert goals.limit(case, measure, backend, rival, 'cuda',
                           'bfloat16') == limit


def test_goals_on_a_gpu_in_float32():
    assert goals.limit('8x256x100x100 contiguous', 'forward, graph', 'triton',
                       'conv7', 'cuda', 'float32') == 0.25
    assert goals.limit('8x256x100x100', 'forward', 'triton', 'conv7', 'cuda',
                       'float32') is None


@pytest.fixture
def wrong_backend(monkeypatch):
    """stock, whose gradient of the weight (or output) is slightly wrong."""
    wrong = SimpleNamespace()
    right = backends.stock

    def forward(*args):
        output = right.forward(*args)
        if wrong.what == 'output':
            output[0, -1, -1, -1] += 1e-2 * output.abs().max()
        return output

    def backward(*args):
        grads = right.backward(*args)
        if wrong.what == 'gradient of weight':
            grads[3].mul_(1.001)
        return grads

    wrong.forward, wrong.backward = forward, backward
    monkeypatch.setitem(backends.BACKENDS, 'stock', wrong)
    return wrong


@pytest.mark.parametrize('what', ['output', 'gradient of weight'])
def test_nothing_is_timed_on_a_wrong_result(wrong_backend, what, capsys,
                                            tmp_path):
    wrong_backend.what = what
    with pytest.raises(GateError, match=f'the {what} of stock is wrong'):
        measure('--sections', 'speed', '--out', tmp_path)
    assert ' ms ' not in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_gate_refuses_nan(wrong_backend, monkeypatch):
    wrong_backend.what = None
    operands = TINY.operands(torch.float32)
    check(TINY, operands, ['stock'])
    monkeypatch.setattr(wrong_backend, 'forward',
                        lambda *args: backends.stock.forward(*args) * np.nan)
    with pytest.raises(GateError, match='nan'):
        check(TINY, operands, ['stock'])


def test_rounds_are_interleaved(monkeypatch):
    monkeypatch.setattr('tools.benchmarks.common.SECONDS_PER_CALL', 0)
    monkeypatch.setattr('tools.benchmarks.common.SECONDS_WITHOUT_WARM_UP', 0)
    calls = []
    times = time_interleaved(
        {name: lambda name=name: calls.append(name)
         for name in 'abc'}, 4, 'cpu')
    assert ''.join(calls) == 'aabbcc' + 4 * 'abc'
    assert all(len(seconds) == 4 for seconds in times.values())


def test_ratios_are_taken_round_by_round(tmp_path):
    """A machine that slows down does not change them."""
    report = Report('cpu', tmp_path)
    slow = np.array([1., 2., 4., 8., 16.])
    row = report.add_ratio('speed', 'x', 'forward',
                           dict(ours=slow, theirs=2 * slow), 'ours', 'theirs',
                           0.4)
    assert (row.lower, row.median, row.upper) == (0.5, 0.5, 0.5)
    assert row.verdict == 'not met' and 'goal 0.4: not met' in str(row)
    assert report.summary() == '0 of 1 goals met'


def test_child_measures_the_unfold():
    """49 floats per channel and pixel more, and the columns' copy."""
    case = paper_layer(1, 64, 40)
    unfold = measure_operator(case, UNFOLD, False, 'cpu')['extra']
    columns = 4 * 49 * 64 * 40 * 40
    assert columns < unfold < 4 * columns
    assert measure_operator(case, CHOSEN, False, 'cpu')['extra'] < columns / 3


def test_child_tells_what_failed():
    with pytest.raises(ChildError, match='NoSuchModel is not in'):
        measure_model(dict(type='NoSuchModel'), (1, 3, 8, 8), False, 'cpu')


def test_sweep_covers_what_is_asked_for():
    cases = sweep.all_cases(5, seed=1)
    assert cases[:len(SWEEP_CASES)] == SWEEP_CASES and len(
        cases) == len(SWEEP_CASES) + 5
    assert cases == sweep.all_cases(5, seed=1) != sweep.all_cases(5, seed=2)
    assert {c.support for c in SWEEP_CASES} >= {3, 5, 7, 9, 11}
    assert {c.in_channels for c in SWEEP_CASES} >= {3, 17}
    assert {c.stride for c in SWEEP_CASES} > {(1, 1)}
    assert {c.dilation for c in SWEEP_CASES} > {(1, 1)}
    assert any(c.size == (1, 1) for c in SWEEP_CASES)
    assert any(c.groups > 1 for c in SWEEP_CASES)


def test_standard_convs_have_the_operators_output_size():
    for case in SWEEP_CASES[:3]:
        operands = case.operands(torch.float32)
        shapes = {
            make_contestant(name, case, operands).forward().shape
            for name in (CHOSEN, UNFOLD, 'conv3', 'conv5', 'conv7')
        }
        assert len(shapes) == 1, case


def test_plot_holds_every_contestant(tmp_path):
    pytest.importorskip('matplotlib')
    point = {
        name: dict(seconds=1e-3, extra=2**20, peak=2**30)
        for name in growth.NAMES
    }
    points = {1: point, 4: {k: v for k, v in point.items() if k != UNFOLD}}
    path = growth.plot({'H*W': points, 'C': points}, Report('cpu', tmp_path))
    assert path.read_bytes()[:4] == b'\x89PNG'


def test_table7_reports_dfn_as_out_of_memory(tmp_path):
    done = fresh.run(SCRIPT.with_name('table7.py'), '--quick', '--threads',
                     '1', '--out', tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    last = text.strip().splitlines()[-3:]
    assert [line.split()[0] for line in last] == ['Conv', 'DFN', 'ACDA']
    assert 'out of memory' in last[1].split('M ')[1]
    for paper, line in zip(('4.60M', '2.32M', '2.28M'), last):
        assert f'   {paper}' in line
    assert 'MiB, and training a multiple of it' in text
    rows = read(tmp_path / 'table7-cpu.csv')
    assert not [
        r for r in rows
        if r['contestant'] == 'DFN' and r['measure'] != 'parameters'
    ]


def test_no_circle_of_imports():
    """Each module of the benchmarks can be understood before its users."""
    folder = SCRIPT.parent
    arrows = {}
    for path in folder.glob('*.py'):
        found = arrows[path.stem] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                names = [node.module] if node.module else [
                    alias.name for alias in node.names]
                found.update(name for name in names)
    assert arrows['child'] >= {'contestants', 'models'}
    while arrows:
        free = [name for name, needed in arrows.items()
                if not needed & arrows.keys()]
        assert free, f'a circle among {sorted(arrows)}'
        for name in free:
            del arrows[name]


def test_a_placed_step_goes_the_way_it_was_told(monkeypatch):
    """Or the sweep would compare a way with itself."""
    from mmacda.layers import acda_conv
    called, convolve = [], acda_conv.convolve
    monkeypatch.setattr(acda_conv, 'convolve',
                        lambda *a: called.append(1) or convolve(*a))
    layer = layer_sweep.Layer('light', (1, 8, 6, 6))
    given = layer.config, layer.shape, 'cpu'
    outputs = [models.PlacedStep(devices, *given).infer()
               for devices in (['cpu'], ())]
    assert len(called) == 1
    torch.testing.assert_close(*outputs)


def test_the_sweep_of_layers_tells_of_each(tmp_path):
    layers = layer_sweep.draw(2, seed=3)
    assert layers == layer_sweep.draw(2, seed=3) != layer_sweep.draw(2, 4)
    report = Report('cpu', tmp_path)
    layer_sweep.run(report, [layer_sweep.Layer('light', (1, 8, 5, 8))], 1,
                    'cpu')
    ratios = {(row.case, row.measure) for row in report.rows
              if row.unit == 'x'}
    assert ('1x8x5x8 light', 'inference') in ratios
    assert ('1x8x5x8 light', 'training') in ratios
    assert sum(row.goal == 0 for row in report.rows) == 2
