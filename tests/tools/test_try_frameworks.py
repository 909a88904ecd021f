"""The table of what was tried of every framework, from pytest's reports."""
import re
import runpy
import sys
from pathlib import Path

import pytest

from tests.frameworks.frameworks import FRAMEWORKS

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'tools' / 'dev' / 'try_frameworks.py'
DETECTOR = 'mmdet/retinanet_ad-resnet-s_fpn_1x_coco'
RESTORER = 'replace/edsr-acda_x2c64b16_1xb16-300k_div2k'


def write_report(path, tries, **versions):
    """As pytest writes one: (config, try) -> what stands inside of it."""
    properties = ''.join(f'<property name="{name}" value="{value}"/>'
                         for name, value in versions.items())
    cases = ''.join(f'<testcase name="test_{kind}[{config}]">{inside}'
                    '</testcase>' for (config, kind), inside in tries.items())
    path.write_text(
        f'<testsuites><testsuite><properties>{properties}</properties>'
        f'<testcase name="test_other"/>{cases}</testsuite></testsuites>',
        encoding='utf-8')
    return path


@pytest.fixture
def run(monkeypatch, capsys):

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['try', *map(str, arguments)])
        runpy.run_path(str(SCRIPT), run_name='__main__')
        return capsys.readouterr().out

    return call


def cells(table, config):
    row, = (line for line in table.splitlines() if f'[{config}]' in line)
    return [cell.strip() for cell in row.strip('|').split('|')]


def test_a_row_per_config(run, tmp_path):
    first = write_report(
        tmp_path / '1.xml', {
            (DETECTOR, 'train'): '',
            (DETECTOR, 'amp'): '<failure message="x">long</failure>',
            (DETECTOR, 'ddp'): '<skipped message="needs gloo"/>',
            (RESTORER, 'ema'): '<error message="x"/>'
        }, torch='2.11.0', mmdet='3.3.0')
    table = run('--report', first)
    assert cells(table, DETECTOR) == [
        'mmdet', f'[{DETECTOR}](configs/{DETECTOR}.py)', 'backbone', 'ok',
        'not run', 'not run', 'not run', 'failed', 'not run', '(1)'
    ]
    assert cells(table, RESTORER)[2:] == [
        'replacement', *['not run'] * 5, 'failed', 'not run'
    ]
    assert '\n(1) needs gloo\n' in table
    assert FRAMEWORKS['mmagic'].note in table
    assert table.rstrip().endswith('With torch 2.11.0, mmdet 3.3.0.')
    assert 'mmseg/' not in table  # nothing of it was tried


def test_later_reports_go_over_earlier_ones(run, tmp_path):
    failed = write_report(tmp_path / '1.xml', {
        (DETECTOR, 'train'): '<failure/>', (DETECTOR, 'test'): ''})
    mended = write_report(tmp_path / '2.xml', {(DETECTOR, 'train'): ''})
    assert cells(run('--report', failed, mended), DETECTOR)[3:5] == ['ok'] * 2
    assert cells(run('--report', mended, failed),
                 DETECTOR)[3:5] == ['failed', 'ok']


def test_links_start_from_the_file(run, tmp_path):
    report = write_report(tmp_path / '1.xml', {(DETECTOR, 'train'): ''})
    out = tmp_path / 'table.md'
    run('--report', report, '--out', out)
    link, = re.findall(r'\]\((.+)\)', out.read_text(encoding='utf-8'))
    assert (tmp_path / link).resolve() == ROOT / f'configs/{DETECTOR}.py'


def test_a_report_of_other_tests_is_told(run, tmp_path, capsys):
    report = write_report(tmp_path / 'none.xml', {})
    with pytest.raises(SystemExit):
        run('--report', report)
    assert 'none.xml: are mmdet, mmseg' in capsys.readouterr().err


def test_pytest_s_exit_code_is_handed_on(run, tmp_path, monkeypatch):
    """Of the tests of one framework, beside the kept rows of another."""
    monkeypatch.setattr(sys, 'executable', 'false')  # pytest fails
    module = runpy.run_path(str(SCRIPT))
    main = module['main'].__globals__
    main['REPORTS'] = tmp_path
    write_report(tmp_path / 'mmdet.xml', {(DETECTOR, 'train'): ''})
    monkeypatch.setattr(sys, 'argv', ['try', '--only', 'mmagic'])
    with pytest.raises(SystemExit) as stopped:
        module['main']()
    assert stopped.value.code == 1


def test_every_config_for_a_framework_is_tried():
    for name in ('mmdet', 'mmseg', 'mmpose'):
        folder = ROOT / 'configs' / name
        assert set(FRAMEWORKS[name].configs) == {
            f'{name}/{path.stem}' for path in folder.glob('*.py')
        }
    for framework in FRAMEWORKS.values():
        for config in framework.configs:
            assert (ROOT / f'configs/{config}.py').is_file()
