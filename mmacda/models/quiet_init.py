"""Initial weights of a model outside of a Runner."""
import torch.nn as nn
from mmengine.logging import MMLogger


def init_quietly(model: nn.Module) -> None:
    """``init_weights()``, if the model has it, without a line per parameter.

    Outside a Runner, MMEngine would print them.
    """
    if not hasattr(model, 'init_weights'):
        return
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    try:
        model.init_weights()
    finally:
        logger.setLevel(level)
