"""Imports mmacda, all of it, then its patches; prints what each changed."""
import atexit
import contextlib
import importlib
import json
import logging
import os
import pkgutil
import random
import signal
import sys
import threading
import warnings

import mmcv.cnn  # noqa: F401
import mmengine.fileio.backends.registry_utils as fileio
import mmengine.registry
import numpy
import torch
from mmengine.fileio import FileClient
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope, Registry
from mmengine.runner import CheckpointLoader


def registries():
    found, waiting = {}, [
        r for r in vars(mmengine.registry).values() if isinstance(r, Registry)]
    while waiting:
        registry = waiting.pop()
        for child in registry.children.values():
            waiting.append(child)
        for name, item in registry.module_dict.items():
            key = f'registry {registry.scope}.{registry.name}.{name}'
            found[key] = item
    return found


def snapshot():
    """What must stay, by name; ours is what is defined in mmacda."""
    found = registries()
    found.update((f'backend {k}', v) for k, v in fileio.backends.items())
    found.update((f'prefix {k!r}', v)
                 for k, v in fileio.prefix_to_backends.items())
    found.update((f'scheme {k!r}', v)
                 for k, v in CheckpointLoader._schemes.items())
    found['load_checkpoint'] = CheckpointLoader.__dict__['load_checkpoint']
    found.update((f'client {k}', v) for k, v in FileClient._backends.items())
    for name in ('load', 'save'):
        found[f'torch.{name}'] = getattr(torch, name)
    if hasattr(torch.serialization, 'get_safe_globals'):
        found.update((f'safe {x}', x)
                     for x in torch.serialization.get_safe_globals())
    found.update((f'environment {k}', v) for k, v in os.environ.items())
    found.update((f'signal {s}', signal.getsignal(s))
                 for s in signal.valid_signals())
    for logger in (logging.root, *map(logging.getLogger,
                                      logging.root.manager.loggerDict)):
        if not logger.name.startswith('mmacda'):
            found[f'logger {logger.name}'] = (
                logger.level, logger.disabled, len(logger.handlers),
                len(logger.filters))
    found.update({
        'warnings': repr(warnings.filters),
        'showwarning': warnings.showwarning,
        'excepthook': sys.excepthook,
        'path': tuple(sys.path),
        'meta_path': tuple(map(str, sys.meta_path)),
        'path_hooks': len(sys.path_hooks),
        'atexit': atexit._ncallbacks(),
        'threads': threading.active_count(),
        'recursion': sys.getrecursionlimit(),
        'dtype': torch.get_default_dtype(),
        'torch threads': (torch.get_num_threads(),
                          torch.get_num_interop_threads()),
        'cudnn': (torch.backends.cudnn.benchmark,
                  torch.backends.cudnn.deterministic,
                  torch.backends.cudnn.allow_tf32),
        'matmul': torch.get_float32_matmul_precision(),
        'deterministic': torch.are_deterministic_algorithms_enabled(),
        'grad': torch.is_grad_enabled(),
        'cuda': torch.cuda.is_initialized(),
        'torch random': torch.get_rng_state().numpy().tobytes(),
        'numpy random': repr(numpy.random.get_state()),
        'numpy errors': repr(numpy.geterr()),
        'numpy print': repr(numpy.get_printoptions()),
        'random': random.getstate(),
        'scope': repr(DefaultScope._instance_dict),
        'loggers': repr(MMLogger._instance_dict),
        'hubs': repr(MessageHub._instance_dict),
        'umask': os.umask(0o022) == os.umask(0o022),
        'folder': os.getcwd(),
    })
    return found


def compare(before, after):
    """What was changed, and what was added that is not ours."""
    changed = [k for k, v in before.items()
               if k not in after or not (after[k] is v or after[k] == v)]
    foreign = [k for k in after.keys() - before.keys()
               if not getattr(after[k], '__module__', '').startswith('mmacda')]
    return changed, foreign, sorted(after.keys() - before.keys())


def import_all():
    import mmacda
    for module in pkgutil.walk_packages(mmacda.__path__, 'mmacda.'):
        if module.name != 'mmacda.patches':
            __import__(module.name)


def import_others():
    """Packages of others that ours import: theirs to answer for."""
    receiver, sender = os.pipe()
    if not os.fork():
        import_all()
        with open(sender, 'w') as file:
            json.dump([n for n in sys.modules if not n.startswith('mmacda')],
                      file)
        os._exit(0)
    os.close(sender)
    with open(receiver) as file:
        names = json.load(file)
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def main():
    import_others()
    before, report = snapshot(), []
    importlib.import_module('mmacda')
    report.append(compare(before, snapshot()))
    import_all()
    report.append(compare(before, snapshot()))
    importlib.import_module('mmacda.patches')
    report.append(compare(before, snapshot()))
    print(json.dumps(report))


if __name__ == '__main__':
    main()
