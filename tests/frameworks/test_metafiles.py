"""Metafiles, read and counted by what the other tests do without."""
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
@pytest.mark.parametrize('framework', ['mmdet', 'mmseg', 'mmpose'])
def test_parameters_and_flops_are_counted(framework):
    pytest.importorskip(framework)
    tool = runpy.run_path(str(ROOT / 'tools' / 'dev' / 'check_metafiles.py'))
    assert tool['check_counts'](ROOT, ROOT / 'configs' / framework) == []


def test_mim_search_lists_every_config():
    search = pytest.importorskip('mim.commands.search')
    table = search.convert2df(search.load(str(ROOT / 'model-index.yml')))
    assert dict(table.config) == {
        path.stem: path.relative_to(ROOT).as_posix()
        for path in (ROOT / 'configs').rglob('*.py')
        if '_base_' not in path.parts
    }
