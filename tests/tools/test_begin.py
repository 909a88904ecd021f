"""Before a tool's imports: Ctrl-C in one line, warnings left out."""
import ast
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'
# Without imports that take long, or started by benchmarks alone.
QUICK = ('dev/environment.py', 'benchmarks/child.py')
MET_FIRST = ('cv2', 'matplotlib', 'mmcv', 'mmengine', 'numpy', 'rich',
             'scipy', 'torch', 'yaml')
COMMANDS = sorted(
    name for name in (
        str(path.relative_to(TOOLS)) for path in TOOLS.rglob('*.py')
        if "if __name__ == '__main__'" in path.read_text(encoding='utf-8'))
    if name not in QUICK)


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True,
        text=True, cwd=ROOT, env=environment)


@pytest.mark.parametrize('tool', COMMANDS)
def test_every_tool_begins(tool):
    """Nothing but this and the standard library's paths comes before."""
    body = ast.parse((TOOLS / tool).read_text(encoding='utf-8')).body
    as_module = 'python -m tools.' in ast.unparse(body[0])
    lines = [ast.unparse(node) for node in body[1:5]]
    before = lines[:lines.index('import tools.begin')]
    assert before in ([], [
        'import sys', 'from os.path import abspath, dirname',
        f'sys.path.insert(0, {"dirname(" * (tool.count("/") + 2)}'
        f'abspath(__file__){")" * (tool.count("/") + 2)})'])
    assert before or as_module


@pytest.mark.parametrize('tool', ['train.py', 'count.py', 'trust.py',
                                  'analysis/plot_bases.py',
                                  'experiments/demo.py'])
def test_interrupted_imports(tool, tmp_path):
    """As if Ctrl-C came with the first import that takes long."""
    for name in MET_FIRST:
        (tmp_path / f'{name}.py').write_text('raise KeyboardInterrupt\n',
                                             encoding='utf-8')
    done = run(TOOLS / tool, '--help', PYTHONPATH=str(tmp_path))
    assert done.returncode == 130 and done.stdout == ''
    name = tool.split('/')[-1]
    assert done.stderr == f'\n{name}: stopped by Ctrl-C\n'
    done = run(TOOLS / tool, PYTHONPATH=str(tmp_path), MMACDA_TRACEBACK='1')
    assert done.returncode != 0 and 'Traceback' in done.stderr


def test_other_errors_keep_their_traceback():
    done = run('-c', 'import tools.begin; 1 / 0')
    assert done.returncode == 1
    assert 'Traceback' in done.stderr and 'ZeroDivision' in done.stderr


def test_only_listed_warnings_are_left_out(monkeypatch):
    monkeypatch.setattr(sys, 'excepthook', sys.excepthook)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        sys.modules.pop('tools.begin', None)
        import tools.begin  # noqa: F401
        warnings.warn('pkg_resources is deprecated as an API. See ...')
        warnings.warn('`torch.utils._pytree._register_pytree_node` is ...',
                      FutureWarning)
        warnings.warn('mmacda is proven with torch >= 2.1')
    assert [str(w.message)[:6] for w in seen] == ['mmacda']
