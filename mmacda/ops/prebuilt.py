"""C kernels that a wheel brings, for generations of x86-64 CPUs or for ARM.

``setup.py`` fills the folder where a C compiler is at hand. It imports this
module without PyTorch.
"""
import ctypes
import hashlib
import logging
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence

from .compiler import compile_library

NATIVE = Path(__file__).parent / 'backends' / 'native'
SOURCES, FOLDER = NATIVE / 'csrc', NATIVE / 'prebuilt'
# By Python's name of a platform its levels, best first: the flags that each
# adds, as Linux names them.
LEVELS: Dict[str, Dict[str, str]] = {
    'linux-x86_64': {  # the psABI's
        'x86-64-v4': 'avx512f avx512bw avx512cd avx512dq avx512vl',
        'x86-64-v3': 'avx avx2 bmi1 bmi2 f16c fma abm movbe xsave',
        'x86-64-v2': 'cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2',
    },
    # Linux runs on no 64-bit ARM CPU without vectors, fused products and
    # conversions of float16, and later generations' instructions are not used:
    # of the code for armv8.6-a only the counters of team.h differ.
    'linux-aarch64': {
        'armv8-a': '',
    },
}

logger = logging.getLogger('mmacda')


class Found(NamedTuple):
    """A library that serves, or the reason why none does."""
    path: Optional[Path]
    why: str


def digest_sources(folder: Path = SOURCES) -> str:
    """Differs for other sources."""
    key = hashlib.sha256()
    for source in sorted(folder.iterdir()):
        key.update(source.name.encode() + source.read_bytes())
    return key.hexdigest()[:24]


def name_library(level: str, content: bytes) -> str:
    """Of the sources and of the file itself, so that both can be verified."""
    return (f'native-{level}-{digest_sources()}-'
            f'{hashlib.sha256(content).hexdigest()}.so')


def read_cpu_flags() -> FrozenSet[str]:
    """What the CPU understands, as Linux names it; empty elsewhere."""
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            return parse_cpu_flags(file.read())
    except OSError:
        return frozenset()


def parse_cpu_flags(cpuinfo: str) -> FrozenSet[str]:
    """Of the first CPU in the text of ``/proc/cpuinfo``, x86's or ARM's."""
    for line in cpuinfo.splitlines():
        if line.startswith(('flags', 'Features')):
            return frozenset(line.split(':', 1)[1].split())
    return frozenset()


def all_levels() -> Dict[str, str]:
    """Those of the platform that Python, or a wheel in the making, is for.

    ``_PYTHON_HOST_PLATFORM`` names another one, as for all of Python's builds.
    """
    if sys.maxsize < 2**32:  # a 32-bit Python under a 64-bit Linux
        return {}
    return LEVELS.get(sysconfig.get_platform(), {})


def fitting_levels(flags: FrozenSet[str]) -> List[str]:
    """Levels that a CPU with these flags runs, best first."""
    needed: set = set()
    fitting: List[str] = []
    for level, added in reversed(list(all_levels().items())):
        needed.update(added.split())
        if needed <= flags:
            fitting.insert(0, level)
    return fitting


def find_prebuilt(folder: Optional[Path] = None) -> Found:
    """The best library that this CPU runs.

    One of other sources, or that is not whole, is passed by. So is one that
    this system cannot load, as where its C library is older.
    """
    paths = sorted((folder or FOLDER).glob('native-*.so'))
    if not paths:
        return Found(None, 'this installation brings none')
    levels = fitting_levels(read_cpu_flags())
    if not levels:
        return Found(None, 'none is for this CPU')
    faults = []
    for level in levels:
        for path in paths:
            if path.name.startswith(f'native-{level}-'):
                fault = _find_fault(path, level)
                if fault is None:
                    return Found(path, f'it is for {level}')
                logger.warning('%s %s', path, fault)
                faults.append(f'{level} {fault}')
    return Found(None, '; '.join(faults) or 'none is for this CPU')


def _find_fault(path: Path, level: str) -> Optional[str]:
    try:
        if path.name != name_library(level, path.read_bytes()):
            return 'is damaged, or of other sources'
        ctypes.CDLL(str(path))
    except OSError as error:
        return f'cannot be loaded ({error})'
    return None


def compile_prebuilt(compiler: Sequence[str], folder: Path) -> List[Path]:
    """Compile the kernels for every level.

    Raises:
        BuildError: If the compiler fails; the folder is then left empty.
    """
    with tempfile.TemporaryDirectory() as temporary:
        targets = {level: Path(temporary, f'{level}.so')
                   for level in all_levels()}
        with ThreadPoolExecutor() as pool:
            list(pool.map(partial(_compile, compiler), *zip(
                *targets.items())))
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for level, target in targets.items():
            content = target.read_bytes()
            paths.append(folder / name_library(level, content))
            paths[-1].write_bytes(content)
        return paths


def _compile(compiler: Sequence[str], level: str, target: Path) -> None:
    # -s leaves out what only a debugger reads.
    compile_library(compiler, SOURCES / 'native.c', str(target),
                    ((f'-march={level}', '-s'), ))
