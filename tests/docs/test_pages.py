"""Every command and every piece of Python of the pages works."""
import re
import shlex

import pytest

pytest.importorskip('mmpretrain')
pytest.importorskip('mmagic')
from tests.docs.blocks import ROOT, pages, read_blocks  # noqa: E402
from tests.docs.running import Reader, prepare  # noqa: E402
from tools.dev.pages.commands import help_of, make_targets  # noqa: E402

BLOCKS = {page: list(read_blocks(page)) for page in pages()}
SHELL = [block for blocks in BLOCKS.values() for block in blocks
         if block.language == 'shell']
MAKE_VARIABLE = re.compile(r'[A-Z_]+=')


def with_blocks(long):
    """Pages that have something to run."""
    return [page for page, blocks in BLOCKS.items()
            if any(not b.skip and b.long == long for b in blocks)]


def work_through(page, folder, monkeypatch, long):
    prepare(folder)
    monkeypatch.chdir(folder)
    reader = Reader(in_process=not long)
    for block in BLOCKS[page]:
        if not block.skip and (long or not block.long):
            reader.run(block)


@pytest.mark.parametrize('page', with_blocks(long=False))
def test_blocks(page, tmp_path, monkeypatch):
    work_through(page, tmp_path, monkeypatch, long=False)


@pytest.mark.long
@pytest.mark.parametrize('page', with_blocks(long=True))
def test_long_blocks(page, tmp_path, monkeypatch):
    work_through(page, tmp_path, monkeypatch, long=True)


def test_commands_name_what_exists():
    """Of all commands, also of those that no test can run."""
    targets = {target for target, _ in make_targets()}
    helps, wrong = {}, []
    for block in SHELL:
        for command in block.commands():
            words = shlex.split(command)
            for word in words:
                if re.match(r'(tools|configs)/\S+\.(py|sh)$', word) and not (
                        ROOT / word).is_file() and '/my_' not in word:
                    wrong.append((block.place, word))
            if words[0] == 'make':
                asked = [word for word in words[1:]
                         if not MAKE_VARIABLE.match(word)]
                wrong += [(block.place, word) for word in asked
                          if word not in targets]
            if 'tools/' not in command or 'python' not in words:
                continue
            tool = words[words.index('python') + 1]
            if tool.startswith('tools/') and (ROOT / tool).is_file():
                if tool not in helps:
                    helps[tool] = help_of(tool[len('tools/'):])
                wrong += [(block.place, word) for word in words
                          if re.match('--[a-z]', word)
                          and word.split('=')[0] not in helps[tool]]
    assert not wrong


def test_few_blocks_are_left_out():
    """Most of what is written can be tried where there is no GPU."""
    everything = [block for blocks in BLOCKS.values() for block in blocks]
    skipped = [block for block in everything if block.skip]
    assert len(everything) > 80
    assert len(skipped) < 0.4 * len(everything)
