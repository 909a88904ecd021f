"""A trained model of any framework, from its config and checkpoint."""
import textwrap
from typing import Optional, Union

import torch.nn as nn
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import CheckpointLoader


def load_model(config: Union[str, Config],
               checkpoint: Optional[str] = None,
               device: str = 'cpu') -> BaseModel:
    """Build a config's model for inference.

    mmagic's own ``init_model`` imports all its inferencers, which fails where
    one of their many dependencies does.

    Args:
        config (str | Config): Config, or its file. Its default scope becomes
            the current one.
        checkpoint (str, optional): File or URL. Default: None, untrained.
        device (str): Default: 'cpu'.

    Returns:
        BaseModel: In evaluation mode; its ``cfg`` is the config.

    Raises:
        ValueError: If the checkpoint cannot be read or is of another model.
    """
    cfg = config if isinstance(config, Config) else Config.fromfile(config)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = cfg.model.copy()
    if cfg.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(model)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    model.cfg = cfg
    return model.to(device).eval()


def load_weights(model: nn.Module, checkpoint: str) -> None:
    """Load a checkpoint that fits a model exactly.

    Where MMEngine's ``load_checkpoint`` prints what does not fit and goes on,
    this refuses it.

    Args:
        model (nn.Module): Gets the weights.
        checkpoint (str): File or URL.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the checkpoint cannot be read or is of another model.
    """
    try:
        state = CheckpointLoader.load_checkpoint(
            str(checkpoint), map_location='cpu', logger='silent')
    except (FileNotFoundError, ValueError):
        raise
    except Exception as error:  # whatever unpickling raises
        raise ValueError(
            f'{checkpoint} is not a checkpoint: {_shorten(error)}') from error
    if isinstance(state, dict):
        state = state.get('state_dict', state)
    try:
        model.load_state_dict({
            name[len('module.'):] if name.startswith('module.') else name:
            tensor
            for name, tensor in state.items()
        })
    except (AttributeError, RuntimeError, TypeError) as error:
        raise ValueError(f'{checkpoint} is not a checkpoint of this network: '
                         f'{_shorten(error)}') from error


def _shorten(error: Exception) -> str:
    return textwrap.shorten(str(error), 600)
