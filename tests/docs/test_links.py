"""Documents lead where they say, and README stays short and true."""
import os.path as osp
import re

import pytest

from tests.docs.blocks import ROOT, pages
from tests.frameworks.readme_config import readme_config
from tools.dev.pages.links import DOCS, FENCE, LINK, PAGE, homes, rewrite_links
from tools.dev.pages.rows import PLACE, TABLES, layer_table

README = (ROOT / 'README.md').read_text(encoding='utf-8')


def anchors(path):
    """Of the headings, as GitHub and the site make them."""
    text = (ROOT / path).read_text(encoding='utf-8')
    found = PAGE.search(text)
    if found:
        text += (ROOT / found[1]).read_text(encoding='utf-8')
    found = set()
    for heading in re.findall(r'^#+ (.*)$', FENCE.sub('', text),
                              re.MULTILINE):
        heading = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading)
        found.add(re.sub(r'[^\w\- ]', '', heading.lower()).strip().replace(
            ' ', '-'))
    return found


def broken_links(page, text):
    """Relative links whose file or heading does not exist."""
    for _, target in LINK.findall(FENCE.sub('', text)):
        if re.match(r'[a-z]+:|//', target):
            continue
        path, _, anchor = target.partition('#')
        path = osp.normpath(osp.join(osp.dirname(page), path)) if path \
            else page
        if not (ROOT / path).exists():
            yield target
        elif anchor and anchor not in anchors(path):
            yield target


@pytest.mark.parametrize('page', pages())
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding='utf-8')
    assert not list(broken_links(page, text))


def test_broken_links_are_found():
    text = ('[a](docs/nowhere.md) [b](docs/evidence.md#nothing) [c](#use-it) '
            '[d](https://example.org) [e](LICENSE)\n```\n[f](gone)\n```\n')
    assert list(broken_links('README.md', text)) == [
        'docs/nowhere.md', 'docs/evidence.md#nothing']


def test_every_page_is_in_a_table_of_contents():
    listed = {'docs/index.md'}
    for page in ('docs/index.md', 'docs/models/index.md'):
        for block in re.findall(r'```\{toctree\}\n(.*?)```',
                                (ROOT / page).read_text(encoding='utf-8'),
                                re.DOTALL):
            listed |= {
                osp.join(osp.dirname(page), f'{name}.md')
                for name in block.split() if not name.startswith(':')
            }
    assert {p for p in pages() if p.startswith('docs/')} <= listed


def test_links_of_a_document_are_those_of_its_page():
    text = ('[a](../real_sr/README.md#data) [b](lenet_digits.py) '
            '[c](../../docs/evidence.md) [d](https://example.org)\n'
            '```python\nx[0](README.md)\n```\n')
    assert rewrite_links(text, 'configs/lenet/README.md',
                         'docs/models/lenet.md') == (
        '[a](real_sr.md#data) [b](../../configs/lenet/lenet_digits.py) '
        '[c](../evidence.md) [d](https://example.org)\n'
        '```python\nx[0](README.md)\n```\n')
    with pytest.raises(FileNotFoundError, match='gone.md'):
        rewrite_links('[a](gone.md)', 'README.md', 'docs/index.md')


def test_every_family_has_a_page():
    families = {path.relative_to(ROOT).as_posix()
                for path in (ROOT / 'configs').glob('*/README.md')}
    assert families <= set(homes())


def test_readme_is_one_screen_with_its_table():
    assert len(README.splitlines()) <= 150
    for name, make in TABLES.items():
        text = (ROOT / name).read_text(encoding='utf-8')
        assert make() in PLACE.search(text)[0], \
            'run `python -m tools.dev.pages.rows --write`'
    # Of each pair the light generator's, which README speaks of.
    worst = max(float(row.split('|')[3].split(',')[1]) for row in layer_table(
        ).splitlines()[2:])
    assert ('less than half the time' in README) == (worst < 0.5)


def test_first_steps_have_readme_s_config():
    steps = (DOCS / 'get_started' / 'first_steps.md').read_text(
        encoding='utf-8')
    assert f'```python\n{readme_config()}```' in steps


def test_figures_that_readme_repeats_are_those_of_the_pages():
    for page, figures in (
        ('get_started/first_steps.md', ('2.28e-03', '1.10e-04', '2.74',
                                        '1.85')),
        ('evidence.md', ('54.34 ± 0.81', '52.45 ± 1.14', '44.95 ± 0.09',
                         '31.832 ± 0.252', '32.214 ± 0.133',
                         '26.478 ± 0.003', '26.523 ± 0.001',
                         '28.954 ± 0.012', '28.911 ± 0.019',
                         '4.749 ± 0.956', '3.575 ± 0.179'))):
        text = (DOCS / page).read_text(encoding='utf-8')
        for figure in figures:
            assert f'| {figure} |' in text and f' {figure} ' in README
