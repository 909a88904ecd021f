"""The options of a model's adaptive layers."""
from typing import Optional, Sequence

from mmengine.registry import MODELS

from ..layers import ACDAConv, AtomGenerator
from ..layers.generator_forms import resolve_generator
from ..registry_types import is_type

PAPER_SCALES = (3, 5, 7)


def resolve_acda_cfg(acda_cfg: Optional[dict],
                     scales: Optional[Sequence[int]] = PAPER_SCALES,
                     form: Optional[str] = None) -> dict:
    """A model's setting, overridden by the user's.

    Args:
        acda_cfg (dict, optional): The user's; a ``type`` other than ACDAConv
            puts that layer in its place, with these options alone.
        scales (Sequence[int], optional): Of the bases, unless the user gives
            bases. Default: (3, 5, 7), as in the paper. None leaves it to the
            layer.
        form (str, optional): Of the layer's own generator, such as 'light',
            where the user's options leave it open. Default: None, which
            leaves it to the layer.
    """
    cfg = dict(type='ACDAConv')
    cfg.update(acda_cfg or {})
    if not is_type(cfg, MODELS, ACDAConv):
        return cfg
    if scales is not None and 'atom_bases' not in cfg:
        cfg.setdefault('scales', scales)
    generator = resolve_generator(cfg.get('atom_generator'))
    if form is not None and is_type(
            generator, MODELS, AtomGenerator, default=AtomGenerator):
        cfg['atom_generator'] = {**resolve_generator(form), **generator}
    return cfg
