"""The check of READMEs against metafiles finds what it should."""
import runpy
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools' / 'dev' / 'check_metafiles.py'
NAME = 'ad-resnet-s_8xb32_in1k'


@pytest.fixture(scope='module')
def tool():
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def repository(tmp_path):
    """A copy of one family."""
    folder = tmp_path / 'configs' / 'ad_resnet'
    shutil.copytree(ROOT / 'configs' / 'ad_resnet', folder)
    (tmp_path / 'configs' / '_base_').mkdir()
    (tmp_path / 'model-index.yml').write_text(
        'Import:\n  - configs/ad_resnet/metafile.yml\n', encoding='utf-8')
    return tmp_path


def test_this_repository(tool):
    assert tool['check'](ROOT) == []


def test_copy_is_sound(tool, repository):
    assert tool['check'](repository) == []


@pytest.mark.parametrize('file, old, new, complaint', [
    ('README.md', '| Ad-ResNet-s | 3.62 | 1.23', '| Ad-ResNet-s | 3.63 | 1.23',
     "Params (M): README has '3.63'"),
    ('README.md', '1.23 | 28.81', '1.32 | 28.81', 'FLOPs (G)'),
    ('README.md', '28.81', '-', 'Top 1 Error, paper (%)'),
    ('README.md', '1.17 | - | -', '1.17 | 30.1 | -',
     'Top 1 Error, paper (%): 30.1 is not in the metafile'),
    ('README.md', f'({NAME}.py)', '(resnet.py)', NAME),
    ('README.md', '| Model | Params (M)', '| Model | Parameters',
     "no column 'Params (K)'"),
    ('metafile.yml', 'Parameters: 3616648', 'Parameters: 3636648',
     'Params (M)'),
    ('metafile.yml', f'Config: configs/ad_resnet/{NAME}.py',
     'Config: configs/ad_resnet/other.py', 'Config is'),
    ('metafile.yml', 'In Collection: Ad-ResNet', 'In Collection: ResNet',
     'unknown collection'),
    ('metafile.yml', 'README: configs/ad_resnet', 'README: configs/resnet',
     'does not exist'),
    ('metafile.yml', 'Input Shape: 3, 224, 224',
     'Input Shape: [3, 224, 224]', '`mim search` reads'),
    ('../../model-index.yml', 'ad_resnet', 'adresnet', 'model-index.yml'),
])
def test_differences_are_found(tool, repository, file, old, new, complaint):
    path = repository / 'configs' / 'ad_resnet' / file
    text = path.read_text(encoding='utf-8')
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding='utf-8')
    problems = tool['check'](repository)
    assert any(complaint in problem for problem in problems), problems


def test_missing_and_unlisted_files_are_found(tool, repository):
    folder = repository / 'configs' / 'ad_resnet'
    (folder / 'new.py').write_text('', encoding='utf-8')
    assert any('new' in p for p in tool['check'](repository))
    (folder / 'README.md').unlink()
    assert tool['check'](repository) == [
        'configs/ad_resnet: README.md is missing'
    ]


def test_counts_are_compared(tool, repository, monkeypatch):
    pytest.importorskip('mmpretrain')
    path = repository / 'configs' / 'ad_resnet' / 'metafile.yml'
    text = path.read_text(encoding='utf-8')
    head, _, models = text.partition('Models:\n')
    digits = '  - Name: ad-resnet-s_digits' + models.partition(
        '  - Name: ad-resnet-s_digits')[2]
    digits = digits.replace('configs/', str(ROOT / 'configs') + '/')
    path.write_text(f'{head}Models:\n{digits}', encoding='utf-8')
    count = tool['check_counts']
    assert count(repository, path.parent) == []
    path.write_text(path.read_text(
        encoding='utf-8').replace('FLOPs: 9', 'FLOPs: 8'),
        encoding='utf-8')
    problem, = count(repository, path.parent)
    assert 'FLOPs is 8' in problem


def test_command(repository, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv',
                        [str(SCRIPT), '--root', str(repository)])
    runpy.run_path(str(SCRIPT), run_name='__main__')
    assert 'Families checked: 1' in capsys.readouterr().out
    (repository / 'configs' / 'ad_resnet' / 'metafile.yml').unlink()
    with pytest.raises(SystemExit, match='metafile.yml is missing'):
        runpy.run_path(str(SCRIPT), run_name='__main__')
