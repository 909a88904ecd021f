"""Atom generators that go by a word."""
import difflib
from typing import Any, Dict

# The one place where a word gets its meaning.
GENERATOR_FORMS: Dict[str, dict] = {
    # Pointwise convolutions: the cost that the paper's Table 6 counts. The
    # second one must be pointwise, so that coefficients are made on the fly.
    'light': dict(kernel_size=1),
    # A first convolution that sees a pixel's neighbours; the second as above.
    'medium': dict(kernel_size=(3, 1)),
}
# What takes the place of convolutions where nobody says otherwise.
LIGHT_CONV: dict = dict(type='ACDAConv', atom_generator='light')


def resolve_generator(atom_generator: Any) -> dict:
    """Options of an atom generator, of a word or a dict.

    Args:
        atom_generator (dict | str, optional): None means no options.

    Raises:
        TypeError: If it is neither.
        ValueError: If the word is unknown.
    """
    if atom_generator is None:
        return {}
    if isinstance(atom_generator, str):
        if atom_generator not in GENERATOR_FORMS:
            near = difflib.get_close_matches(
                atom_generator, GENERATOR_FORMS, n=1)
            hint = f'; did you mean {near[0]!r}?' if near else ''
            raise ValueError(
                f'atom_generator={atom_generator!r} is unknown; supported are '
                f'{", ".join(map(repr, GENERATOR_FORMS))} and a dict such as '
                f'dict(kernel_size=3){hint}')
        return dict(GENERATOR_FORMS[atom_generator])
    if not isinstance(atom_generator, dict):
        raise TypeError(
            'atom_generator must be a dict such as dict(kernel_size=3), or '
            f'{" or ".join(map(repr, GENERATOR_FORMS))}, but got '
            f'{atom_generator!r}')
    return dict(atom_generator)
