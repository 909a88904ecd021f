"""Versions are checked by a warning, not by an assertion."""
import pytest

from mmacda.versions import installed_versions, unproven_versions
from tests import fresh


@pytest.mark.trust('packaging/versions')
def test_the_pinned_versions_are_proven():
    found = installed_versions()
    assert set(found) >= {'torch', 'mmengine', 'mmcv'}
    assert unproven_versions(found) == []


@pytest.mark.trust('packaging/versions')
@pytest.mark.parametrize('package,version', [
    ('torch', '2.0.1'), ('torch', '3.0.0'), ('torch', '2.16.0'),
    ('mmengine', '0.9.1'), ('mmcv', '1.7.2'), ('mmpretrain', '2.0.0'),
    ('mmagic', '1.1.0')
])
def test_other_versions_are_told(package, version, figure):
    message, = unproven_versions({package: version})
    assert package in message and version in message and '>=' in message
    figure(f'{package} {version}', message)


@pytest.mark.trust('packaging/versions')
@pytest.mark.parametrize('package,version', [
    ('torch', '2.1.2'), ('torch', '2.13.0+cu130'), ('torch', '2.9.0a0+git1'),
    ('torch', '2.15.0+cpu'), ('mmcv', '2.2.0'), ('mmcv', '2.3.6'),
    ('mmengine', '0.10.7')
])
def test_proven_versions_are_silent(package, version):
    assert unproven_versions({package: version}) == []


@pytest.mark.trust('packaging/versions')
def test_an_unproven_version_warns_and_goes_on():
    code = ('import mmcv, warnings; mmcv.__version__ = "9.0";'
            'warnings.simplefilter("ignore");'
            'import mmengine.runner, mmcv.cnn;'
            'warnings.simplefilter("always");'
            'from mmacda.layers import ACDAConv; print(ACDAConv.__name__)')
    done = fresh.run('-c', code)
    assert done.stdout.strip() == 'ACDAConv', done.stderr
    assert 'proven with mmcv >= 2.0, < 2.4, but 9.0' in done.stderr


@pytest.mark.parametrize('fork, warns', [('onedl-mmengine', True),
                                         ('onedl-mmrazor', False)])
def test_packages_that_overwrite_each_other_are_told_once(tmp_path, fork,
                                                          warns):
    folder = tmp_path / f'{fork.replace("-", "_")}-0.10.12.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: {fork}\nVersion: 0.10.12\n',
        encoding='utf-8')
    done = fresh.run('-c', 'import sys, warnings; warnings.resetwarnings();'
                     f'sys.path.insert(0, {str(tmp_path)!r}); import mmacda')
    assert done.returncode == 0
    assert done.stderr.count('UserWarning') == warns
    assert ('mmengine and onedl-mmengine are both installed' in
            done.stderr) == warns
    assert ('pip uninstall mmengine onedl-mmengine' in done.stderr) == warns
