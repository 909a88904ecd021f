"""Set up a virtual environment of this project, by its flavour.

    python3.11 tools/dev/environment.py full
    python3.11 tools/dev/environment.py torch --torch 2.13.0
    python3.11 tools/dev/environment.py forks --torch 2.14.1
    python3.13 tools/dev/environment.py python

Uses nothing but Python's standard library. A finished environment carries a
stamp and is left alone, without any network; an interrupted one is picked up.

`frameworks`: mmdet, mmsegmentation and mmpose on top of `full`; `forks`:
OpenMMLab's maintained continuation; `python`: any Python, all of the newest.

On Linux PyPI's PyTorch comes with CUDA's libraries, over 2.5 GB. --cpu takes
builds without them from PyTorch's own index, or from another one that the
variable TORCH_INDEX names.
"""
import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / 'requirements'
UV = 'uv==0.13.*'
CPU_INDEX = 'https://download.pytorch.org/whl/cpu'
FLAVOURS = ('demo', 'full', 'torch', 'frameworks', 'docs', 'forks', 'python')
PINNED = FLAVOURS[:5]  # with packages that are proven with one Python
CUDA = ('nvidia', 'cuda')  # how names of CUDA's libraries begin


class SetupError(Exception):
    """A condition that one clear sentence tells."""


def check_python(flavour: str) -> None:
    if flavour in PINNED and sys.version_info[:2] != (3, 11):
        raise SetupError(
            'this needs Python 3.11 (the pinned packages are proven with it), '
            f'but {sys.executable} is {platform.python_version()}: install it '
            'and run `make PYTHON=/path/to/python3.11 ...`.')


def check_platform(flavour: str) -> None:
    """The pins are proven on one platform: say so on others."""
    if os.name == 'nt':
        raise SetupError(
            'this sets up Linux and macOS: on Windows run it in WSL, or '
            "`pip install '.[mmpretrain]'` in an environment of your own.")
    if (sys.platform, platform.machine()) != ('linux', 'x86_64'):
        print(
            f'note: the pinned packages of `{flavour}` are proven on Linux '
            f'x86_64; on {platform.system()} {platform.machine()} some of '
            'them may have no build (mediapipe, or PyTorch for Macs of '
            "Intel). Then `pip install '.[mmpretrain]'` in an environment of "
            'your own takes what there is.',
            flush=True)


def check_compiler() -> None:
    for program in ('gcc', 'g++'):
        if not shutil.which(program):
            raise SetupError(
                f'{program} was not found, and mmcv has compiled parts: '
                'install a C++ compiler (Debian, Ubuntu: apt-get install g++).'
            )


def install_browser() -> None:
    """The browser of the explorer's test, where that can be done."""
    if shutil.which('chromium') or shutil.which('google-chrome'):
        return
    if shutil.which('apt-get') and os.geteuid() == 0:
        print('installing chromium for the test of the explorer', flush=True)
        for arguments in (['update'],
                          ['install', '-y', '--no-install-recommends',
                           'chromium']):
            if subprocess.run(['apt-get', '-qq', *arguments],
                              stdout=subprocess.DEVNULL).returncode:
                break
    if not shutil.which('chromium'):
        print('note: no Chromium was found, so the test that opens the '
              'explorer in a browser will be skipped (Debian, Ubuntu: '
              'apt-get install chromium)', flush=True)


class Environment:
    """One virtual environment below .venv/."""

    def __init__(self, flavour: str, torch: str, cpu: bool = False):
        self.flavour = flavour
        self.torch = torch
        self.cpu = cpu
        self.index = os.environ.get('TORCH_INDEX') or (
            CPU_INDEX if cpu else '')
        python = '.'.join(map(str, sys.version_info[:2]))
        name = dict(
            torch=f'torch-{torch}',
            forks=f'forks-{torch}',
            python=f'python-{python}').get(flavour, flavour)
        self.folder = ROOT / '.venv' / name
        self.python = self.folder / 'bin' / 'python'
        self.stamp = self.folder / 'finished'

    def fingerprint(self) -> str:
        files = sorted(REQUIREMENTS.glob('*.txt')) + [Path(__file__)]
        digest = hashlib.sha256(b''.join(f.read_bytes() for f in files))
        return ' '.join([digest.hexdigest(), self.torch, self.index,
                         platform.machine()])

    def finished(self) -> bool:
        return (self.stamp.exists() and self.python.exists()
                and self.stamp.read_text(
                    encoding='utf-8') == self.fingerprint())

    def set_up(self) -> None:
        if self.finished():
            return
        check_python(self.flavour)
        check_platform(self.flavour)
        if self.flavour == 'full':
            check_compiler()
        print(f'setting up {self.folder.relative_to(ROOT)}', flush=True)
        if sys.platform == 'linux' and not self.index:
            print(
                "this downloads PyTorch with CUDA's libraries, over 2.5 GB; "
                'on a machine without a GPU stop it and add CPU=1 to the '
                'command', flush=True)
        # pip comes last: without it, an earlier attempt was interrupted.
        if not (self.folder / 'bin' / 'pip').exists():
            create_venv(self.folder)
        self.run('-m', 'pip', 'install', '--quiet',
                 '--disable-pip-version-check', UV)
        getattr(self, f'install_{self.flavour}')()
        self.install('--no-deps', '--no-build-isolation', '--editable', ROOT)
        temporary = self.stamp.with_suffix('.part')
        temporary.write_text(self.fingerprint(), encoding='utf-8')
        os.replace(temporary, self.stamp)

    def run(self, *arguments, **variables) -> None:
        env = {**os.environ, **uv_index_settings(), **variables}
        command = [str(self.python), *map(str, arguments)]
        if subprocess.run(command, env=env, cwd=ROOT).returncode:
            raise SetupError(
                f'`{" ".join(command[:6])} ...` failed; its message is above. '
                'Without a network connection connect and run the same '
                'command again: it goes on where it stopped.')

    def install(self, *arguments) -> None:
        # That index has old versions of other packages as well.
        index = ('--index', self.index, '--index-strategy',
                 'unsafe-best-match') if self.index else ()
        self.run('-m', 'uv', 'pip', 'install', '--python', self.python,
                 *index, *arguments)

    def install_demo(self) -> None:
        self.install('-c', REQUIREMENTS / 'pins.txt', '--override',
                     REQUIREMENTS / 'overrides.txt', '-r',
                     REQUIREMENTS / 'demo.txt')

    def install_torch(self) -> None:
        # The pinned versions, but for PyTorch and what it brings.
        pins = [
            line for line in (REQUIREMENTS /
                              'pins.txt').read_text(encoding='utf-8').splitlines()
            if not line.startswith(('torch', 'triton', *CUDA))
        ]
        constraints = self.folder / 'constraints.txt'
        constraints.write_text('\n'.join(pins), encoding='utf-8')
        self.install('-c', constraints, '--override',
                     REQUIREMENTS / 'overrides.txt', f'torch=={self.torch}',
                     '-r', REQUIREMENTS / 'torch.txt')

    def install_forks(self) -> None:
        self.install('--override', REQUIREMENTS / 'overrides.txt',
                     f'torch=={self.torch}', '-r',
                     REQUIREMENTS / 'forks.txt')

    def install_python(self) -> None:
        # mmengine 0.10 imports pkg_resources, which setuptools 81 lacks.
        self.install('--override', REQUIREMENTS / 'overrides.txt', 'torch',
                     'setuptools<81', '-r', REQUIREMENTS / 'torch.txt')

    def install_frameworks(self) -> None:
        self.install_on_full()

    def install_docs(self) -> None:
        # What builds the site.
        self.install_on_full()

    def install_on_full(self) -> None:
        full = Environment('full', pinned('torch'), self.cpu)
        full.set_up()
        (site_packages(self.folder) / 'full.pth').write_text(
            f'{site_packages(full.folder)}\n', encoding='utf-8')
        self.install('--no-deps', '-r', REQUIREMENTS / f'{self.flavour}.txt')

    def install_full(self) -> None:
        pins = [
            line for line in (REQUIREMENTS /
                              'pins.txt').read_text(encoding='utf-8').splitlines()
            if not line.startswith(('mmcv', '#')) and not (
                self.index and line.startswith(CUDA))
        ]
        listed = self.folder / 'pins.txt'
        listed.write_text('\n'.join(pins), encoding='utf-8')
        # Complete and proven together: nothing is left to be resolved.
        self.install('--no-deps', '-r', listed)
        self.install('--no-deps', self.mmcv_wheel())
        install_browser()

    def mmcv_wheel(self) -> Path:
        """mmcv with its ops, built once per PyTorch and Python version."""
        version = pinned('mmcv')
        cache = Path(
            os.environ.get('MMACDA_CACHE')
            or Path.home() / '.cache' / 'mmacda') / 'wheels' / (
                f'torch{pinned("torch")}-cp311')
        pattern = f'mmcv-{version}-*.whl'
        found = sorted(cache.glob(pattern))
        if found:
            return found[0]
        print(
            f'building mmcv {version} with its ops from source, once: about '
            '10 minutes on 2 cores',
            flush=True)
        variables = dict(MMCV_WITH_OPS='1')
        if not shutil.which('nvcc') or 'CUDA_HOME' not in os.environ:
            variables['CUDA_VISIBLE_DEVICES'] = ''  # CPU ops
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix='part-', dir=cache) as part:
            # pip's own cache does not know for which PyTorch a wheel was
            # built, and would hand out another one's.
            self.run('-m', 'pip', 'wheel', '--no-cache-dir', '--no-deps',
                     '--no-build-isolation', '--no-binary', 'mmcv',
                     f'mmcv=={version}', '-w', part, **variables)
            wheel = next(Path(part).glob(pattern))
            os.replace(wheel, cache / wheel.name)
        return cache / wheel.name


def site_packages(folder: Path) -> Path:
    version = '.'.join(map(str, sys.version_info[:2]))
    return folder / 'lib' / f'python{version}' / 'site-packages'


def create_venv(folder: Path) -> None:
    try:
        venv.create(folder, with_pip=True, clear=True)
    except Exception:
        raise SetupError(
            f'{sys.executable} cannot create a virtual environment: install '
            'its venv module (Debian, Ubuntu: apt-get install '
            'python3.11-venv).') from None


def pinned(package: str) -> str:
    for line in (REQUIREMENTS / 'pins.txt').read_text(
        encoding='utf-8').splitlines():
        name, _, version = line.partition(' ;')[0].partition('==')
        if name == package:
            return version
    raise SetupError(f'requirements/pins.txt does not pin {package}.')


def uv_index_settings() -> dict:
    """uv does not read pip's variables: hand a mirror on."""
    names = dict(
        PIP_INDEX_URL='UV_DEFAULT_INDEX',
        PIP_EXTRA_INDEX_URL='UV_INDEX',
        PIP_FIND_LINKS='UV_FIND_LINKS')
    settings = {
        uv: os.environ[pip]
        for pip, uv in names.items()
        if os.environ.get(pip) and uv not in os.environ
    }
    # Large wheels on slow lines.
    return {'UV_HTTP_TIMEOUT': '300', **settings}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('flavour', choices=FLAVOURS)
    parser.add_argument('--torch', help='version, for torch and forks')
    parser.add_argument(
        '--cpu', action='store_true', help="PyTorch without CUDA's libraries")
    args = parser.parse_args()
    if args.flavour in ('torch', 'forks') and not args.torch:
        parser.error(f'the flavour {args.flavour} needs --torch VERSION')
    try:
        Environment(args.flavour, args.torch or pinned('torch'),
                    args.cpu).set_up()
    except SetupError as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        print('\nstopped by Ctrl-C: the same command goes on from here',
              file=sys.stderr)
        sys.exit(130)


if __name__ == '__main__':
    main()
