"""A trained model of any framework, from its config and checkpoint."""
from typing import Optional

from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint


def load_model(config: str,
               checkpoint: Optional[str] = None,
               device: str = 'cpu') -> BaseModel:
    """Build a config's model for inference.

    mmagic's own ``init_model`` imports all its inferencers, which fails where
    one of their many dependencies does.

    Args:
        config (str): Config file. Its default scope becomes the current one.
        checkpoint (str, optional): File or URL. Default: None, untrained.
        device (str): Default: 'cpu'.

    Returns:
        BaseModel: In evaluation mode; its ``cfg`` is the config.
    """
    cfg = Config.fromfile(config)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = cfg.model
    if 'data_preprocessor' in cfg:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(model)
    if checkpoint is not None:
        load_checkpoint(model, checkpoint, map_location='cpu')
    model.cfg = cfg
    return model.to(device).eval()
