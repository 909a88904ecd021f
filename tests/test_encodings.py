"""Text files are opened with their encoding, whatever Python's default is."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = {'open', 'fdopen', 'read_text', 'write_text'}


def without_encoding(source):
    """Lines of calls that leave the encoding of a text file to chance.

    ruff's PLW1514 knows the types of few variables; here names decide.
    """
    for node in ast.walk(ast.parse(source)):
        name = _text_call(node) if isinstance(node, ast.Call) else None
        if name is None:
            continue
        named = {keyword.arg for keyword in node.keywords}
        if named & {'encoding', None}:
            continue
        if name in ('open', 'fdopen'):
            given = node.args[1:2] or [
                keyword.value for keyword in node.keywords
                if keyword.arg == 'mode']
            if given and not isinstance(given[0], ast.Constant):
                continue
            if given and 'b' in given[0].value:
                continue
        elif len(node.args) > (name == 'write_text'):
            continue  # by position
        yield node.lineno


def _text_call(node):
    function = node.func
    if isinstance(function, ast.Name) and function.id == 'open':
        return 'open'
    # Methods of the name open, such as Image.open, are something else.
    if isinstance(function, ast.Attribute) and function.attr in TEXT - {
            'open'}:
        return function.attr
    return None


@pytest.mark.parametrize('folder', ['mmacda', 'tools', 'tests', 'setup.py'])
def test_every_text_file_names_its_encoding(folder):
    paths = [ROOT / folder] if folder.endswith('.py') else sorted(
        (ROOT / folder).rglob('*.py'))
    assert paths
    found = {
        str(path.relative_to(ROOT)): lines
        for path in paths
        if (lines := list(
            without_encoding(path.read_text(encoding='utf-8'))))
    }
    assert not found


def test_the_check_finds_what_it_is_for():
    assert list(without_encoding('''open(a)
open(a, 'w')
a.read_text()
a.write_text(b)
os.fdopen(a, mode='w')
open(a, 'rb'); open(a, encoding='ascii'); Image.open(a)
a.read_text('utf-8'); a.write_text(b, encoding='utf-8'); a.open()
open(a, mode); open(a, **options)
''')) == [1, 2, 3, 4, 5]
