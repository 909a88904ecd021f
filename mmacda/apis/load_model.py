"""A trained model of any framework, from its config and checkpoint."""
import textwrap
from typing import Optional, Union

import torch.nn as nn
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from ..checkpoints import load_checkpoint
from ..models.replace_convs import init_quietly


def build_model(cfg: Config) -> nn.Module:
    """The model of a config of any framework, without its weights.

    Raises:
        ValueError: If the config has no model.
    """
    if 'model' not in cfg:
        raise ValueError(f'{cfg.filename or "the config"} has no model')
    model = dict(cfg.model)
    if cfg.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    scope = cfg.get('default_scope', 'mmengine')
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(model)


def load_model(config: Union[str, Config],
               checkpoint: Optional[str] = None,
               device: str = 'cpu',
               cfg_options: Optional[dict] = None) -> nn.Module:
    """Build a config's model for inference.

    mmagic's own ``init_model`` imports all its inferencers, which fails where
    one of their many dependencies does.

    Args:
        config (str | Config): Config of any framework.
        checkpoint (str, optional): File or URL; it has to fit. Default: None,
            what the config initialises with.
        device (str): Default: 'cpu'.
        cfg_options (dict, optional): Overrides of the config. Default: None.

    Returns:
        nn.Module: In evaluation mode; its ``cfg`` is the config.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If the config has no model, or the checkpoint cannot be
            read or is of another model.
    """
    cfg = config if isinstance(config, Config) else Config.fromfile(config)
    if cfg_options is not None:
        cfg.merge_from_dict(cfg_options)
    model = build_model(cfg)
    if checkpoint is None:
        init_quietly(model)
    else:
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
        state = load_checkpoint(str(checkpoint))
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
