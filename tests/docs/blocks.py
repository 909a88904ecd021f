"""The blocks of the pages, and what the comments above them say of tests.

A block without a comment is run. ``<!-- test: ... -->`` in the line above it:

- ``skip, REASON`` (one of ``REASONS``): its words are checked, it is not run;
- ``long``: run by ``make test-long``;
- ``with THING`` (of tests/docs/things.py): the files that it reads are there;
- ``with --cfg-options ...``: its last command gets these as well;
- ``in FOLDER`` and ``on FILE``: where a config is written.
"""
import re
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional

ROOT = Path(__file__).parents[2]
REASONS = ('a GPU', 'a cluster', 'a cross-compiler', 'data',
           'a fresh environment', 'minutes')
BLOCK = re.compile(
    r'(?:^<!-- test: (?P<marks>[^\n]*) -->\n)?'
    r'^(?P<indent> *)```(?P<language>bash|shell|python)\n(?P<code>.*?)'
    r'^(?P=indent)```$', re.DOTALL | re.MULTILINE)
MARK = re.compile(r'(skip|long|with|in|on)\b ?(.*)')


class Block(NamedTuple):
    """Some lines of a page that a reader would copy."""
    page: str
    line: int
    language: str
    code: str
    skip: Optional[str] = None
    long: bool = False
    thing: Optional[str] = None
    options: str = ''
    folder: str = '.'
    file: str = 'a_config.py'

    @property
    def place(self) -> str:
        return f'{self.page}, line {self.line}'

    @property
    def is_config(self) -> bool:
        return self.language == 'python' and \
            self.code.lstrip().startswith('_base_')

    def commands(self) -> List[str]:
        """Lines of a shell block, without comments and line ends."""
        joined = self.code.replace('\\\n', ' ')
        lines = [re.sub(r'(^|\s)#.*', '', line).strip()
                 for line in joined.splitlines()]
        return [line for line in lines if line]


def pages() -> List[str]:
    """Every document that a reader may open."""
    found = [ROOT / 'README.md', ROOT / 'benchmarks' / 'README.md',
             *(ROOT / 'configs').glob('*/README.md'),
             *(ROOT / 'docs').rglob('*.md')]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def read_marks(marks: Optional[str]) -> dict:
    """Fields of a block.

    Raises:
        ValueError: If the comment says something else.
    """
    fields: dict = {}
    rest = marks or ''
    while rest:
        found = MARK.match(rest)
        if not found:
            raise ValueError(f'<!-- test: {marks} --> is not understood')
        name, value = found.groups()
        if name == 'with' and value.startswith('-'):
            fields['options'], rest = value, ''
            continue
        if name == 'skip':
            value = value.lstrip(', ') or found[2]
        value, _, rest = (value.partition(', ') if name != 'long' else
                          ('', '', value.lstrip(', ')))
        if name == 'skip' and value not in REASONS:
            raise ValueError(f'{value!r} is no reason; these are: {REASONS}')
        fields[dict(zip(('with', 'in', 'on'), ('thing', 'folder', 'file'))
                    ).get(name, name)] = value or True
    return fields


def read_blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding='utf-8')
    for found in BLOCK.finditer(text):
        line = text.count('\n', 0, found.start()) + 1
        indent = found['indent']
        code = re.sub(f'^{indent}', '', found['code'], flags=re.MULTILINE)
        language = 'shell' if found['language'] != 'python' else 'python'
        try:
            yield Block(page, line, language, code,
                        **read_marks(found['marks']))
        except ValueError as error:
            raise ValueError(f'{page}, line {line}: {error}') from None
