"""The names that mmacda adds to MMEngine's registries, with their keys."""
import importlib
import inspect
from typing import Any, Dict, List

import mmengine.registry as registries

import mmacda  # noqa: F401  registers them

SHOWN: Dict[str, str] = {
    'MODELS': 'Models and layers',
    'DATASETS': 'Data sets',
    'TRANSFORMS': 'Transforms',
    'METRICS': 'Metrics',
    'HOOKS': 'Hooks',
    'OPTIM_WRAPPERS': 'Optimizer wrappers',
}


def registered(registry: str) -> Dict[str, Any]:
    """Our entries of one of MMEngine's root registries, by name."""
    return {
        name: entry
        for name, entry in sorted(
            getattr(registries, registry).module_dict.items())
        if entry.__module__.startswith('mmacda.')
        and name == entry.__name__
    }


def public_name(entry: Any) -> str:
    """The shortest dotted name from which it can be imported."""
    parts = entry.__module__.split('.')
    for length in range(2, len(parts) + 1):
        module = '.'.join(parts[:length])
        if getattr(importlib.import_module(module), entry.__name__,
                   None) is entry:
            return f'{module}.{entry.__name__}'
    raise LookupError(f'{entry} is not where it says')


def keys_of(entry: Any) -> str:
    """``key=default``, as a config would write them."""
    shown: List[str] = []
    for name, parameter in inspect.signature(entry).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL,
                              parameter.VAR_KEYWORD):
            continue
        text = name
        if parameter.default is not parameter.empty:
            text += f'={_written(parameter.default)}'
        shown.append(f'`{text}`')
    return ', '.join(shown)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        inner = ', '.join(f'{k}={_written(v)}' for k, v in value.items())
        return f'dict({inner})'
    return repr(value)


def name_lists() -> str:
    """A heading and a list per registry."""
    parts = []
    for registry, title in SHOWN.items():
        parts.append(f'## {title}: `{registry}`')
        for name, entry in registered(registry).items():
            summary = (inspect.getdoc(entry) or '').split('\n\n')[0]
            summary = ' '.join(summary.replace('``', '`').split())
            parts.append(f'{{py:obj}}`{name} <{public_name(entry)}>`\n'
                         f': {summary}\n\n  {keys_of(entry)}')
    return '\n\n'.join(parts)


def name_entries() -> str:
    """Documentation of every registered name, by autodoc."""
    parts = []
    for registry, title in SHOWN.items():
        parts.append(f'## {title}\n')
        for entry in registered(registry).values():
            directive = 'autoclass' if inspect.isclass(entry) \
                else 'autofunction'
            parts.append('```{eval-rst}\n'
                         f'.. {directive}:: {public_name(entry)}\n```\n')
    return '\n'.join(parts)
