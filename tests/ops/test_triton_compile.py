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

from mmacda.ops import Generator
from mmacda.ops.backends import triton as backend_module
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


every_dtype = pytest.mark.parametrize(
    'dtype', backend_module.DTYPES, ids=lambda t: str(t)[6:])
# Of NVIDIA's GPUs by number, of AMD's by name.
OTHERS = (80, 100, 120, 'gfx942')


@pytest.fixture(scope='module')
def compile_launch():
    """Compiles a launch for an architecture."""
    import triton
    try:
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource
        from triton.runtime.jit import JITFunction
    except ImportError:
        pytest.skip(f'Triton {triton.__version__} compiles for no other GPU')
    loaded, reason = backend_module._load()
    assert reason is None
    from mmacda.ops.backends.triton import kernels
    if not isinstance(kernels.convolve, JITFunction):
        pytest.skip('Triton interprets in this process')

    def compile_for(launched, architecture):
        kernel, signature, constants, hints, options = launched
        if architecture == 'gfx942' and constants.get('PRECISION'):
            # As where PyTorch is AMD's, see operands.product_of.
            constants = dict(constants, PRECISION='ieee')
        source = ASTSource(kernel, signature, constants, {
            index: [['tt.divisibility', 16]]
            for index in hints
        })
        target = GPUTarget('cuda', architecture, 32) \
            if isinstance(architecture, int) \
            else GPUTarget('hip', architecture, 64)
        return triton.compile(source, target=target, options=options)

    return compile_for


def assemblers():
    """NVIDIA's, as Triton brings them; not each knows every PTX."""
    import triton
    folder = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin'
    found = sorted(folder.glob('ptxas*'))
    if not found:
        pytest.skip('Triton came without ptxas')
    return found


def specialize(kernel, args, options, **constants):
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
    return kernel, signature, constants, hints, options


class Recorder:
    """Stands in for a kernel: notes its launches and computes nothing."""

    def __init__(self, kernel, launches):
        self.kernel, self.launches = kernel, launches

    def __getitem__(self, grid):
        assert len(grid) <= 3 and all(size >= 1 for size in grid)

        def run(*args, **named):
            names = [parameter.name for parameter in self.kernel.params]
            constants = {n: v for n, v in named.items() if n in names}
            options = {n: v for n, v in named.items() if n not in names}
            launched = specialize(self.kernel, args, options, **constants)
            self.launches[str(launched)] = launched

        return run


def record(case, dtype, monkeypatch, backend=backend_module, generated=False):
    """The differing launches of forward and backward."""
    from mmacda.ops.backends.triton import (
        atom_kernels,
        band_kernels,
        fused_kernel,
        kernels,
        prepare,
    )
    launches = {}
    for module, names in ((fused_kernel, ('convolve_fused', )),
                          (kernels, ('convolve', 'correlate')),
                          (band_kernels, ('convolve_band', 'correlate_band')),
                          (atom_kernels, ('compose', 'decompose',
                                          'compose_generated',
                                          'decompose_generated')),
                          (prepare, ('order', ))):
        for name in names:
            monkeypatch.setattr(module, name,
                                Recorder(getattr(module, name), launches))
    (plan, *_), _ = backend_module._load()
    plan._cached_plan.cache_clear()
    operands = case.operands(dtype)
    arguments = [
        operands[name].float() if name == 'atom_bases'
        and operands[name] is not None else operands[name]
        for name in ('input', 'basis_coefficients', 'atom_bases', 'weight')
    ] + [ConvGeometry.checked(**case.geometry)]
    output = backend.forward(*arguments)
    backend.backward(torch.empty_like(output), *arguments,
                     (True, True, False, True))
    if generated:
        launches.clear()
        record_generated(arguments, case)
    plan._cached_plan.cache_clear()
    return list(launches.values())


def record_generated(arguments, case):
    x, alpha, *rest = arguments
    layout = dict(memory_format=torch.channels_last) \
        if case.layout == 'channels_last' else {}
    hidden = alpha.new_empty(
        alpha.shape[0], 64, *alpha.shape[3:]).contiguous(**layout)
    matrix = alpha.new_empty(alpha.shape[1] * alpha.shape[2], 65)
    norm = alpha.new_empty(2, 64)
    for given in (norm, None):
        made = Generator(matrix, case.num_atoms, True, given)
        output = backend_module.forward_generated(x, hidden, made, *rest)
    backend_module.backward_generated(output, x, hidden, made, *rest,
                                      (True, ) * 4)


def usage(compiled, folder):
    """Registers per thread and bytes that did not fit into them."""
    if 'amdgcn' in compiled.asm:
        counts = [re.search(rf'\.{name}: *(\d+)', compiled.asm['amdgcn'])[1]
                  for name in ('vgpr_count', 'vgpr_spill_count')]
        return int(counts[0]), int(counts[1])
    path = folder / 'kernel.ptx'
    path.write_text(compiled.asm['ptx'], encoding='utf-8')
    target = re.search(r'\.target (sm_\w+)', compiled.asm['ptx'])[1]
    assert str(compiled.metadata.target.arch) in target
    failures = []
    for assembler in assemblers():
        done = subprocess.run([
            assembler, '-v', f'--gpu-name={target}', path, '-o',
            path.with_suffix('.cubin')
        ], capture_output=True, text=True)  # yapf: disable
        if done.returncode == 0:
            return (int(re.search(r'Used (\d+) registers', done.stderr)[1]),
                    int(re.search(r'(\d+) bytes spill st', done.stderr)[1]))
        failures.append(done.stderr)
    pytest.fail('\n'.join(failures))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path / 'cache'))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16],
                         ids=lambda t: str(t)[6:])
@pytest.mark.parametrize('case', CASES, ids=str)
def test_every_fused_launch_compiles(case, dtype, compile_launch, monkeypatch,
                                     tmp_path):
    launches = [
        launched
        for launched in record(case, dtype, monkeypatch, triton_fused)
        if launched[0].__name__ == 'convolve_fused'
    ]
    assert launches
    for launched in launches:
        compiled = compile_launch(launched, 90)
        registers, spilled = usage(compiled, tmp_path)
        assert spilled == 0 and registers < 256
        assert 'mma' in compiled.asm['ptx'], 'not on tensor cores'


def assert_all_compile(case, dtype, architecture, compile_launch, monkeypatch,
                       folder):
    from mmacda.ops.backends.triton import band
    generation = 0 if architecture == 'gfx942' else architecture // 10
    monkeypatch.setattr(band, 'generation_of', lambda _: generation)
    launches = record(case, dtype, monkeypatch)
    kernels = {launched[0].__name__ for launched in launches}
    bands = dtype != torch.float32 and case in CASES[:2]
    assert kernels == (
        {'convolve_band', 'correlate_band'} if bands else
        {'convolve', 'correlate'}) | (
            {'order'} if case.scales is None else {'compose', 'decompose'})
    assert_fit(launches, case, architecture, compile_launch, folder)


def assert_fit(launches, case, architecture, compile_launch, folder):
    """All compile, and no value leaves the registers."""
    for launched in launches:
        compiled = compile_launch(launched, architecture)
        registers, spilled = usage(compiled, folder)
        name = launched[0].__name__
        assert spilled == 0, name
        # AMD's have twice as many.
        assert registers < 256 or architecture == 'gfx942', name
        # Of a source, 16 bytes at once.
        text = compiled.asm.get('ptx') or compiled.asm['amdgcn']
        if 'band' in name or 'compose' in name and architecture != 'gfx942':
            assert 'mma' in text or 'mfma' in text, 'not on tensor cores'
        if case.name == 'paper' and name.startswith(('conv', 'correlate')):
            wide = '(global|buffer)_load_dwordx' if architecture == 'gfx942' \
                else r'ld\.global(\.\w+)*\.v4\.b32'
            assert re.search(f'{wide}|cp.async.cg', text), name


@every_dtype
@pytest.mark.parametrize('case', CASES, ids=str)
def test_every_launch_compiles(case, dtype, compile_launch, monkeypatch,
                               tmp_path):
    assert_all_compile(case, dtype, 90, compile_launch, monkeypatch, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize('architecture', OTHERS)
@every_dtype
@pytest.mark.parametrize('case', CASES, ids=str)
def test_every_launch_compiles_for_other_gpus(case, dtype, architecture,
                                              compile_launch, monkeypatch,
                                              tmp_path):
    assert_all_compile(case, dtype, architecture, compile_launch, monkeypatch,
                       tmp_path)


@pytest.mark.parametrize('architecture', [
    90, *[pytest.param(a, marks=pytest.mark.long) for a in OTHERS]])
@every_dtype
@pytest.mark.parametrize('case', CASES[:1], ids=str)
def test_every_launch_of_a_generator_compiles(case, dtype, architecture,
                                              compile_launch, monkeypatch,
                                              tmp_path):
    launches = [
        launched
        for launched in record(case, dtype, monkeypatch, generated=True)
        if 'generated' in launched[0].__name__
    ]
    assert len(launches) >= 3  # with a norm and without; backward
    assert_fit(launches, case, architecture, compile_launch, tmp_path)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16],
                         ids=lambda t: str(t)[6:])
@pytest.mark.parametrize('case', [CASES[1], CASES[3]], ids=str)
def test_wide_strides_compile(case, dtype, compile_launch, monkeypatch):
    """Where a map or the coefficients exceed 2^31 elements."""
    wide = re.compile('(source|atoms|alpha|grad)_(image|atom|tap|row|column|'
                      'coefficient|pixel)$|tap_eights$')
    for kernel, signature, *rest in record(case, dtype, monkeypatch):
        sizes = {
            name: 'i64' if kind == 'i32' and wide.match(name) else kind
            for name, kind in signature.items()
        }
        assert 'i64' in sizes.values() or kernel.__name__ == 'order'
        compiled = compile_launch((kernel, sizes, *rest), 90)
        ptx = compiled.asm['ptx']
        assert 'ld.global' in ptx or 'cp.async' in ptx
