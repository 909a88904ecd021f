"""Every tool: an example in its help, and wrong use in one sentence."""
import ast
import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'
ALL = sorted(
    str(path.relative_to(TOOLS)) for path in TOOLS.rglob('*.py')
    if "if __name__ == '__main__'" in path.read_text(encoding='utf-8'))
# Before there is an environment; processes that only benchmarks start.
WITHOUT_MMACDA = ('dev/environment.py', 'benchmarks/child.py', 'gpu/child.py')
COMMANDS = [name for name in ALL if name not in WITHOUT_MMACDA
            and not name.endswith('__main__.py')]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a tool in an empty folder: exit code, output, errors."""
    pytest.importorskip('mmpretrain')
    pytest.importorskip('mmagic')
    pytest.importorskip('matplotlib')
    pytest.importorskip('plotly')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', list(sys.path))

    def call(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOLS / tool), run_name='__main__')
        return stop.value.code, *capsys.readouterr()

    return call


def test_all_are_found():
    assert {'train.py', 'count.py', 'analysis/memory.py',
            'experiments/demo.py', 'benchmarks/operator.py'} <= set(COMMANDS)


@pytest.mark.parametrize('tool', ALL)
def test_docstring_is_a_sentence_and_an_example(tool):
    source = (TOOLS / tool).read_text(encoding='utf-8')
    lines = ast.get_docstring(ast.parse(source), clean=False).splitlines()
    assert re.match(r'[A-Z].*[.:]$', lines[0]), lines[0]
    assert all(len(line) < 80 for line in lines), 'an escaped line end?'
    if tool != 'benchmarks/child.py':
        # Right after the sentence, which may take two lines.
        start = lines.index('')
        assert start <= 2, lines[:4]
        example = lines[start + 1]
        assert re.match(r'    (python\S*|.*\| python) ', example), example
        assert tool in example or 'python -m' in example


@pytest.mark.parametrize('tool', COMMANDS)
def test_help_begins_with_the_example(run, tool):
    code, text, _ = run(tool, '--help')
    assert code == 0
    sentence, example, rest = text.split('\n\n', 2)
    assert sentence.count('\n') < 2 and example.startswith('    python ')
    assert 'usage: ' in rest[:rest.index('options:')]


@pytest.mark.parametrize('tool', COMMANDS)
def test_wrong_use_is_one_sentence_and_2(run, tool, tmp_path):
    help_ = run(tool, '--help')[1]
    for option, wrong, said in (
        ('--device', 'gpu', 'gpu'),
        ('--device', 'cuda:99', 'cuda'),
        ('--cfg-options', 'foo', 'KEY=VALUE'),
        ('--seeds', '0', 'at least 1'),
        ('--work-dir', tmp_path / 'file', 'file'),
        ('--show-dir', tmp_path / 'file', 'file'),
        ('--out-dir', tmp_path / 'file', 'file'),
        ('--out-dir', tmp_path / 'file' / 'inner', 'file'),
        ('--sice', '3', '')):
        (tmp_path / 'file').touch()
        if option in help_ or option == '--sice':
            code, _, text = run(tool, option, wrong)
            assert code == 2 and said in text, (option, text)
            assert text.count('\n') == 1, text
    assert [p.name for p in tmp_path.iterdir()] == ['file']


@pytest.mark.parametrize('tool, others', [
    ('train.py', []), ('test.py', ['w.pth']),
    ('export_onnx.py', ['w.pth', '--out', 'a.onnx']),
    ('analysis/complexity.py', []), ('analysis/memory.py', []),
    ('analysis/plot_bases.py', []), ('analysis/ablation.py', []),
    ('analysis/atom_diversity.py', []), ('analysis/head_sizes.py', []),
    ('experiments/warm_start.py', [])])
def test_configs_that_cannot_be_used(run, tool, others, tmp_path):
    (tmp_path / 'w.pth').touch()
    texts = {
        'syntax.py': ('a = (1,\n', 'syntax.py, line 1'),
        'name.py': ('a = b\n', 'name.py, line 1'),
        'empty.py': ('a = 1\n', 'empty.py'),
        'base.py': ("_base_ = './gone.py'\n", 'gone.py'),
    }
    for name, (text, said) in texts.items():
        (tmp_path / name).write_text(text, encoding='utf-8')
        code, _, error = run(tool, name, *others)
        assert code in (1, 2) and said in error, error
        assert error.strip().count('\n') == 0, error
    code, _, error = run(tool, 'absent.py', *others)
    assert code == 2 and 'the config absent.py does not exist' in error
    # The options of before say the same.
    code, _, error = run(tool, '--config', 'absent.py', *others)
    assert code == 2 and 'the config absent.py does not exist' in error


def test_nothing_speaks_of_what_only_its_authors_know():
    pattern = re.compile(r'\bissues? \d|\b\d/7\b')
    for folder in ('mmacda', 'tools', 'tests', 'configs', 'docs'):
        for path in (ROOT / folder).rglob('*'):
            if path.suffix in ('.py', '.md', '.yml', '.sh') and \
                    '.mim' not in path.parts and path != Path(__file__):
                found = pattern.search(path.read_text(encoding='utf-8'))
                assert not found, (path, found)
