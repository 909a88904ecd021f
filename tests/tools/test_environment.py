"""The set-up script: stamps, wrong Python, missing compiler, interruption."""
import importlib.util
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'dev' / 'environment.py'


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('environment', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def empty_venv(tmp_path_factory):
    """Made once: pip's own installation takes seconds."""
    folder = tmp_path_factory.mktemp('empty') / 'venv'
    venv.create(folder, with_pip=True)
    return folder


@pytest.fixture
def environment(tool, tmp_path, monkeypatch, empty_venv):
    """An environment in a temporary folder that records its commands."""
    create_venv = tool.create_venv
    monkeypatch.setattr(
        tool, 'create_venv', lambda folder: shutil.copytree(
            empty_venv, folder, symlinks=True))
    made = tool.Environment('demo', tool.pinned('torch'))
    made.folder = tmp_path / 'venv'
    made.python = made.folder / 'bin' / 'python'
    made.stamp = made.folder / 'finished'
    made.commands, made.create_venv = [], create_venv
    monkeypatch.setattr(tool, 'ROOT', tmp_path)
    monkeypatch.setattr(tool, 'check_python', lambda flavour: None)
    monkeypatch.setattr(
        made, 'run', lambda *args, **kwargs: made.commands.append(args))
    return made


def test_a_finished_environment_is_left_alone(environment):
    environment.set_up()
    assert environment.commands
    environment.commands.clear()
    environment.set_up()
    assert environment.commands == []


def test_changed_requirements_are_installed(environment):
    environment.set_up()
    environment.commands.clear()
    environment.stamp.write_text('of other requirements', encoding='utf-8')
    environment.set_up()
    assert environment.commands


def test_an_interrupted_set_up_is_picked_up(environment, monkeypatch):

    def interrupted():
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(environment, 'install_demo', interrupted)
        with pytest.raises(KeyboardInterrupt):
            environment.set_up()
    assert not environment.finished()
    environment.set_up()
    assert environment.finished()


def test_half_a_venv_is_made_anew(environment, tool, monkeypatch):
    monkeypatch.setattr(tool, 'create_venv', environment.create_venv)
    (environment.folder / 'bin').mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    environment.set_up()
    assert (environment.folder / 'bin' / 'pip').exists()
    assert environment.finished()


def test_wrong_python_is_one_sentence(tool, monkeypatch):
    monkeypatch.setattr(sys, 'version_info', (3, 8, 1, 'final', 0))
    with pytest.raises(tool.SetupError, match=r'needs Python 3\.11 .*make '):
        tool.check_python('frameworks')
    tool.check_python('python')


def test_missing_compiler_is_one_sentence(tool, monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(tool.SetupError, match='gcc was not found.*install'):
        tool.check_compiler()


def test_a_mirror_reaches_the_installer(tool, monkeypatch):
    monkeypatch.setenv('PIP_INDEX_URL', 'https://mirror.example/simple')
    monkeypatch.delenv('UV_DEFAULT_INDEX', raising=False)
    settings = tool.uv_index_settings()
    assert settings['UV_DEFAULT_INDEX'] == 'https://mirror.example/simple'


@pytest.mark.parametrize('cpu, variable, index', [
    (False, None, None), (True, None, 'https://download.pytorch.org/whl/cpu'),
    (True, 'https://mirror.example/cpu', 'https://mirror.example/cpu'),
    (False, 'https://mirror.example/cpu', 'https://mirror.example/cpu')])
def test_pytorch_without_cuda_comes_from_an_index(tool, monkeypatch, tmp_path,
                                                  cpu, variable, index):
    monkeypatch.delenv('TORCH_INDEX', raising=False)
    if variable:
        monkeypatch.setenv('TORCH_INDEX', variable)
    made, commands = tool.Environment('full', '2.11.0', cpu), []
    made.folder = tmp_path
    monkeypatch.setattr(made, 'run', lambda *args: commands.append(args))
    monkeypatch.setattr(made, 'mmcv_wheel', lambda: 'mmcv.whl')
    monkeypatch.setattr(tool, 'install_browser', lambda: None)
    made.install_full()
    for command in commands:
        assert (index in command) == bool(index)
        assert ('--index' in command) == bool(index)
    pins = (tmp_path / 'pins.txt').read_text(encoding='utf-8')
    assert ('nvidia-cublas==' in pins) == (index is None)
    assert 'torch==' in pins
    other = tool.Environment('full', '2.11.0', not cpu)
    assert (other.fingerprint() == made.fingerprint()) == bool(variable)


def test_other_platforms_are_told_what_is_proven(tool, monkeypatch, capsys):
    monkeypatch.setattr(tool.sys, 'platform', 'linux')
    monkeypatch.setattr(tool.platform, 'machine', lambda: 'x86_64')
    tool.check_platform('demo')
    assert capsys.readouterr().out == ''
    monkeypatch.setattr(tool.platform, 'machine', lambda: 'aarch64')
    tool.check_platform('full')
    said = capsys.readouterr().out
    assert said.count('\n') == 1 and 'aarch64' in said
    monkeypatch.setattr(tool.os, 'name', 'nt')
    with pytest.raises(tool.SetupError, match='on Windows run it in WSL'):
        tool.check_platform('demo')


def test_pins_of_one_platform_are_marked(tool):
    for line in (tool.REQUIREMENTS / 'pins.txt').read_text(
        encoding='utf-8').splitlines():
        if line.startswith(('nvidia', 'cuda', 'triton')):
            assert line.endswith(" ; sys_platform == 'linux'"), line
    assert tool.pinned('triton') == '3.6.0'


def test_ctrl_c_is_one_line(tool, monkeypatch, capsys):

    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(tool.Environment, 'set_up', stop)
    monkeypatch.setattr(sys, 'argv', ['environment.py', 'demo'])
    with pytest.raises(SystemExit) as stopped:
        tool.main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err.strip().count('\n') == 0


def test_mmcv_s_wheel_is_found_by_torch_and_python(tool, monkeypatch,
                                                   tmp_path):
    monkeypatch.setenv('MMACDA_CACHE', str(tmp_path))
    version, torch = tool.pinned('mmcv'), tool.pinned('torch')
    wheel = (tmp_path / 'wheels' / f'torch{torch}-cp311' /
             f'mmcv-{version}-cp311-cp311-linux_x86_64.whl')
    wheel.parent.mkdir(parents=True)
    wheel.touch()
    assert tool.Environment('full', torch).mmcv_wheel() == wheel


def test_mmcv_is_built_for_this_torch_alone(tool, monkeypatch, tmp_path):
    """Without pip's cache, whose wheels may be built for another PyTorch."""
    monkeypatch.setenv('MMACDA_CACHE', str(tmp_path))
    made, version = tool.Environment('full', '2.11.0'), tool.pinned('mmcv')
    name = f'mmcv-{version}-cp311-cp311-linux_x86_64.whl'

    def build(*arguments, **variables):
        assert '--no-cache-dir' in arguments
        assert variables['MMCV_WITH_OPS'] == '1'
        folder = Path(arguments[arguments.index('-w') + 1])
        (folder / name).write_text('wheel', encoding='utf-8')

    monkeypatch.setattr(made, 'run', build)
    wheel = made.mmcv_wheel()
    assert wheel.name == name and wheel.read_text(encoding='utf-8') == 'wheel'
    assert list(wheel.parent.iterdir()) == [wheel]  # no folder is left
    monkeypatch.setattr(made, 'run', None)  # found from now on
    assert made.mmcv_wheel() == wheel


def test_a_failed_build_leaves_nothing(tool, monkeypatch, tmp_path):
    monkeypatch.setenv('MMACDA_CACHE', str(tmp_path))
    made = tool.Environment('full', '2.11.0')

    def fail(*arguments, **variables):
        raise tool.SetupError('no network')

    monkeypatch.setattr(made, 'run', fail)
    with pytest.raises(tool.SetupError):
        made.mmcv_wheel()
    assert not [p for p in tmp_path.rglob('*') if 'part-' in p.name]


def test_command_line_names_what_is_missing():
    done = subprocess.run([sys.executable, TOOL, 'torch'],
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert 'the flavour torch needs --torch VERSION' in done.stderr
