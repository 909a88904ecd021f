"""A stand-in for a GPU's driver: Triton compiles, and launches nothing.

With it the host's part of a call runs on a machine without a GPU, as it would
run on one: tensors lie on the CPU, and what kernels would write stays what
memory held. Triton's own launcher runs up to the C function at its end.
"""
import gc
import os
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Callable, Iterator, List
from unittest import mock


class Utilities:
    """What Triton asks of a device."""
    launch: Callable[..., None]

    def load_binary(self, name: str, kernel: bytes, shared: int,
                    device: int) -> tuple:
        """Module, function, registers, spilled bytes, threads at most."""
        return 1, 1, 32, 0, 1024

    def unload_module(self, module: int) -> None:
        """Nothing was loaded."""

    def build_signature_metadata(self, signature: List[str]) -> bytes:
        """What the C function of newer Tritons reads arguments by."""
        return bytes(len(signature))

    def get_device_properties(self, device: int) -> dict:
        return dict(
            max_shared_mem=232448, multiprocessor_count=132, warpSize=32)


class StandInDriver:
    """Of an NVIDIA GPU.

    Args:
        architecture (int): Compute capability, 90 for 9.0.

    Attributes:
        launched (List[str]): Names of the kernels, as they are launched.
    """

    def __init__(self, architecture: int = 90):
        from triton.backends.compiler import GPUTarget
        self.target = GPUTarget('cuda', architecture, 32)
        self.utils = Utilities()
        self.launched: List[str] = []
        self.is_counting = True

    def launcher_cls(self, src: Any, metadata: Any) -> Any:
        """What launches a kernel of that source."""
        from triton.backends.nvidia import driver as nvidia
        if hasattr(nvidia, 'compile_module_from_src'):
            # A C function per kernel, whose arguments come last.
            end = self._end_of(metadata.name, -len(src.signature) - 3)
            module = SimpleNamespace(launch=end)
            places = dict(
                library_dirs=list,
                compile_module_from_src=lambda *_, **__: module)
        else:
            # One for all, of the device's utilities, with a tuple of them.
            self.utils.launch = self._end_of(metadata.name, -8)
            places = dict(PyKernelArg=SimpleNamespace)
        with mock.patch.multiple(nvidia, **places):
            return nvidia.CudaLauncher(src, metadata)

    def _end_of(self, name: str, place: int) -> Callable[..., None]:
        """In the place of the C function. From ``place`` on it is given what
        hooks are told and two of these."""

        def launch(*arguments: Any) -> None:
            told, enter, leave = arguments[place:][:3]
            if enter is not None:
                enter(told)
            if self.is_counting:
                self.launched.append(name)
            if leave is not None:
                leave(told)

        return launch

    def get_current_target(self) -> Any:
        return self.target

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def is_active(self) -> bool:
        return True


@contextmanager
def stand_in(architecture: int = 90) -> Iterator[StandInDriver]:
    """The driver, and the Triton backend willing to serve on a CPU.

    Raises:
        RuntimeError: If the kernels of this process are interpreted.
    """
    import triton

    from mmacda.ops import backends
    from mmacda.ops.backends import triton as backend
    if os.environ.get(backend.INTERPRET):
        raise RuntimeError(f'kernels are compiled here: unset '
                           f'{backend.INTERPRET}')
    loaded, reason = backend._load()
    if reason:
        raise RuntimeError(reason)
    # What is imported where kernels are to be interpreted stays so.
    from mmacda.ops.backends.triton import fused_kernel  # noqa: F401
    from mmacda.ops.backends.triton import trial
    driver, config = StandInDriver(architecture), triton.runtime.driver
    before = getattr(config, '_active', None)
    # Half precision is not prepared as a CPU's.
    half = mock.patch.object(backends, 'HALF', (*backends.HALF, 'triton'))
    patches = [half] + [
        mock.patch.object(module, name, lambda *_: None)
        for module, name in ((backend, 'try_device'), (trial, 'judge'))
    ]
    for patch in patches:
        patch.start()
    os.environ[backend.INTERPRET] = '1'
    config.set_active(driver)
    _forget(loaded[0])
    try:
        yield driver
    finally:
        _forget(loaded[0])
        config._active = before
        del os.environ[backend.INTERPRET]
        for patch in patches:
            patch.stop()


def _forget(plan: Any) -> None:
    """Kernels and plans of another driver."""
    from mmacda.ops.backends.triton import (
        atom_kernels,
        band_kernels,
        kernels,
        prepare,
    )
    plan._cached_plan.cache_clear()
    for module in (kernels, prepare, atom_kernels, band_kernels):
        for kernel in vars(module).values():
            if hasattr(kernel, 'device_caches'):
                kernel.device_caches.clear()
    gc.collect()  # compiled kernels are unloaded by their own driver
