"""Links of a document, seen from where the site shows it."""
import os.path as osp
import re
from pathlib import Path
from typing import Dict

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / 'docs'
LINK = re.compile(r'(!?\[[^\]]*\])\(([^)\s]+)\)')
FENCE = re.compile(r'^ *```.*?^ *```', re.DOTALL | re.MULTILINE)
PAGE = re.compile(r'^<!-- page: (\S+) -->$', re.MULTILINE)


def homes() -> Dict[str, str]:
    """Documents outside of docs/ that have a page: path -> page."""
    return {
        found[1]: path.relative_to(ROOT).as_posix()
        for path in DOCS.rglob('*.md')
        if (found := PAGE.search(path.read_text(encoding='utf-8')))
    }


def rewrite_links(text: str, source: str, page: str) -> str:
    """Relative links of a document as its page has to write them.

    Args:
        text (str): Of the document.
        source (str): Its path in the repository.
        page (str): That of the page that shows it.

    Raises:
        FileNotFoundError: If a link leads nowhere.
    """
    known = homes()

    def change(found: 're.Match') -> str:
        label, target = found[1], found[2]
        if re.match(r'[a-z]+:|#|//', target):
            return found[0]
        path, _, anchor = target.partition('#')
        path = osp.normpath(osp.join(osp.dirname(source), path))
        if not (ROOT / path).exists():
            raise FileNotFoundError(f'{source}: {target} does not exist')
        path = known.get(path, known.get(f'{path}/README.md', path))
        if (ROOT / path).is_dir():
            named = label[1:-1].strip('`') in (path, osp.basename(path))
            return f'`{path}`' if named else f'{label[1:-1]} (`{path}`)'
        relative = osp.relpath(path, osp.dirname(page))
        return f'{label}({relative}{"#" * bool(anchor)}{anchor})'

    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(change, text[end:fence.start()]), fence[0]]
        end = fence.end()
    return ''.join([*parts, LINK.sub(change, text[end:])])
