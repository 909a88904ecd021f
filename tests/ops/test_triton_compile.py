"""The real compiler takes every kernel launch, without a GPU.

The interpreter sees neither types nor registers. So the launches of a call
are recorded and compiled for a GPU that need not be there.
"""
import re
import subprocess
from importlib import util
from pathlib import Path

import pytest
import torch

from mmacda.ops.backends import triton as backend
from mmacda.ops.backends.triton import fused as triton_fused
from mmacda.ops.geometry import ConvGeometry
from mmacda.testing.cases import Case

pytestmark = pytest.mark.skipif(
    util.find_spec('triton') is None, reason='Triton is not installed')
PAPER = dict(scales=(3, 5, 7), num_atoms=6, padding=(3, 3), bias=False)
CASES = [
    Case('paper', 1, 256, 64, (64, 64), layout='channels_last', **PAPER),
    Case('small', 2, 64, 64, (7, 7), **PAPER),
    Case('odd', 2, 17, 9, (33, 40), stride=(2, 2), **PAPER),
    Case('groups', 2, 64, 32, (20, 30), None, 5, num_atoms=9, groups=2,
         dilation=(2, 2), bias=False),
]  # yapf: disable


@pytest.fixture(scope='module')
def toolchain():
    """Triton's modules and the folder of NVIDIA's tools."""
    import triton
    try:
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource
        from triton.runtime.jit import JITFunction
    except ImportError:
        pytest.skip(f'Triton {triton.__version__} compiles for no other GPU')
    launch, reason = backend._load()
    assert reason is None
    if not isinstance(launch.kernels.mix, JITFunction):
        pytest.skip('Triton interprets in this process')
    tools = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin'
    if not (tools / 'ptxas').exists():
        pytest.skip('Triton came without ptxas')

    def compile_launch(launched, architecture):
        kernel, signature, constants, hints, warps = launched
        source = ASTSource(kernel, signature, constants, {
            index: [['tt.divisibility', 16]]
            for index in hints
        })
        return triton.compile(
            source,
            target=GPUTarget('cuda', architecture, 32),
            options=dict(num_warps=warps))

    return launch, compile_launch, tools / 'ptxas'


def specialize(kernel, args, warps, **constants):
    """What Triton's launcher makes of arguments: one compilation for each."""
    names = {torch.float32: 'fp32', torch.float16: 'fp16',
             torch.bfloat16: 'bf16', torch.int32: 'i32'}  # yapf: disable
    signature, hints = {}, []
    positional = [p for p in kernel.params if p.name not in constants]
    assert len(positional) == len(args)
    for parameter, value in zip(positional, args):
        free = parameter.do_not_specialize
        if isinstance(value, torch.Tensor):
            signature[parameter.name] = f'*{names[value.dtype]}'
            value = value.data_ptr()
        elif value == 1 and not free:
            constants[parameter.name] = value
        else:
            signature[parameter.name] = 'i32' if value < 2**31 else 'i64'
        if value % 16 == 0 and not free:
            hints.append((parameter.num, ))
    signature.update(dict.fromkeys(constants, 'constexpr'))
    signature = {p.name: signature[p.name] for p in kernel.params}
    return kernel, signature, constants, hints, warps


class Recorder:
    """Stands in for a kernel: notes its launches and computes nothing."""

    def __init__(self, kernel, launches):
        self.kernel, self.launches = kernel, launches

    def __getitem__(self, grid):
        assert len(grid) <= 3 and all(size >= 1 for size in grid)

        def run(*args, num_warps, **constants):
            launched = specialize(self.kernel, args, num_warps, **constants)
            self.launches[str(launched)] = launched

        return run


def record(case, dtype, launch, monkeypatch, backend=backend):
    """The differing launches of forward and backward."""
    from mmacda.ops.backends.triton import fused_kernel as fused
    launches = {}
    monkeypatch.setattr(fused, 'convolve_fused',
                        Recorder(fused.convolve_fused, launches))
    for name in ('convolve', 'correlate', 'mix'):
        monkeypatch.setattr(launch.kernels, name,
                            Recorder(getattr(launch.kernels, name), launches))
    operands = case.operands(dtype)
    arguments = [
        operands[name].float() if name == 'atom_bases'
        and operands[name] is not None else operands[name]
        for name in ('input', 'basis_coefficients', 'atom_bases', 'weight')
    ] + [ConvGeometry.checked(**case.geometry)]
    output = backend.forward(*arguments)
    backend.backward(torch.empty_like(output), *arguments,
                     (True, True, False, True))
    return list(launches.values())


def usage(ptxas, ptx, architecture, folder):
    """Registers per thread and bytes that did not fit into them."""
    path = folder / 'kernel.ptx'
    path.write_text(ptx, encoding='utf-8')
    target = re.search(r'\.target (sm_\w+)', ptx)[1]
    assert str(architecture) in target
    done = subprocess.run([
        ptxas, '-v', f'--gpu-name={target}', path, '-o',
        path.with_suffix('.cubin')
    ], check=True, capture_output=True, text=True)  # yapf: disable
    return (int(re.search(r'Used (\d+) registers', done.stderr)[1]),
            int(re.search(r'(\d+) bytes spill stores', done.stderr)[1]))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16],
                         ids=lambda t: str(t)[6:])
@pytest.mark.parametrize('case', CASES, ids=str)
def test_every_fused_launch_compiles(case, dtype, toolchain, monkeypatch,
                                     tmp_path):
    launch, compile_launch, ptxas = toolchain
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path / 'cache'))
    launches = [
        launched for launched in record(case, dtype, launch, monkeypatch,
                                        triton_fused)
        if launched[0].__name__ == 'convolve_fused'
    ]
    assert launches
    for launched in launches:
        compiled = compile_launch(launched, 90)
        registers, spilled = usage(ptxas, compiled.asm['ptx'], 90, tmp_path)
        assert spilled == 0 and registers < 256
        assert 'mma' in compiled.asm['ptx'], 'not on tensor cores'


@pytest.mark.parametrize('dtype', backend.DTYPES, ids=lambda t: str(t)[6:])
@pytest.mark.parametrize('case', CASES, ids=str)
def test_every_launch_compiles(case, dtype, toolchain, monkeypatch, tmp_path):
    launch, compile_launch, ptxas = toolchain
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path / 'cache'))
    launches = record(case, dtype, launch, monkeypatch)
    kernels = [launched[0].__name__ for launched in launches]
    assert {'convolve', 'correlate'} <= set(kernels)
    assert ('mix' in kernels) is (case.scales is not None)
    older = case.name == 'paper' and dtype == torch.bfloat16
    for architecture in (80, 90) if older else (90, ):
        for launched in launches:
            compiled = compile_launch(launched, architecture)
            registers, spilled = usage(ptxas, compiled.asm['ptx'],
                                       architecture, tmp_path)
            name = launched[0].__name__
            assert spilled == 0, name
            assert registers < 256, name
            # Of a source, 16 bytes at once.
            if case.name == 'paper' and name != 'mix':
                assert 'ld.global.v4.b32' in compiled.asm['ptx']


@pytest.mark.parametrize('case', [CASES[1], CASES[3]], ids=str)
def test_wide_strides_compile(case, toolchain, monkeypatch, tmp_path):
    """Where a map or the coefficients exceed 2^31 elements."""
    launch, compile_launch, _ = toolchain
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path / 'cache'))
    wide = re.compile('(source|atoms|input|output|grad)_'
                      '(image|part|atom|tap|channel|row|column)$')
    for kernel, signature, *rest in record(case, torch.float32, launch,
                                           monkeypatch):
        sizes = {
            name: 'i64' if kind == 'i32' and wide.match(name) else kind
            for name, kind in signature.items()
        }
        assert 'i64' in sizes.values()
        compiled = compile_launch((kernel, sizes, *rest), 90)
        assert 'ld.global' in compiled.asm['ptx']
