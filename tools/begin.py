"""What a tool does before its other imports, which take seconds.

Ctrl-C during them is one line and exit code 130, as it is later on by
``run_command``; warnings that no user of a tool can act on are left out. Only
tools import this: mmacda itself changes neither.
"""
import os
import os.path as osp
import sys
import warnings

INTERRUPTED = 130
# Category, and how the message begins: of packages about one another.
NOBODYS_WARNINGS = (
    # setuptools of mmengine 0.10, transformers and diffusers of PyTorch.
    (UserWarning, 'pkg_resources is deprecated as an API'),
    (FutureWarning, r'`torch\.utils\._pytree\._register_pytree_node`'),
    (FutureWarning, r'Importing from timm\.'),
    (FutureWarning, r'You are using `torch\.load` with `weights_only=False`'),
    (FutureWarning, r'`torch\.cuda\.amp\.'),
    # mmcv-lite of what is not used.
    (UserWarning, 'Fail to import ``MultiScaleDeformableAttention``'),
    # PyTorch of what mmengine's, mmpretrain's and mmagic's code calls.
    (UserWarning, r'torch\.meshgrid: in an upcoming release'),
    (UserWarning, "'pin_memory' argument is set as true but no accelerator"),
)


def is_wanted(name: str) -> bool:
    """Whether an environment variable switches something on."""
    return os.environ.get(name, '').strip().lower() not in (
        '', '0', 'no', 'off', 'false')


def end_in_one_line(kind, error, traceback) -> None:
    """An interpreter's last word on an exception."""
    if not issubclass(kind, KeyboardInterrupt) or is_wanted(
            'MMACDA_TRACEBACK'):
        sys.__excepthook__(kind, error, traceback)
        return
    name = osp.basename(sys.argv[0] or 'python')
    print(f'\n{name}: stopped by Ctrl-C', file=sys.stderr, flush=True)
    # Python would end itself by the signal, after a traceback.
    os._exit(INTERRUPTED)


sys.excepthook = end_in_one_line
for category, beginning in NOBODYS_WARNINGS:
    warnings.filterwarnings('ignore', beginning, category)
