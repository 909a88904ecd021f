"""Kernels that make products of atoms, one by one in the interpreter.

Half precision is read there as on a GPU; bfloat16 is multiplied in float32,
which the interpreter can.
"""
import pytest
import torch
import torch.nn.functional as F

from mmacda.ops import Generator, reference
from mmacda.ops.backends.bases import describe
from mmacda.testing.cases import Case, relative_error

pytestmark = pytest.mark.interpreted
HALVES = (torch.float16, torch.bfloat16)
DTYPES = pytest.mark.parametrize(
    'dtype', (torch.float32, *HALVES), ids=lambda t: str(t)[6:])
# Sizes that no tile divides, and paddings that are not 'same'.
CASES = [
    Case('paper', 1, 16, 16, (5, 6), (3, 5, 7), padding=(3, 3), num_atoms=6),
    Case('nine-atoms', 2, 32, 16, (4, 3), (3, 5), padding=(1, 2),
         num_atoms=9),
    Case('unpadded', 1, 80, 16, (3, 4), (3, ), padding=(0, 1), num_atoms=4),
    Case('far-out', 1, 16, 32, (2, 3), (3, ), padding=(4, 2), num_atoms=5),
    Case('direct', 1, 16, 16, (4, 5), None, 5, padding=(2, 2), num_atoms=8),
]  # yapf: disable


def limit(dtype):
    """Three roundings: of atoms, of sums and of what is compared."""
    return max(1e-6, 3 * torch.finfo(dtype).eps)


class Call:
    """Operands of a case, their exact values, and the kernels' launches."""

    def __init__(self, case, dtype, atoms_dtype=None):
        from mmacda.ops.backends.triton.atoms import Atoms
        from mmacda.ops.backends.triton.band import Band
        self.case = case
        operands = case.operands(dtype)
        self.x, self.alpha = operands['input'], operands['basis_coefficients']
        psi = operands['atom_bases']
        self.psi = psi if psi is None else case.bases(torch.float64, 'cpu')
        self.bases = describe(self.psi, case.num_coefficients)
        self.atoms = Atoms(self.bases, case.num_atoms, self.x, atoms_dtype)
        self.band = Band(self.bases, self.atoms, case.padding)
        self.size = (case.batch, *case.out_size)
        self.exact = [t.double().requires_grad_()
                      for t in (self.x, self.alpha)]
        # (B, m, C, Ho, Wo)
        self.features = convolve_plainly(case, *self.exact, self.psi)

    def new(self, *shape):
        return torch.full(shape, float('nan'), dtype=self.x.dtype)

    def convolve(self, source, size, follow=False):
        maps = source.permute(0, 2, 3, 1).contiguous()
        pixels = size[0] * size[1] * size[2]
        features = self.new(pixels, self.case.num_atoms * maps.shape[3])
        self.band.convolve(
            maps, self.atoms.compose(self.alpha), features, size,
            atoms_rows=self.size[1], follow=follow)
        return features.view(*size, self.case.num_atoms, -1).permute(
            0, 3, 4, 1, 2)


def convolve_plainly(case, x, alpha, psi):
    """Z (B, m, C, Ho, Wo): the coefficient convolution keeps them apart."""
    channels = case.in_channels * case.num_atoms
    output = reference.adaptive_conv2d(
        x, alpha, psi, torch.eye(channels, dtype=x.dtype)[..., None, None],
        **case.geometry)
    return output.unflatten(1, (case.in_channels, -1)).transpose(1, 2)


@DTYPES
@pytest.mark.parametrize('case', CASES, ids=str)
def test_band_products_equal_the_definition(case, dtype):
    call = Call(case, dtype)
    found = call.convolve(call.x, call.size)
    assert relative_error(found, call.features.detach()) < limit(dtype)

    generator = torch.Generator().manual_seed(1)
    dz = torch.randn(call.features.shape, generator=generator).to(dtype)
    grad_x, grad_alpha = torch.autograd.grad(call.features, call.exact,
                                             dz.double())
    # By flipped taps: channel c of dz is that of atom c, and of no other.
    atoms = range(case.num_atoms)
    upstream = dz.flatten(1, 2)
    spread = call.convolve(upstream, (case.batch, *case.size), True)
    spread = spread.unflatten(2, (case.num_atoms, -1))
    gathered = sum(spread[:, a, a].double() for a in atoms)
    assert relative_error(gathered, grad_x) < limit(dtype)

    grads = call.band.correlate(
        call.x.permute(0, 2, 3, 1).contiguous(),
        dz.permute(0, 3, 4, 1, 2).contiguous(), call.size)
    found = torch.full_like(call.alpha, float('nan'))
    call.atoms.decompose(grads, found)
    assert relative_error(found, grad_alpha) < limit(dtype)


@pytest.mark.parametrize('kernel', ['convolve', 'correlate'])
def test_chunks_of_rows_are_the_rows_of_a_whole(kernel):
    case = CASES[0]
    call = Call(case, torch.float32)
    maps = call.x.permute(0, 2, 3, 1).contiguous()
    height, width = case.out_size
    rows = slice(2, height)
    size = 1, height - 2, width
    channels = case.num_atoms * case.in_channels
    if kernel == 'convolve':
        part = call.new(size[1] * width, channels)
        atoms = call.atoms.compose(call.alpha[..., rows, :])
        call.band.convolve(maps, atoms, part, size, 2)
        whole = call.convolve(call.x, call.size).flatten(1, 2)
        whole = whole[:, :, rows].permute(0, 2, 3, 1).reshape(part.shape)
    else:
        dz = torch.randn(height, width, channels)
        part, whole = (
            call.atoms.as_maps(
                call.band.correlate(maps, dz[first:].contiguous(),
                                    (1, height - first, width), first),
                (1, height - first, width))[..., rest, :]
            for first, rest in ((2, slice(None)), (0, rows)))
    assert torch.equal(part, whole)


def test_gathering_needs_only_the_rows_that_are_seen():
    case = CASES[0]
    call = Call(case, torch.float32)
    maps = call.x.permute(0, 2, 3, 1).contiguous()
    height, width = case.size
    whole = call.convolve(call.x, (1, height, width), True)
    last = height - 1
    features = call.new(width, case.num_atoms * case.in_channels)
    first = last - 3
    atoms = call.atoms.compose(call.alpha[..., first:, :])
    call.band.convolve(maps, atoms, features, (1, 1, width), last, first,
                       height - first, True)
    expected = whole[..., last, :].permute(0, 3, 1, 2).reshape(features.shape)
    assert torch.equal(features, expected)


@pytest.mark.filterwarnings('ignore:invalid value')
@pytest.mark.filterwarnings('ignore:overflow')
@pytest.mark.parametrize('value, follow', [
    ('inf', False), ('nan', False), ('-inf', True)])
def test_infinity_stays_where_filters_reach(value, follow):
    """0 * Inf is NaN: what no filter reaches must not be multiplied."""
    value = float(value)
    case = Case('inf', 1, 20, 16, (6, 7), (3, ), padding=(1, 1), num_atoms=6)
    call = Call(case, torch.float16)
    plain = call.convolve(call.x, call.size, follow)
    place = 0, 3, 3, 5
    call.x[place] = value
    spoiled = call.convolve(call.x, call.size, follow)
    reach = torch.zeros(3, 3)
    reach.view(-1)[call.bases.live] = 1
    spot = torch.zeros(1, 1, *case.size)
    spot[0, 0, 3, 5] = 1
    reached = F.conv2d(spot, reach[None, None], padding=1)[0, 0] > 0
    assert reached.sum() == 9
    channel = spoiled[0, :, 3]
    assert not channel[:, reached].isfinite().any()
    assert channel[:, ~reached].isfinite().all()
    if not torch.tensor(value).isnan():  # with the sign of the filter
        assert (channel[:, reached] == value).any()
        assert (channel[:, reached] == -value).any()
    spoiled[0, :, 3, reached] = plain[0, :, 3, reached]
    assert relative_error(spoiled, plain) < limit(torch.float16)


@pytest.mark.filterwarnings('ignore:invalid value')
def test_infinite_coefficients_stay_in_their_pixel_and_atom():
    case = CASES[0]
    call = Call(case, torch.float16)
    plain = call.convolve(call.x, call.size)
    call.alpha[0, 2, 3, 1, 4] = float('inf')
    spoiled = call.convolve(call.x, call.size)
    assert not spoiled[0, 2, :, 1, 4].isfinite().any()
    spoiled[0, 2, :, 1, 4] = plain[0, 2, :, 1, 4]
    assert relative_error(spoiled, plain) < limit(torch.float16)


@pytest.mark.filterwarnings('ignore:invalid value')
def test_infinite_gradients_stay_in_their_pixel_and_atom():
    case = CASES[0]
    call = Call(case, torch.float16)
    dz = torch.ones(*call.size, case.num_atoms, case.in_channels,
                    dtype=torch.float16)
    dz[0, 2, 3, 1, 5] = float('inf')
    grads = call.band.correlate(
        call.x.permute(0, 2, 3, 1).contiguous(), dz, call.size)
    found = call.new(*call.alpha.shape)
    call.atoms.decompose(grads, found)
    assert not found[0, 1, :, 2, 3].isfinite().any()
    found[0, 1, :, 2, 3] = 0
    assert found.isfinite().all()


@DTYPES
@pytest.mark.parametrize('case', [
    CASES[0],
    Case('strided', 2, 5, 4, (5, 7), (3, 5), padding=(2, 1), stride=(2, 1),
         num_atoms=9),
    Case('groups', 1, 12, 8, (4, 5), None, dilation=(1, 2), groups=3,
         num_atoms=7),
    Case('one-atom', 1, 40, 8, (3, 3), num_atoms=1),
], ids=str)  # yapf: disable
def test_atoms_gradient_by_sums(case, dtype):
    from mmacda.ops.backends.triton.correlate import correlate
    from mmacda.ops.backends.triton.taps import forward_taps, to_device
    from mmacda.ops.geometry import ConvGeometry
    call = Call(Case(**dict(vars(case), groups=1)), dtype, torch.float32)
    generator = torch.Generator().manual_seed(1)
    dz = torch.randn(call.features.shape, generator=generator).to(dtype)
    expected, = torch.autograd.grad(call.features, call.exact[1],
                                    dz.double())
    grads = call.atoms.new(call.size[0] * call.size[1] * call.size[2])
    grads.fill_(float('nan'))
    maps = call.atoms.as_maps(grads, call.size)
    # (G, pixels, m * C/G)
    groups = dz.unflatten(2, (case.groups, -1)).permute(2, 0, 4, 5, 1, 3)
    taps = forward_taps(call.bases.live, case.support,
                        ConvGeometry.checked(**case.geometry))
    correlate(call.x.permute(0, 2, 3, 1).contiguous(),
              groups.flatten(1, 3).flatten(2).contiguous(), maps,
              to_device(taps, grads.device), call.size, 0, case.stride)
    found = torch.full_like(call.alpha, float('nan'))
    grads.nan_to_num_(0)  # of spare atoms
    call.atoms.decompose(grads, found)
    assert relative_error(found, expected) < limit(dtype)


@DTYPES
@pytest.mark.parametrize('layout', ['contiguous', 'channels_last', 'sliced'])
def test_generated_atoms_equal_the_definition(layout, dtype):
    from mmacda.testing.layouts import LAYOUTS
    case = Case('generated', 2, 4, 4, (3, 5), (3, 5), padding=(2, 2),
                num_atoms=9)
    call = Call(case, dtype, torch.float32)
    generator = torch.Generator().manual_seed(2)
    hidden = LAYOUTS[layout](torch.randn(2, 20, 3, 5, generator=generator))
    matrix = torch.randn(9 * 12, 21, generator=generator) / 4
    leaves = [t.to(dtype).double().requires_grad_()
              for t in (hidden, matrix)]
    alpha = reference.generate_coefficients(*leaves, 9)
    expected = reference.compose_atoms(
        alpha, call.psi)[:, :, call.bases.live]

    hidden = hidden.to(dtype)
    made = Generator(matrix.to(dtype), 9)
    spread = call.atoms.spread_matrix(made)
    atoms = call.atoms.compose_generated(hidden, spread, made)
    found = call.atoms.as_maps(atoms, call.size)
    assert relative_error(found, expected.detach()) < limit(dtype)

    upstream = torch.randn(atoms.shape, generator=generator)
    grads = torch.autograd.grad(
        expected, leaves,
        call.atoms.as_maps(upstream, call.size).double())
    dv = call.atoms.decompose_generated(upstream, hidden, spread,
                                        made).double()
    grad_hidden = (dv @ leaves[1][:, :-1]).view(*call.size, -1)
    assert relative_error(grad_hidden.permute(0, 3, 1, 2),
                          grads[0]) < limit(dtype)
    flat = leaves[0].permute(0, 2, 3, 1).flatten(0, 2)
    flat = torch.cat((flat, torch.ones_like(flat[:, :1])), 1)
    assert relative_error(dv.t() @ flat, grads[1]) < limit(dtype)


@pytest.mark.parametrize('tanh', [True, False])
def test_generated_atoms_of_hidden_maps_without_their_norm(tanh):
    case = Case('generated', 1, 4, 4, (3, 5), (3, ), num_atoms=2)
    call = Call(case, torch.float32)
    hidden, matrix = torch.randn(1, 5, 3, 5), torch.randn(12, 6)
    made = Generator(matrix, 2, tanh, torch.rand(2, 5) + 0.5)
    atoms = call.atoms.compose_generated(
        hidden, call.atoms.spread_matrix(made), made)
    expected = reference.compose_atoms(
        made.coefficients(hidden), call.psi)[:, :, call.bases.live]
    assert relative_error(
        call.atoms.as_maps(atoms, call.size), expected) < 1e-5


@pytest.mark.filterwarnings('ignore:overflow')
def test_tanh_in_a_tile_is_exact_over_its_whole_range():
    """Read back through an atom of one tap."""
    case = Case('tanh', 1, 1, 1, (1, 405), None, 1, padding=(0, 0),
                num_atoms=1)
    call = Call(case, torch.float32)
    values = torch.linspace(-12, 12, 401)
    values = torch.cat((values, torch.tensor([1e30, -1e30, 1e-30, 0.])))
    made = Generator(torch.tensor([[1., 0.]]), 1)
    atoms = call.atoms.compose_generated(
        values.view(1, 1, 1, -1), call.atoms.spread_matrix(made), made)
    expected = values.double().tanh()
    error = (atoms[0, :, 0].double() - expected).abs()
    assert (error <= 3e-7 * expected.abs()).all()
