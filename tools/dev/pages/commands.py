"""Every command of the repository with its own help."""
import contextlib
import io
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[3]
TITLES = {
    '.': 'Train, test, use',
    'analysis': 'Look inside',
    'figures': 'Figures',
    'experiments': 'Experiments',
    'benchmarks': 'Benchmarks',
    'gpu': 'On a GPU',
    'dataset_converters': 'Data',
    'dev': 'For work on mmacda',
}
MAIN = re.compile(r'^if __name__ == .__main__.:', re.MULTILINE)
# Processes that only benchmarks start.
INNER = ('benchmarks/child.py', 'gpu/child.py')


def find_tools() -> List[str]:
    """Paths of the tools, seen from ``tools/``."""
    return sorted(
        path.relative_to(ROOT / 'tools').as_posix()
        for path in (ROOT / 'tools').rglob('*.py')
        if MAIN.search(path.read_text(encoding='utf-8')))


def help_of(tool: str) -> str:
    """What ``--help`` prints, without the usage's cost of a process."""
    text = io.StringIO()
    with patch.object(sys, 'argv', [tool, '--help']), \
            patch.object(sys, 'path', [str(ROOT), *sys.path]), \
            patch.dict(os.environ, COLUMNS='79'), \
            contextlib.redirect_stdout(text), \
            contextlib.suppress(SystemExit):
        if tool.endswith('__main__.py'):
            package = 'tools.' + tool[:-len('/__main__.py')].replace('/', '.')
            runpy.run_module(package, run_name='__main__')
        else:
            runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')
    return text.getvalue().strip()


def command_pages() -> str:
    """Headings with the help of every tool, by folder."""
    folders: Dict[str, List[str]] = {folder: [] for folder in TITLES}
    for tool in find_tools():
        if tool not in INNER:
            folder = tool.split('/')[0] if '/' in tool else '.'
            folders.setdefault(folder, []).append(
                f'### `{_called(tool)}`\n\n```text\n{help_of(tool)}\n```')
    return '\n\n'.join(
        part for folder, entries in folders.items() if entries
        for part in (f'## {TITLES.get(folder, folder)}', *entries))


def _called(tool: str) -> str:
    if tool.endswith('/__main__.py'):
        return 'python -m tools.' + tool[:-len('/__main__.py')].replace(
            '/', '.')
    return f'python tools/{tool}'


def make_targets() -> Iterator[Tuple[str, str]]:
    """Targets of the Makefile and the comments above them."""
    comment: List[str] = []
    for line in (ROOT / 'Makefile').read_text(encoding='utf-8').splitlines():
        found = re.match(r'([a-z-]+):', line)
        if line.startswith('# '):
            comment.append(line[2:])
            continue
        if found:
            yield found[1], ' '.join(comment)
        comment = []


def make_table() -> str:
    """The same as Markdown."""
    rows = [f'| `make {target}` | {comment.replace("|", chr(92) + "|")} |'
            for target, comment in make_targets()]
    return '\n'.join(['| command | what it does |', '|---|---|', *rows])
