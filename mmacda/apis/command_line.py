"""The command lines of our tools: one convention for all of them.

A tool takes its model as ``CONFIG CHECKPOINT``, as the frameworks' tools do.
One whose main argument is pictures takes the model as ``--config CONFIG
--checkpoint CHECKPOINT``, which all others understand as well for the time
being. ``--out`` is a file to write, ``--out-dir`` a folder.
"""
import os.path as osp
import re
from argparse import (SUPPRESS, Action, ArgumentParser, ArgumentTypeError,
                      Namespace, RawDescriptionHelpFormatter)
from contextlib import nullcontext
from typing import Any, Iterable, Iterator, NoReturn, Optional, Sequence

import torch
from mmengine.config import DictAction
from rich.console import Console
from rich.progress import track

from ..io.files import check_output, check_output_folder, is_same_file
from .packaged_models import list_models, model_files
from .run_command import MISUSED, module_call
from .run_command import UsageError, run_command  # noqa: F401

MODEL = ('config', 'checkpoint')
REQUIRED, OPTIONAL = 'required', 'optional'


class CommandParser(ArgumentParser):
    """A parser whose help begins with the tool's docstring and example.

    Args:
        doc (str): The tool's docstring.
    """

    def __init__(self, doc: str):
        super().__init__(module_call(), description=doc,
                         formatter_class=RawDescriptionHelpFormatter)

    def format_help(self) -> str:
        """What the tool does and its example, then the usage and the rest."""
        usage, text = self.format_usage(), super().format_help()
        text = text[len(usage):].lstrip('\n')
        doc = f'{(self.description or "").strip()}\n\n'
        return doc + usage + '\n' + text[len(doc):] \
            if text.startswith(doc) else usage + '\n' + text

    def error(self, message: str) -> NoReturn:
        """End with one sentence, where argparse prints the usage first."""
        self.exit(
            MISUSED,
            f'{self.prog}: error: {message} (see {self.prog} --help)\n')

    def parse_args(self, args: Optional[Sequence[str]] = None,
                   namespace: Any = None) -> Namespace:
        """Parsed arguments; ``config`` and ``checkpoint`` exist, and ``out``
        is neither."""
        if not hasattr(self, '_model'):
            parsed = super().parse_args(args, namespace)
            if hasattr(self, '_packaged'):
                self._packaged(parsed)
        else:  # CONFIG after options too
            parsed = self.parse_intermixed_args(args, namespace)
            self._model(parsed)
        for name in MODEL:
            if getattr(parsed, name, None) is not None:
                self._check_file(name, getattr(parsed, name))
                self._keep_file(name, getattr(parsed, name), parsed)
        return parsed

    def add_model(self, checkpoint: str, default: Optional[str]) -> None:
        """CONFIG CHECKPOINT, and --config and --checkpoint for the same."""
        needs = dict(config=OPTIONAL if default else REQUIRED)
        if checkpoint:
            needs['checkpoint'] = checkpoint
        if default == SUPPRESS:
            default = None
        for name in needs:
            self.add_argument(
                name, nargs='?', metavar=name.upper(), help=_help(name))
            self.add_argument(f'--{name}', dest=f'{name}_option',
                              metavar=name.upper(), help=SUPPRESS)

        def resolve(parsed: Namespace) -> None:
            given = [getattr(parsed, name) for name in needs]
            given = [value for value in given if value is not None]
            missing = []
            for name, need in needs.items():
                option = getattr(parsed, f'{name}_option')
                delattr(parsed, f'{name}_option')
                if option is None and given:
                    option = given.pop(0)
                if option is None and need == REQUIRED:
                    missing.append(name.upper())
                setattr(parsed, name, option)
            if given:
                self.error(f'{given[0]} is one argument too many: the '
                           f'{" and the ".join(needs)} are given already')
            if missing:
                self.error('the following arguments are required: '
                           f'{", ".join(missing)}')
            if parsed.config is None:
                parsed.config = default

        self._model = resolve

    def add_packaged(self, task: str) -> None:
        """--config and --checkpoint, or --model for a packaged one."""
        names = list_models(task)
        self.add_argument(
            '--model',
            choices=names,
            help='a trained network that comes with the package; default, '
            f'where there is no --config: {names[0]}')
        for name in MODEL:
            self.add_argument(f'--{name}', help=_help(name))

        def resolve(parsed: Namespace) -> None:
            missing = [name for name in MODEL if getattr(parsed, name) is None]
            if len(missing) == 1:
                self.error('the following arguments are required: '
                           f'--{missing[0]}')
            if not missing and parsed.model is not None:
                self.error('--model is a network of its own: leave out '
                           '--config and --checkpoint, or --model')
            if missing:
                parsed.model = parsed.model or names[0]
                parsed.config, parsed.checkpoint = model_files(parsed.model)

        self._packaged = resolve

    def _check_file(self, name: str, path: str) -> None:
        """Packages' configs and URLs are MMEngine's to find."""
        if '::' in path or '://' in path or osp.isfile(path):
            return
        state = 'is a folder' if osp.isdir(path) else 'does not exist'
        self.error(f'the {name} {path} {state}')

    def _keep_file(self, name: str, path: str, parsed: Namespace) -> None:
        out = getattr(parsed, 'out', None)
        if isinstance(out, str) and osp.isfile(out) \
                and is_same_file(out, path):
            self.error(f'--out {out} is the {name}, which is never replaced: '
                       'choose another name')


def _help(name: str) -> str:
    return dict(
        config='config file of any framework',
        checkpoint='its weights, a file or URL')[name]


def add_model_arguments(parser: CommandParser,
                        checkpoint: str = REQUIRED,
                        default: Optional[str] = None) -> None:
    """Add CONFIG CHECKPOINT, which ``--config --checkpoint`` name as well.

    Args:
        parser (CommandParser): Of a tool whose main argument is a model.
        checkpoint (str): 'required', 'optional', or '' for a tool that takes
            none. Default: 'required'.
        default (str, optional): Config if none is given; ``SUPPRESS`` for a
            tool that does without. Default: None, one is required.
    """
    parser.add_model(checkpoint, default)


def add_model_options(parser: ArgumentParser,
                      checkpoint: str = REQUIRED,
                      task: Optional[str] = None) -> None:
    """Add ``--config`` and ``--checkpoint``, for tools that take pictures.

    Args:
        parser (ArgumentParser): Of the tool; with a task, a CommandParser.
        checkpoint (str): 'required' or 'optional'. Default: 'required'.
        task (str, optional): Of :func:`mmacda.apis.list_models`, whose
            packaged networks ``--model`` names; the first one serves where
            nothing is given. Default: None, one is required.
    """
    if task is not None:
        parser.add_packaged(task)
        return
    parser.add_argument('--config', required=True, help=_help('config'))
    parser.add_argument('--checkpoint', required=checkpoint == REQUIRED,
                        help=_help('checkpoint'))


_DICT = re.compile(r'\bdict\(|\{')


class _ConfigOptions(DictAction):
    """MMEngine's, which ends in a traceback without an equals sign.

    Of a dict it makes a list of strings or recurses without an end.
    """

    def __call__(self, parser: ArgumentParser, namespace: Namespace,
                 values: Any, option_string: Optional[str] = None) -> None:
        for value in values:
            if not value.partition('=')[0] or '=' not in value:
                parser.error(f'{option_string} takes KEY=VALUE, but got '
                             f'{value!r}')
            key, _, entry = value.partition('=')
            if _DICT.search(entry):
                parser.error(
                    f'{option_string} {key} takes numbers, strings, lists and '
                    f'tuples, but got {entry!r}: give the entries of a dict '
                    f'one by one, as in {key}.type=NAME')
        try:
            super().__call__(parser, namespace, values, option_string)
        except Exception as error:  # brackets that do not close
            parser.error(f'{option_string}: {error or values}')


def add_cfg_options(parser: ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_ConfigOptions,
        metavar='KEY=VALUE',
        help='override entries of the config, for instance '
        'train_cfg.max_epochs=2 or "model.backbone.out_indices=(2, 3)"')


def add_device_argument(parser: ArgumentParser,
                        default: Optional[str] = None) -> Action:
    """Add ``--device``; without a default, the best that there is."""
    return parser.add_argument(
        '--device',
        type=device,
        default=default,
        help='such as cpu or cuda:1; default: '
        f'{default or "the best that there is"}')


def device(text: str) -> str:
    """The name of a device that can be computed on; a type of argparse."""
    try:
        device = torch.device(text)
    except RuntimeError:
        raise ArgumentTypeError(f'there is no device {text!r}: take cpu, '
                                'cuda, or one of several as cuda:1') from None
    if device.type == 'cpu':
        return text
    module = getattr(torch, device.type, None)
    count = module.device_count() if module is not None and hasattr(
        module, 'device_count') and module.is_available() else 0
    if device.type == 'mps' and torch.backends.mps.is_available():
        count = 1
    if (device.index or 0) >= count:
        raise ArgumentTypeError(
            f'PyTorch finds {count or "no"} {device.type} device'
            f'{"s" if count > 1 else ""} here, so not {text}: take cpu')
    return text


def positive_int(text: str) -> int:
    """A whole number from 1 on; a type of argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f'must be a whole number of at least 1, not '
                                f'{text!r}')
    return number


def output_file(text: str) -> str:
    """A file that can be written, before any work; a type of argparse."""
    try:
        check_output(text)
    except OSError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def output_folder(text: str) -> str:
    """A folder that can be written into; a type of argparse."""
    try:
        check_output_folder(text)
    except OSError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def status(text: str) -> Any:
    """A context with a line on the standard error while it is a terminal."""
    console = Console(stderr=True)
    return console.status(text) if console.is_terminal else nullcontext()


def progress(items: Iterable, what: str,
             total: Optional[int] = None) -> Iterator:
    """The items, with a bar on the standard error while it is a terminal."""
    console = Console(stderr=True)
    return track(items, what, total, console=console, transient=True,
                 disable=not console.is_terminal)
