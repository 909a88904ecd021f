"""Sphinx: puts other documents and generated parts where pages ask for them.

A page asks by a comment: ``<!-- page: configs/lenet/README.md -->`` for a
document of the repository, with its links changed; ``<!-- make: names -->``
for a part that is generated.
"""
import re
from pathlib import Path
from typing import Any, Callable, Dict, List

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

from .commands import command_pages, make_table
from .links import DOCS, PAGE, ROOT, rewrite_links
from .names import name_entries, name_lists
from .rows import row_tables

FIRST_NOTEBOOK = 'first_layer'
MAKE = re.compile(r'^<!-- make: (\w+) -->$', re.MULTILINE)


def drawing() -> str:
    """The layer in one picture, once there is one."""
    if not (DOCS / 'images' / 'layer.svg').is_file():
        return ''
    return ('![The layer: input, generator, coefficients, bases, atoms, two '
            'steps](../images/layer.svg)')


def notebooks() -> str:
    """A table of contents of the notebooks, the first one first."""
    found = sorted((path.stem for path in (DOCS / 'notebooks').glob(
        '*.ipynb')), key=lambda name: (name != FIRST_NOTEBOOK, name))
    if not found:
        return ''
    return '\n'.join(['```{toctree}', ':maxdepth: 1',
                      ':caption: Notebooks', '',
                      *(f'notebooks/{name}' for name in found), '```'])


PARTS: Dict[str, Callable[[], str]] = dict(
    commands=command_pages,
    make_targets=make_table,
    names=name_lists,
    entries=name_entries,
    rows=row_tables,
    drawing=drawing,
    notebooks=notebooks)


def read(app: Any, name: str, content: List[str]) -> None:
    """The source of a page, with what it asks for."""
    path = Path(app.env.doc2path(name))
    if path.suffix != '.md':
        return
    page = path.relative_to(ROOT).as_posix()
    found = PAGE.search(content[0])
    if found:
        app.env.note_dependency(str(ROOT / found[1]))
        text = (ROOT / found[1]).read_text(encoding='utf-8')
        content[0] = content[0].replace(
            found[0], rewrite_links(text, found[1], page))
    else:
        content[0] = rewrite_links(content[0], page, page)
    if MAKE.search(content[0]):
        app.env.note_reread()
        content[0] = MAKE.sub(lambda part: PARTS[part[1]](), content[0])


def show_formula(writer: Any, node: Any) -> None:
    """A formula as MathML, which browsers draw without any network."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def show_equation(writer: Any, node: Any) -> None:
    """The same on a line of its own."""
    writer.body.append('<div class="math-wrapper">'
                       f'{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict:
    app.add_html_math_renderer('mathml', (show_formula, None),
                               (show_equation, None))
    app.connect('source-read', read)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
