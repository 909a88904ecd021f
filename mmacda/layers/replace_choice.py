"""Which convolutions of a model are replaced, and why others are not."""
import difflib
import re
from collections import Counter
from typing import Any, List, Optional

import torch.nn as nn
from mmcv.cnn.bricks.wrappers import Conv2d as EmptyInputConv2d
from torch.nn.utils.parametrize import is_parametrized

# What reads an image (grey, RGB, RGB-D), and is therefore a stem.
MAX_IMAGE_CHANNELS = 4


def compile_patterns(option: str, patterns: Any, names: List[str]) -> list:
    """Compiled regular expressions, each of which matches a name.

    Raises:
        TypeError: If they are neither a string nor a list of them.
        ValueError: If one is not valid or matches no name.
    """
    if patterns is None:
        return []
    if isinstance(patterns, (str, re.Pattern)):
        patterns = [patterns]
    if not isinstance(patterns, (list, tuple)) or not all(
            isinstance(p, (str, re.Pattern)) for p in patterns):
        raise TypeError(f'{option} must be a regular expression or a list of '
                        f'them, but got {patterns!r}')
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise ValueError(f'{option}={pattern!r} is not a regular '
                             f'expression: {error}') from None
        if not any(compiled[-1].search(name) for name in names):
            near = difflib.get_close_matches(
                compiled[-1].pattern, names, n=5, cutoff=0.3) or names[:5]
            raise ValueError(
                f'{option}={pattern!r} matches none of the {len(names)} '
                'convolutions of the model'
                f'{"; near names are " if near else ""}{", ".join(near)}')
    return compiled


def why_impossible(conv: nn.Conv2d, owners: Counter) -> Optional[str]:
    """Why no adaptive layer can take its place, or None."""
    height, width = conv.kernel_size
    if is_parametrized(conv) or 'weight' not in conv._parameters:
        return 'its weight is parametrized (weight norm, pruning, ...)'
    if type(conv) not in (nn.Conv2d, EmptyInputConv2d):
        return f'{type(conv).__name__} is a Conv2d of its own kind'
    if owners[id(conv.weight)] > 1:
        return 'it shares its weight with another module'
    if height != width or height % 2 == 0:
        return 'its kernel is not square and odd'
    if height == 1:
        return '1 x 1 has no spatial pattern to adapt'
    return None


def why_unwanted(conv: nn.Conv2d, aliases: List[str], include: list,
                  exclude: list, predicate: Any) -> Optional[str]:
    """Why the user does not want it replaced, or None."""

    def matches(patterns: list) -> bool:
        return any(p.search(name) for p in patterns for name in aliases)

    if include and not matches(include):
        return 'not included'
    if matches(exclude):
        return 'excluded'
    if not include and conv.in_channels <= MAX_IMAGE_CHANNELS:
        return f'stem (reads {conv.in_channels} channels)'
    if not include and not conv.weight.requires_grad:
        return 'frozen'
    if predicate is not None and not predicate(aliases[0], conv):
        return 'the predicate is false'
    return None
