"""Models of mmagic, registered without importing it.

MMEngine builds functions as well as classes: each function here imports its
class when a config asks for it.
"""
from typing import Any

from mmengine.registry import MODELS


@MODELS.register_module()
def VariationalDenoiser(*args: Any, **kwargs: Any) -> Any:
    """Build :class:`.variational_denoiser.VariationalDenoiser`, which see for
    the arguments.

    Raises:
        ImportError: If mmagic is missing.
    """
    try:
        import mmagic  # noqa: F401
    except ImportError as error:
        raise ImportError('VariationalDenoiser is a model of mmagic: '
                          "pip install 'mmacda[mmagic]'") from error
    from .variational_denoiser import VariationalDenoiser as Model
    return Model(*args, **kwargs)
