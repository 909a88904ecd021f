"""The table of `make trust`: what passes, what fails, what was not run."""
import csv
import json
import runpy
from pathlib import Path

import pytest

from tests import fresh

ROOT = Path(__file__).parents[2]
CONFTEST = '''
from tests.trust.figures import (figure, pytest_collection_modifyitems,
                                 pytest_runtest_makereport)
'''
TESTS = '''
import pytest

@pytest.mark.trust('precision/operator')
def test_good(figure):
    figure('error', 1.5, 2.)

@pytest.mark.trust('precision/no-nan')
@pytest.mark.parametrize('value', [1., 3., 5., 2.])
def test_cases(figure, value):
    figure('steps', value, 4.)
    figure('list', [1, 2], [1, 2], '==')

@pytest.mark.trust('precision/operator', 'precision/layer')
def test_bad(figure):
    figure('error', 1.25, 2., claim='precision/operator')
    figure('error of | layer', 3.25, 3., claim='precision/layer')
    figure('last', 1., 2., claim='precision/layer')

@pytest.mark.trust('precision/models')
def test_broken():
    assert 1 + 1 == 3, 'sum'

@pytest.mark.trust('precision/scaler')
def test_absent():
    pytest.skip('no scaler')

@pytest.fixture
def disk():
    raise OSError('no space left')

@pytest.mark.trust('precision/resume')
def test_without_set_up(disk):
    pass
'''


@pytest.fixture(scope='module')
def run_trust(tmp_path_factory):
    """tools/trust.py on a folder of its own tests."""
    folder = tmp_path_factory.mktemp('trust')

    def run(tests, *options):
        (folder / 'conftest.py').write_text(CONFTEST, encoding='utf-8')
        (folder / 'test_some.py').write_text(tests, encoding='utf-8')
        return fresh.run(
            ROOT / 'tools/trust.py', *options, '--out', folder / 'out', '--',
            folder, '-c', ROOT / 'pyproject.toml', '--rootdir', folder,
            PYTHONPATH=str(ROOT)), folder / 'out'

    return run


@pytest.fixture(scope='module')
def table(run_trust):
    done, out = run_trust(TESTS)
    assert done.returncode == 1, done.stderr
    with open(out / 'trust.csv', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    return rows, done.stdout, out


def find(rows, claim):
    return [row for row in rows if f'{row["line"]}/{row["claim"]}' == claim]


def test_figures_stand_beside_their_bounds(table):
    rows = find(table[0], 'precision/operator')
    assert {row['figure'] for row in rows} == {'1.5', '1.25'}
    assert {(row['what'], row['bound'], row['result'])
            for row in rows} == {('error', '<= 2', 'pass')}
    bad, = find(table[0], 'precision/layer')
    assert (bad['figure'], bad['bound'], bad['result']) == ('3.25', '<= 3',
                                                            'FAIL')


def test_cases_that_pass_share_a_row(table):
    rows = find(table[0], 'precision/no-nan')
    lists, = (row for row in rows if row['what'] == 'list')
    assert lists['bound'] == '== [1, 2]' and lists['result'] == 'pass'
    passed, = (row for row in rows
               if row['what'] == 'steps' and row['result'] == 'pass')
    assert passed['figure'] == '3' and '3 cases' in passed['test']
    failed, = (row for row in rows if row['result'] == 'FAIL')
    assert failed['figure'] == '5' and 'test_cases[5.0]' in failed['test']


def test_what_broke_is_in_the_table(table):
    broken, = find(table[0], 'precision/models')
    assert broken['result'] == 'FAIL' and 'sum' in broken['figure']
    broken, = find(table[0], 'precision/resume')
    assert broken['result'] == 'FAIL' and 'no space' in broken['figure']


def test_skips_and_absences_are_in_the_table(table):
    skipped, = find(table[0], 'precision/scaler')
    assert skipped['result'] == 'skipped' and 'no scaler' in skipped['figure']
    absent, = find(table[0], 'faults/kill')
    assert absent['result'] == 'FAIL'


def test_markdown_holds_the_same_rows(table):
    rows, printed, out = table
    markdown = (out / 'trust.md').read_text(encoding='utf-8')
    assert markdown in printed and r'error of \| layer' in markdown
    assert len(markdown.splitlines()) == len(rows) + 2


def test_without_a_run_nothing_changes(table, run_trust):
    before = json.loads(
        next((table[2] / 'figures').glob('*good*.json')).read_text(
            encoding='utf-8'))
    done, out = run_trust('raise ValueError', '--no-run')
    after = json.loads(
        next((out / 'figures').glob('*good*.json')).read_text(
            encoding='utf-8'))
    assert before == after and done.returncode == 1


def test_an_unknown_claim_is_named(run_trust):
    done, _ = run_trust("import pytest\n@pytest.mark.trust('a/b')\n"
                        'def test_it():\n    pass\n')
    assert "['a/b'] not in claims.yml" in done.stderr + done.stdout


def test_every_claim_passes_makes_success():
    tool = runpy.run_path(str(ROOT / 'tools/trust.py'))
    record = dict(
        claims=['a/b'], test='t', long=True, commit='c0ffee',
        outcome='passed', reason='', figures=[])
    rows = tool['make_table'](dict(a=dict(b='text')), [record])
    assert [row['result'] for row in rows] == ['pass']
    assert 'c0ffee' in rows[0]['test']


def test_a_whole_run_forgets_what_it_measures_anew(tmp_path):
    forget = runpy.run_path(str(ROOT / 'tools/trust.py'))['forget']
    for name, long in (('quick', False), ('slow', True)):
        (tmp_path / f'{name}.json').write_text(json.dumps(dict(long=long)),
            encoding='utf-8')
    forget(tmp_path, long=False)
    assert [path.stem for path in tmp_path.iterdir()] == ['slow']
    forget(tmp_path, long=True)
    assert list(tmp_path.iterdir()) == []
