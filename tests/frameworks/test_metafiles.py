"""Metafiles of configs whose frameworks the other tests do without."""
import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize('framework', ['mmdet', 'mmseg', 'mmpose'])
def test_parameters_and_flops_are_counted(framework):
    pytest.importorskip(framework)
    tool = runpy.run_path(str(ROOT / 'tools' / 'dev' / 'check_metafiles.py'))
    assert tool['check_counts'](ROOT, ROOT / 'configs' / framework) == []
