"""Atom generators that go by a word."""
import difflib
from typing import Any, Dict, List, Mapping, Optional

# The one place where a word gets its meaning.
GENERATOR_FORMS: Dict[str, dict] = {
    # Pointwise convolutions: the cost that the paper's Table 6 counts. The
    # second one must be pointwise, so that coefficients are made on the fly.
    'light': dict(kernel_size=1),
    # A first convolution that sees a pixel's neighbours; the second as above.
    'medium': dict(kernel_size=(3, 1)),
}
# What takes the place of convolutions where nobody says otherwise: of the
# forms that gained accuracy in docs/evidence.md, the cheapest.
RECOMMENDED_CONV: dict = dict(type='ACDAConv', atom_generator='medium')
CONVS = 'conv1.weight', 'conv2.weight'  # of a generator, in files


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


def tell_form(generator: Any, weights: Mapping[str, Any],
              prefix: str) -> Optional[str]:
    """What to say of a checkpoint of another form, if it is one.

    Args:
        generator (AtomGenerator): The model's.
        weights (Mapping[str, Any]): The checkpoint's.
        prefix (str): Of this generator's names there, with the last dot.
    """
    own = _kernels(dict(generator.named_parameters()), '')
    given = _kernels(weights, prefix)
    if own == given or not len(own) == len(given) == len(CONVS):
        return None
    size = given[0] if given[0] == given[1] else tuple(given)
    options = dict(kernel_size=size)
    words = [word for word, form in GENERATOR_FORMS.items() if form == options]
    meaning = f'dict(kernel_size={size})'
    form = f'{words[0]!r}, which is {meaning},' if words else meaning
    return ('the checkpoint was made with atom generators of '
            f'{_in_words(given)}, but the model has {_in_words(own)}: '
            f'set atom_generator={form} where the config has the options of '
            'ACDAConv (conv_cfg, acda_cfg)')


def _kernels(weights: Mapping[str, Any], prefix: str) -> List[int]:
    """Of both convolutions, or fewer where one is missing or strange."""
    shapes: List[Any] = [
        getattr(weights.get(prefix + name), 'shape', ()) for name in CONVS
    ]
    return [int(shape[-1]) for shape in shapes if len(shape) == 4]


def _in_words(kernels: List[int]) -> str:
    return ' and '.join(f'{k}x{k}' for k in kernels) + ' convolutions'
