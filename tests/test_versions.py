"""Versions are checked by a warning, not by an assertion."""
import subprocess
import sys

import pytest

from mmacda.versions import installed_versions, unproven_versions


@pytest.mark.trust('packaging/versions')
def test_the_pinned_versions_are_proven():
    found = installed_versions()
    assert set(found) >= {'torch', 'mmengine', 'mmcv'}
    assert unproven_versions(found) == []


@pytest.mark.trust('packaging/versions')
@pytest.mark.parametrize('package,version', [
    ('torch', '2.0.1'), ('torch', '3.0.0'), ('torch', '2.14.0'),
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
    ('mmcv', '2.2.0'), ('mmengine', '0.10.7')
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
    done = subprocess.run([sys.executable, '-c', code], capture_output=True,
                          text=True)
    assert done.stdout.strip() == 'ACDAConv', done.stderr
    assert 'proven with mmcv >= 2.0, < 2.3, but 9.0' in done.stderr
