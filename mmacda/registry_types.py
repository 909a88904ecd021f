"""What the ``type`` of a config stands for, in whatever form it is written.

MMEngine takes a registered name, a name with its scope, the path of a class,
the class itself and, in pure-Python configs, an import that has not run yet.
Nothing else in this package compares a ``type`` with a string.
"""
import warnings
from typing import Any, Mapping, Optional, Tuple

import mmengine.registry
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.model import PretrainedInit
from mmengine.registry import WEIGHT_INITIALIZERS, Registry


def resolve_type(kind: Any,
                 registry: Registry,
                 scope: Optional[str] = None) -> Any:
    """The class or function that a ``type`` stands for.

    Args:
        kind (str | Callable | LazyObject): 'ACDAConv', 'mmengine.ACDAConv',
            'mmacda.layers.ACDAConv', the class, or a pure-Python config's
            import of it.
        registry (Registry): Where a name is looked up, under MMEngine's
            default scope as when something is built.
        scope (str, optional): The ``_scope_`` of the config. Default: None.

    Returns:
        Any: None if the name is not registered, or nothing was given.
    """
    if isinstance(kind, (LazyObject, LazyAttr)):
        kind = kind.build()
    if not isinstance(kind, str):
        return kind
    with registry.switch_scope_and_registry(scope) as found:
        try:
            return found.get(kind)
        except RuntimeError:  # a path that cannot be imported
            return None


def type_of(cfg: Mapping[str, Any],
            registry: Registry,
            default: Any = None) -> Any:
    """:func:`resolve_type` of a config's ``type``, or of ``default``."""
    return resolve_type(cfg.get('type', default), registry, cfg.get('_scope_'))


def is_type(cfg: Mapping[str, Any],
            registry: Registry,
            target: Any,
            default: Any = None) -> bool:
    """Whether a config's ``type`` is what ``target``, in any form, is."""
    kind = type_of(cfg, registry, default)
    return kind is not None and kind is resolve_type(target, registry)


def is_subtype(cfg: Mapping[str, Any], registry: Registry,
               base: type) -> bool:
    """Whether a config's ``type`` is a class derived from ``base``."""
    kind = type_of(cfg, registry)
    return isinstance(kind, type) and issubclass(kind, base)


def type_names(cfg: Mapping[str, Any],
               registry: Registry,
               scope: Optional[str] = None) -> Tuple[str, ...]:
    """Names of a config's class and of its bases, nearest first.

    For what several frameworks have under one name without a common class,
    such as ``LoadImageFromFile``. Of a name that is not registered here, the
    last part.

    Args:
        cfg (Mapping): With a ``type``.
        registry (Registry): Where a name is looked up.
        scope (str, optional): Of the whole config, its ``default_scope``.
            Default: None, the current one.
    """
    kind = resolve_type(cfg['type'], registry, cfg.get('_scope_', scope))
    if isinstance(kind, type):
        return tuple(base.__name__ for base in kind.__mro__)
    name = getattr(kind, '__name__', None) or str(cfg['type'])
    return (name.split('.')[-1], )


def is_pretrained(init_cfg: Any) -> bool:
    """Whether an ``init_cfg``, a dict or a list of them, loads weights."""
    cfgs = init_cfg if isinstance(init_cfg, (list, tuple)) else [init_cfg]
    return any(
        is_subtype(cfg, WEIGHT_INITIALIZERS, PretrainedInit) for cfg in cfgs
        if isinstance(cfg, Mapping))


def plain_init_cfg(init_cfg: Any) -> Any:
    """An ``init_cfg`` whose ``Pretrained`` MMEngine knows as such.

    It loads weights after everything else is initialised if their type is the
    string 'Pretrained' or the class; under a scoped name or a path it would
    load first and initialise the children over it.

    Args:
        init_cfg (dict | Sequence[dict], optional): Is not changed.

    Returns:
        dict | list[dict] | None: The same, of the type 'Pretrained'.
    """
    if isinstance(init_cfg, (list, tuple)):
        return [plain_init_cfg(cfg) for cfg in init_cfg]
    if isinstance(init_cfg, Mapping) and is_type(
            init_cfg, WEIGHT_INITIALIZERS, PretrainedInit):
        return {**init_cfg, 'type': 'Pretrained'}
    return init_cfg


def own_type(package: str, name: str) -> Any:
    """What a package has registered under a name, with a warning.

    MMEngine looks for 'mmacda.ACDAConv' in the package, since there is no
    scope of that name.

    Args:
        package (str): Whose own classes and functions are meant.
        name (str): The registered name.

    Raises:
        AttributeError: If it has registered none of that name.
    """
    for registry in vars(mmengine.registry).values():
        if not isinstance(registry, Registry):
            continue
        found = registry.module_dict.get(name)
        if getattr(found, '__module__', '').startswith(f'{package}.'):
            warnings.warn(
                f"in a config write type='{name}' in place of "
                f"'{package}.{name}': {package} registers its names in "
                "MMEngine's root scope and has no scope of its own",
                stacklevel=3)
            return found
    raise AttributeError(f'module {package!r} has no attribute {name!r}')
