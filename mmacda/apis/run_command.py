"""How every command ends: exit codes, and which errors are one sentence."""
import linecache
import os
import os.path as osp
import re
import select
import sys
import textwrap
from argparse import ArgumentParser, Namespace
from typing import Any, Callable, List, NoReturn, Optional, Tuple

import torch

from .read_config import ConfigError

FAILED, MISUSED = 1, 2
INTERRUPTED, NO_READER = 130, 141  # as shells report SIGINT and SIGPIPE
# Set to anything else, every error keeps its traceback.
OFF = ('', '0', 'no', 'off', 'false')
TRACEBACK = 'MMACDA_TRACEBACK'

PACKAGE = osp.dirname(osp.dirname(osp.abspath(__file__)))
OURS = (osp.join(PACKAGE, ''), osp.join(osp.dirname(PACKAGE), 'tools', ''))
# What these say is about the config; inside the loops, it is about the work.
BUILDERS = ('mmengine/registry/', 'mmengine/config/',
            'mmengine/runner/runner.py')
STEPS = ('run_iter', 'train_step', 'val_step', 'test_step')
OUT_OF_MEMORY = (MemoryError, torch.cuda.OutOfMemoryError)


class UsageError(ValueError):
    """Options that cannot be used together, or with this config."""


def run_command(parser: ArgumentParser,
                command: Callable[[Namespace], Any],
                args: Optional[Namespace] = None) -> None:
    """Run a command, and end the process as all our commands do.

    What the user can mend is one sentence on the standard error: exit code 2
    where the command line or the config cannot be used, 1 where the work
    failed. Ctrl-C is one line and 130; a reader that left, as in
    ``| head``, is silent, and 141. Any other error keeps its traceback, and
    so does every one where ``MMACDA_TRACEBACK`` is set to 1.

    Args:
        parser (ArgumentParser): Of the command line.
        command (Callable): Gets the parsed arguments.
        args (Namespace, optional): Of a command line that has been parsed.
            Default: None.

    Raises:
        SystemExit: With the exit code, if it is not 0.
    """
    try:
        command(parser.parse_args() if args is None else args)
        if sys.stdout is not None:  # closed by the caller, as by >&-
            sys.stdout.flush()
    except KeyboardInterrupt:
        _end(f'\n{parser.prog}: stopped by Ctrl-C', INTERRUPTED)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_left():
            sys.exit(NO_READER)
        code = exit_code(error)
        if code is None or os.environ.get(
                TRACEBACK, '').strip().lower() not in OFF:
            raise
        _end(f'{parser.prog}: error: {sentence(error)}', code)


def module_call() -> Optional[str]:
    """How a package is called that is run by ``python -m``, else None.

    argparse before Python 3.14 calls them all ``__main__.py``.
    """
    spec = getattr(sys.modules['__main__'], '__spec__', None)
    if spec is None or osp.basename(sys.argv[0]) != '__main__.py':
        return None
    return f'python -m {spec.parent}'


def _end(line: str, code: int) -> NoReturn:
    print(line, file=sys.stderr, flush=True)
    sys.exit(code)


def _reader_left() -> bool:
    """Whether it is the standard output that nobody reads any more."""
    try:
        output = sys.stdout.fileno()
        poll = select.poll()
        poll.register(output, 0)  # errors alone
        left = bool(poll.poll(0))
    except (AttributeError, OSError, ValueError):  # Windows, or no file
        return False
    if left:
        # What is buffered must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return left


def exit_code(error: Exception) -> Optional[int]:
    """2 or 1 for what the user can mend, None for what nobody expected."""
    if isinstance(error, (UsageError, ConfigError)):
        return MISUSED
    if isinstance(error, (OSError, ImportError, *OUT_OF_MEMORY)):
        return FAILED
    frames = _frames(error)
    if _is_told(error, frames):
        return FAILED
    if not any(name in STEPS for _, _, name in frames):
        config = any(
            part in filename.replace(os.sep, '/')
            for filename, _, _ in frames for part in BUILDERS)
        if config and isinstance(
                error, (AssertionError, KeyError, RuntimeError, TypeError,
                        ValueError)) or _lacks(error):
            return MISUSED
        if isinstance(error, ValueError):
            return FAILED
    return None


def _lacks(error: Exception) -> Optional[str]:
    """The entry that code looked for in a config and did not find."""
    found = re.match(r"'ConfigDict' object has no attribute '(.+)'$",
                     str(error))
    return found[1] if found and isinstance(error, AttributeError) else None


def _frames(error: Exception) -> List[Tuple[str, int, str]]:
    """File, line number and function, from the outermost on."""
    frames, tb = [], error.__traceback__
    while tb is not None:
        code = tb.tb_frame.f_code
        frames.append((code.co_filename, tb.tb_lineno, code.co_name))
        tb = tb.tb_next
    return frames


def _is_told(error: Exception, frames: List[Tuple[str, int, str]]) -> bool:
    """Whether our code raises it, and not what it calls.

    A data loader's worker hands its traceback over as text.
    """
    remote = re.findall(r'File "(.+?)", line \d+, in .+\n +(.+)', str(error))
    if remote:
        filename, line = remote[-1]
    elif frames:
        filename, number, _ = frames[-1]
        line = linecache.getline(filename, number)
    else:
        return False
    return osp.abspath(filename).startswith(OURS) and \
        line.strip().startswith('raise')


def sentence(error: Exception) -> str:
    """What an error says, in one line."""
    text = str(error)
    if _lacks(error):
        text = f'the config has no entry {_lacks(error)}'
    elif isinstance(error, KeyError) and error.args:
        text = str(error.args[0])  # without quotation marks
        if text.startswith('Cannot find None '):
            text = text.replace('None', _missing_layer(error), 1)
    elif _empty_dataset(error):
        text = _empty_dataset(error)
    elif text.startswith('`epoch_length` must be a positive integer'):
        text = ('an epoch has no step: there are fewer training samples than '
                'train_dataloader.batch_size, and drop_last drops them')
    elif isinstance(error, OSError) and error.strerror and error.filename:
        text = f'{error.filename}: {error.strerror}'
    elif isinstance(error, OUT_OF_MEMORY):
        text = 'there is not enough memory: ' + (text or 'take smaller pieces')
    # A worker's traceback: the message follows the last frame.
    text = re.split(r'\n(?:[\w.]+): (?!.*\n  File )', text)[-1] \
        if 'Original Traceback' in text else text
    return textwrap.shorten(text or type(error).__name__, 1000)


def _empty_dataset(error: Exception) -> str:
    """Of which data set MMEngine joined the samples, where there are none."""
    tb = error.__traceback__
    while tb is not None:
        found = tb.tb_frame.f_locals.get('self')
        if tb.tb_frame.f_code.co_name == '_serialize_data' and \
                not getattr(found, 'data_list', True):
            named = ', '.join(
                f'{key}={getattr(found, key)!r}'
                for key in ('data_root', 'data_prefix', 'ann_file')
                if getattr(found, key, None))
            return (f'the data set {type(found).__name__} has no sample: '
                    f'nothing fits {named or "its arguments"}')
        tb = tb.tb_next
    return ''


def _missing_layer(error: Exception) -> str:
    """The type that mmcv's builders looked for, where they say None."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return 'None' if tb is None else repr(
        tb.tb_frame.f_locals.get('layer_type'))
