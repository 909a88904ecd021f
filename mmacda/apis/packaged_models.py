"""Small trained networks that come with the package, by name."""
import os
import os.path as osp
import re
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Tuple, Union

from mmengine.config import Config

from .model_hub import metadata_root

FOLDER = Path(__file__).resolve().parents[1] / 'packaged'
RESTORATION, COUNTING = 'restoration', 'counting'
# A name as opposed to a file or a package's config.
NAME = re.compile(r'[\w-]+')


class PackagedModel(NamedTuple):
    """A network of the package.

    Attributes:
        task (str): 'restoration' or 'counting'.
        purpose (str): What it does, in a few words.
    """
    task: str
    purpose: str


# The config of each is configs/packaged/<name>.py; its weights and its card,
# <name>.pth and <name>.md, are in FOLDER. The first of a task is the task's
# default.
MODELS: Dict[str, PackagedModel] = {
    'photo-denoiser': PackagedModel(
        RESTORATION, 'removes noise from photographs'),
    'photo-enlarger-x2': PackagedModel(
        RESTORATION, 'makes photographs twice as wide and high'),
    'blood-cell-counter': PackagedModel(
        COUNTING, 'counts red cells in microscope pictures of blood'),
}
Given = Union[str, os.PathLike, Config, None]


def list_models(task: Optional[str] = None) -> Tuple[str, ...]:
    """Names of the trained networks that come with the package.

    :class:`mmacda.apis.RestorationInferencer` and
    :class:`mmacda.apis.CrowdCountingInferencer` take them in place of a
    config and a checkpoint. What each was trained with, what it reaches and
    what it is not for says its card, :func:`model_card`.

    Args:
        task (str, optional): 'restoration' or 'counting'. Default: None, all.

    Returns:
        Tuple[str, ...]: The task's default comes first.

    Raises:
        ValueError: If there is no such task.

    Example:
        >>> from mmacda.apis import list_models
        >>> list_models('counting')
        ('blood-cell-counter',)
    """
    tasks = sorted({model.task for model in MODELS.values()})
    if task is not None and task not in tasks:
        raise ValueError(f'task must be one of {", ".join(tasks)}, but got '
                         f'{task!r}')
    return tuple(name for name, model in MODELS.items()
                 if task in (None, model.task))


def model_card(name: str) -> str:
    """The Markdown text about a packaged network.

    Args:
        name (str): One of :func:`list_models`.

    Raises:
        ValueError: If there is no such network.
    """
    _check(name)
    return (FOLDER / f'{name}.md').read_text(encoding='utf-8')


def model_files(name: str, task: Optional[str] = None) -> Tuple[str, str]:
    """Config and checkpoint of a packaged network.

    Args:
        name (str): One of :func:`list_models`.
        task (str, optional): What it must be for. Default: None, anything.

    Returns:
        Tuple[str, str]: Paths of the two.

    Raises:
        FileNotFoundError: If the package is not whole.
        ValueError: If there is no such network, or it is for another task.
    """
    _check(name, task)
    files = (metadata_root() / 'configs' / 'packaged' / f'{name}.py',
             FOLDER / f'{name}.pth')
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(
                f'{path} of the packaged model {name} is missing: install '
                'mmacda from a wheel or a full checkout')
    return str(files[0]), str(files[1])


def resolve_model(config: Given, checkpoint: Union[str, os.PathLike, None],
                  task: str) -> Tuple[Union[str, Config], Optional[str]]:
    """Config and checkpoint of what an inferencer was given.

    Args:
        config (str | PathLike | Config, optional): Of a model, or the name of
            a packaged one. None stands for the default of the task.
        checkpoint (str | PathLike, optional): Its weights. Default of a
            packaged model: its own.
        task (str): What the inferencer does.

    Returns:
        tuple[str | Config, str | None]: As they are, unless the config is
        None or a name.

    Raises:
        ValueError: If the name is of no packaged model or of one for another
            task, or there is a checkpoint alone.
    """
    weights = None if checkpoint is None else os.fspath(checkpoint)
    if config is None:
        if weights is not None:
            raise ValueError(f'the checkpoint {weights} needs its config')
        return model_files(list_models(task)[0])
    if isinstance(config, Config):
        return config, weights
    config = os.fspath(config)
    if osp.exists(config) or not NAME.fullmatch(config):
        return config, weights
    path, own = model_files(config, task)
    return path, own if weights is None else weights


def _check(name: str, task: Optional[str] = None) -> None:
    if name not in MODELS:
        raise ValueError(
            f'{name!r} is neither a file nor a packaged model: the packaged '
            f'models are {", ".join(list_models(task))}')
    if task not in (None, MODELS[name].task):
        raise ValueError(
            f'{name} is for {MODELS[name].task}, not for {task}: take '
            f'{" or ".join(list_models(task))}')
