"""Reading a config; what is wrong with it is said in one sentence."""
import os.path as osp
import traceback
from typing import Optional, Union

from mmengine.config import Config


class ConfigError(ValueError):
    """A config that cannot be used; the message says where and why."""


def read_config(config: Union[str, Config],
                cfg_options: Optional[dict] = None) -> Config:
    """Read a config file of any framework and merge options into it.

    Args:
        config (str | Config): File, or ``'package::file'`` as MMEngine reads
            it; a config is taken as it is.
        cfg_options (dict, optional): Dotted names and their values. Default:
            None.

    Returns:
        Config: What the file and the options say.

    Raises:
        ConfigError: If it cannot be read, or an option does not fit it.
        FileNotFoundError: If the file or one of its bases does not exist.
        ImportError: If what it imports cannot be imported.
    """
    cfg = config if isinstance(config, Config) else _read(str(config))
    for key, value in (cfg_options or {}).items():
        try:
            cfg.merge_from_dict({key: value})
        except Exception as error:  # whatever the merge runs into
            raise ConfigError(
                f'--cfg-options {key}: {cfg.filename or "the config"} cannot '
                f'take it: {error}') from error
    return cfg


def _read(path: str) -> Config:
    try:
        return Config.fromfile(path)
    except FileNotFoundError as error:
        if error.filename in (None, path):
            raise FileNotFoundError(
                f'there is no config file {path}') from error
        raise FileNotFoundError(f'{path} needs {error.filename}, which does '
                                'not exist') from error
    except ImportError as error:
        # MMEngine's own message is a page: the import path, line by line.
        raise ImportError(f'{path} imports what is not there: '
                          f'{error.__cause__ or error}') from error
    except OSError as error:
        raise ConfigError(
            f'{path} cannot be read as a config: '
            f'{error.strerror or error}') from error
    except Exception as error:  # a config is a program
        raise ConfigError(f'{_place(path, error)}: {type(error).__name__}: '
                          f'{getattr(error, "msg", error)}') from error


def _place(path: str, error: Exception) -> str:
    """The file and line to mend, which may be of a base of the config."""
    if isinstance(error, SyntaxError):
        return _place_of_syntax(path, error)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if osp.isfile(frame.filename) and _is_config(frame.filename):
            return f'{frame.filename}, line {frame.lineno}'
    return path


def _place_of_syntax(path: str, error: SyntaxError) -> str:
    """MMEngine hands Python a text without its file's name."""
    try:
        with open(path, encoding='utf-8') as file:
            compile(file.read(), path, 'exec')
    except (SyntaxError, OSError, ValueError):
        return f'{path}, line {error.lineno}'
    return f'{path}, line {error.lineno} of one of its bases'


def _is_config(filename: str) -> bool:
    """Not of a module that reads, or is imported by, configs."""
    return 'site-packages' not in filename and \
        osp.splitext(filename)[1] == '.py' and not filename.startswith(
            (osp.dirname(__file__), osp.dirname(traceback.__file__)))
