"""What the site generates is what the code says."""
import pytest

pytest.importorskip('mmpretrain')
from mmengine.registry import MODELS  # noqa: E402

from tools.dev.pages.commands import (find_tools, help_of,  # noqa: E402
                                      make_targets)
from tools.dev.pages.names import (keys_of, public_name,  # noqa: E402
                                   registered)
from tools.dev.pages.rows import row_tables  # noqa: E402


def test_names_are_ours_alone():
    found = registered('MODELS')
    assert {'ACDAConv', 'AdResNet', 'WithReplacedConvs'} <= set(found)
    assert 'Conv2d' not in found
    assert public_name(found['ACDAConv']) == 'mmacda.layers.ACDAConv'


def test_keys_are_as_configs_write_them():
    keys = keys_of(MODELS.get('AtomGenerator'))
    assert keys.startswith('`in_channels`, `out_channels`')
    assert "`norm_cfg=dict(type='BN')`" in keys


def test_tools_and_targets_are_found():
    assert 'analysis/explore.py' in find_tools()
    assert 'usage: table2.py' in help_of('analysis/table2.py')
    targets = dict(make_targets())
    assert {'demo', 'docs', 'test', 'lint'} <= set(targets)
    assert 'work_dirs/docs/index.html' in targets['docs']


def test_every_row_is_shown():
    tables = row_tables()
    assert '| layer 2x64x112x112 | inference | acda-light | conv3 |' in tables
    assert tables.count('### ') >= 10
    assert 'triton | conv7 |' in tables
