"""The floors of the house: what a module may import, read from its text."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'mmacda'
# Longest file.
LINES = 300
# From below; what stands on one line may not import one another either.
OPS_FLOORS = (
    ('geometry', 'memory_format', 'autocast', 'fourier_bessel', 'reference',
     'generator', 'compiler'),
    ('checks', 'tracing', 'prebuilt'),
    ('backends', ),
    ('registered_op', ),
    ('differentiate', ),
    ('functional', ),
    ('generated', 'batch_generated', 'evaluated'),
    ('build', '__init__'),
)
# What each of these folders may import of the package.
MAY_IMPORT = {
    'ops': {'ops'},
    # MMEngine's registry, read in one place.
    'layers': {'ops', 'layers', 'registry_types'},
    'datasets': {'datasets', 'io', 'registry', 'versions', 'structures'},
    'evaluation': {'evaluation', 'io', 'registry', 'versions', 'structures'},
}
# Those that stay, or that are known and wait to be mended.
KNOWN = {
    # Its self test, for `python -m mmacda.ops.build`; and who calls it.
    ('ops/build.py', 'mmacda.ops.functional'),
    ('ops/build.py', 'mmacda.ops'),
    ('ops/backends/native/shared_library.py', 'mmacda.ops.build'),
}


def imports_of(path):
    """Dotted names of the modules that a file imports, wherever it does."""
    package = path.relative_to(ROOT).with_suffix('').parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] \
                if node.level else ()
            base = '.'.join((*base, *filter(None, [node.module])))
            for alias in node.names:
                yield resolve(base, alias.name)


def resolve(base, name):
    """The module that ``from base import name`` needs."""
    path = ROOT.joinpath(*base.split('.'), name)
    is_module = path.is_dir() or path.with_suffix('.py').exists()
    return f'{base}.{name}' if is_module else base


FILES = sorted(PACKAGE.rglob('*.py'))
IMPORTS = {
    path.relative_to(PACKAGE).as_posix(): sorted(set(imports_of(path)))
    for path in FILES
}


def in_folder(folder):
    return [(name, module) for name, modules in IMPORTS.items()
            if name.startswith(f'{folder}/') for module in modules
            if (name, module) not in KNOWN]


def floor_of(module):
    """Of a dotted name below mmacda.ops, or of mmacda.ops itself."""
    part = [*module.split('.')[2:], '__init__'][0]
    return next(n for n, floor in enumerate(OPS_FLOORS) if part in floor)


def test_ops_imports_point_down():
    rising = []
    for name, module in in_folder('ops'):
        own = 'mmacda.' + name[:-len('.py')].replace('/', '.')
        if module.startswith('mmacda.ops') and \
                module.split('.')[2:3] != own.split('.')[2:3] and \
                floor_of(module) >= floor_of(own):
            rising.append((name, module))
    assert not rising


def test_backends_know_no_other_backend_but_stock():
    folders = [p.name for p in (PACKAGE / 'ops' / 'backends').iterdir()
               if (p / '__init__.py').exists()]
    assert {'native', 'stock', 'triton'} == set(folders)
    foreign = []
    for name, module in in_folder('ops/backends'):
        own, other = name.split('/')[2], (module.split('.') + [''] * 3)[3]
        if module.startswith('mmacda.ops.backends') and other in folders \
                and own not in (other, '__init__.py') and other != 'stock':
            foreign.append((name, module))
    assert not foreign


def test_ops_know_no_framework():
    assert not [(name, module) for name, module in in_folder('ops')
                if module.split('.')[0] in ('mmcv', 'mmengine')]


@pytest.mark.parametrize('folder', MAY_IMPORT)
def test_folders_import_what_is_below(folder):
    above = [(name, module) for name, module in in_folder(folder)
             if module.startswith('mmacda.')
             and module.split('.')[1] not in MAY_IMPORT[folder]]
    assert not above


@pytest.mark.parametrize('folder, unknown', [
    ('datasets', 'models'),
    ('evaluation', 'models'),
    ('visualization', 'models'),
    ('visualization', 'datasets'),
    ('models', 'apis'),
    ('io', 'datasets'),
    ('io', 'models'),
])
def test_folders_do_not_know_each_other(folder, unknown):
    assert not [(name, module) for name, module in in_folder(folder)
                if f'{module}.'.startswith(f'mmacda.{unknown}.')]


def test_no_file_is_too_long():
    lengths = {name: len((PACKAGE / name).read_text(
        encoding='utf-8').splitlines()) for name in IMPORTS}
    assert not {name: n for name, n in lengths.items() if n > LINES}


def test_the_reader_of_imports_sees_them():
    assert 'mmacda.ops.geometry' in IMPORTS['ops/checks.py']
    assert 'mmacda.ops.backends.stock' in IMPORTS[
        'ops/backends/native/__init__.py']
    assert 'mmacda.ops.build' in IMPORTS[
        'ops/backends/native/shared_library.py']
