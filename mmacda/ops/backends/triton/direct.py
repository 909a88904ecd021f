"""The way of a compiled kernel to the C function that launches it.

Between them Triton makes a runner, metadata for hooks and a launcher in
Python, at each launch anew. What these hand on is constant but for stream and
pointers, so it is recorded once, by handing marks through.
"""
import copy
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

import triton

try:
    from triton import knobs
except ImportError:  # an older one
    knobs = None

Grid = Tuple[int, int, int]


def has_hooks() -> bool:
    """Whether somebody, a profiler say, is to be told of launches."""
    owner = triton.compiler.CompiledKernel if knobs is None else knobs.runtime
    enter, leave = owner.launch_enter_hook, owner.launch_exit_hook
    # A chain of hooks may be an empty one.
    return bool((enter is not None and getattr(enter, 'calls', True)) or
                (leave is not None and getattr(leave, 'calls', True)))


def current_stream() -> int:
    """Triton's, of the current device."""
    active = triton.runtime.driver.active
    return active.get_current_stream(active.get_current_device())


class Direct(NamedTuple):
    """``launch(*before, stream, *after, *addresses, *rest)``.

    What follows ``after`` is one tuple if ``packed``, as in Triton 3.9.
    """
    launch: Callable[..., Any]
    before: tuple
    after: tuple
    packed: bool

    def __call__(self, stream: int, arguments: Sequence[Any]) -> None:
        if self.packed:
            arguments = (arguments, )
        self.launch(*self.before, stream, *self.after, *arguments)


def find_direct(compiled: Any, grid: Grid) -> Optional[Direct]:
    """That of a kernel; None where its launcher is not as it is known."""
    launcher: Any = getattr(compiled, 'run', None)
    attributes = getattr(launcher, '__dict__', {})
    launch = attributes.get('launch')
    # Memory that a launcher takes for a launch is that of no other.
    if launch is None or any(size for name, size in attributes.items()
                             if name.endswith('scratch_size')):
        return None
    found: List[tuple] = []
    stream, argument = object(), object()
    probe = copy.copy(launcher)
    probe.launch = lambda *given: found.append(given)
    try:
        # Without metadata and hooks.
        probe(*grid, stream, compiled.function, compiled.packed_metadata,
              None, None, None, argument)
    except Exception:  # of a launcher that takes other arguments
        return None
    given = found[0] if len(found) == 1 else ()
    if sum(value is stream for value in given) != 1:
        return None
    packed = isinstance(given[-1], tuple)
    last = given[-1] if packed else given[-1:]
    if len(last) != 1 or last[0] is not argument:
        return None
    place = next(n for n, value in enumerate(given) if value is stream)
    before, after = given[:place], given[place + 1:-1]
    known = (compiled.function, compiled.packed_metadata,
             *attributes.values())
    if not all(value is None or isinstance(value, (int, str))
               or any(value is one for one in known)
               for value in (*before, *after)):
        return None
    return Direct(launch, before, after, packed)


class Way:
    """Launches what was compiled, past what finds that out.

    Args:
        compiled (Any): As Triton's compiler returns it.
        grid (tuple): Programs, by axis.
        numbers (Sequence[Any]): What follows the addresses.
        constants (Sequence[Any]): What follows them in newer Tritons.
    """

    def __init__(self, compiled: Any, grid: Grid, numbers: Sequence[Any],
                 constants: Sequence[Any]):
        self._direct = find_direct(compiled, grid)
        self._runner = compiled[grid]
        self._rests = [(*numbers, *constants), tuple(numbers)]

    def launch(self, stream: Optional[int], addresses: List[int]) -> bool:
        """Launch; False if it takes other arguments."""
        direct, rests = self._direct, self._rests
        while rests:
            try:
                if direct is not None and not has_hooks():
                    direct(current_stream() if stream is None else stream,
                           (*addresses, *rests[0]))
                else:
                    self._runner(*addresses, *rests[0], stream=stream)
                return True
            except TypeError:
                rests = self._rests = rests[1:]
        return False
