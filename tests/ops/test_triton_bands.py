"""Kernels that make products of atoms, one by one in the interpreter.

Half precision is read there as on a GPU; bfloat16 is multiplied in float32,
which the interpreter can.
"""
import pytest
import torch
import torch.nn.functional as F

from mmacda.ops import Generator, reference
from mmacda.ops.backends.bases import describe
from mmacda.ops.geometry import ConvGeometry
from mmacda.testing.cases import Case, relative_error
from mmacda.testing.layouts import LAYOUTS

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
    """Operands of a case, their exact values, and a family's steps."""

    def __init__(self, case, dtype, family='BandSteps', made=None):
        from mmacda.ops.backends.triton import band, fma, plan
        self.case = case
        operands = case.operands(dtype)
        self.x, self.alpha = operands['input'], operands['basis_coefficients']
        self.maps = self.x.permute(0, 2, 3, 1).contiguous()
        psi = operands['atom_bases']
        self.psi = psi if psi is None else case.bases(torch.float64, 'cpu')
        self.bases = describe(self.psi, case.num_coefficients)
        self.size = (case.batch, *case.out_size)
        alpha, making = made or (self.alpha, None)
        self.plan = plan.find_plan(
            self.maps.permute(0, 3, 1, 2), alpha, self.psi, operands['weight'],
            ConvGeometry.checked(**case.geometry),
            getattr(band, family, None) or getattr(fma, family), making)
        self.steps = self.plan.steps
        self.exact = [t.double().requires_grad_()
                      for t in (self.x, self.alpha)]

    @property
    def features(self):
        """(B, m, C, Ho, Wo)."""
        return convolve_plainly(self.case, *self.exact, self.psi)

    def new(self, *shape, dtype=None):
        return torch.full(shape, float('nan'), dtype=dtype or self.x.dtype)

    def compose(self, alpha, size=None):
        step = self.steps.compose(size or self.size, False, False)
        return step(None, alpha, None, None, None)

    def as_maps(self, atoms, size):
        """(images, m, taps, rows, columns)."""
        maps = atoms.unflatten(1, size).permute(1, 4, 0, 2, 3)
        return maps[:, :self.case.num_atoms]

    def convolve(self, source, size, first_row=0, first_atoms_row=0,
                 atoms=None, atoms_size=None, follow=False):
        """Z (pixels, m * channels)."""
        maps = source.permute(0, 2, 3, 1).contiguous()
        features = self.new(size[0] * size[1] * size[2],
                            self.case.num_atoms * maps.shape[3])
        step = self.steps.convolve(
            maps.shape, maps.stride(), size, atoms_size or self.size,
            self.plan.taps, first_row, first_atoms_row, (1, 1), follow)
        step(None, maps, self.compose(self.alpha) if atoms is None else atoms,
             features)
        return features

    def features_of(self, *arguments, **options):
        """The same as (B, m, channels, rows, columns)."""
        features = self.convolve(*arguments, **options)
        return features.view(*arguments[1], self.case.num_atoms,
                             -1).permute(0, 3, 4, 1, 2)

    def sum_atoms(self, dz, size=None, first_row=0):
        size = size or self.size
        shape = self.steps._atoms_shape(size)
        grads = self.new(*shape, dtype=self.steps.dtype)
        step = self.steps.sum_atoms(size, first_row,
                                    self.steps.atom_strides(size))
        step(None, self.maps, dz, grads)
        return grads

    def grad_alpha(self, dz):
        found = torch.full_like(self.alpha, float('nan'))
        step = self.steps.correlate(self.size, 0, found.stride())
        step(None, self.maps, dz, found)
        return found


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
    features = call.features
    found = call.features_of(call.x, call.size)
    assert relative_error(found, features.detach()) < limit(dtype)

    generator = torch.Generator().manual_seed(1)
    dz = torch.randn(features.shape, generator=generator).to(dtype)
    grad_x, grad_alpha = torch.autograd.grad(features, call.exact,
                                             dz.double())
    # By flipped taps: channel c of dz is that of atom c, and of no other.
    spread = call.features_of(
        dz.flatten(1, 2), (case.batch, *case.size), follow=True)
    spread = spread.unflatten(2, (case.num_atoms, -1))
    gathered = sum(spread[:, a, a].double() for a in range(case.num_atoms))
    assert relative_error(gathered, grad_x) < limit(dtype)

    found = call.grad_alpha(dz.permute(0, 3, 4, 1, 2).contiguous())
    assert relative_error(found, grad_alpha) < limit(dtype)


@pytest.mark.parametrize('scales', [(3, ), (3, 5), (3, 5, 7), (7, ), None])
def test_packed_rows_are_the_live_taps(scales):
    from mmacda.ops.backends.triton import band
    case = Case('live', scales=scales)
    psi = case.bases(torch.float64, 'cpu') if scales else None
    bases = describe(psi, case.num_coefficients)
    firsts, spans, shifts = band.pack_rows(bases)
    assert max(map(abs, (firsts, spans))) < 2**31 and 0 <= shifts < 2**63
    found = []
    for row in range(8):
        first, span = firsts >> 4 * row & 15, spans >> 4 * row & 15
        for tap in range(first, first + span + 1):
            if tap < 15:
                found.append(row * bases.kernel + tap)
                place = tap + (shifts >> 8 * row & 127) - band.BIAS
                assert place == len(found) - 1
    assert found == bases.live


def test_rows_with_a_dead_tap_inside_are_not_for_bands():
    from mmacda.ops.backends.triton import band
    psi = torch.zeros(2, 3, 3)
    psi[0, 1, 0] = psi[1, 1, 2] = 1
    assert band.pack_rows(describe(psi, 2)) is None
    psi[1, 1, 1] = 1
    assert band.pack_rows(describe(psi, 2)) is not None


@pytest.mark.parametrize('follow', [False, True])
def test_atoms_beyond_32_bits_are_found_the_same(follow, monkeypatch):
    from mmacda.ops.backends.triton import band, plan
    results = []
    for first in (2**31, 0):
        monkeypatch.setattr(band, 'FIRST_WIDE', first)
        plan._cached_plan.cache_clear()
        call = Call(CASES[0], torch.float16)
        z = call.features_of(call.x, call.size, follow=follow)
        dz = torch.ones(*call.size, call.case.num_atoms,
                        call.case.in_channels, dtype=torch.float16)
        results.append((z, call.grad_alpha(dz)))
    assert all(map(torch.equal, *results))


@pytest.mark.parametrize('kernel', ['convolve', 'correlate'])
def test_chunks_of_rows_are_the_rows_of_a_whole(kernel):
    case = CASES[0]
    call = Call(case, torch.float32)
    height, width = case.out_size
    size, rows = (1, height - 2, width), slice(2, height)
    if kernel == 'convolve':
        atoms = call.compose(call.alpha[..., rows, :], size)
        part = call.features_of(call.x, size, 2, 2, atoms, size)
        whole = call.features_of(call.x, call.size)[..., rows, :]
    else:
        dz = torch.randn(height, width, case.num_atoms * case.in_channels)
        part = call.as_maps(
            call.sum_atoms(dz[2:].contiguous(), size, 2), size)
        whole = call.as_maps(call.sum_atoms(dz), call.size)[..., rows, :]
    assert torch.equal(part, whole)


def test_gathering_needs_only_the_rows_that_are_seen():
    case = CASES[0]
    call = Call(case, torch.float32)
    height, width = case.size
    whole = call.features_of(call.x, (1, height, width), follow=True)
    last = height - 1
    first = last - 3
    size = 1, height - first, width
    atoms = call.compose(call.alpha[..., first:, :], size)
    part = call.features_of(call.x, (1, 1, width), last, first, atoms, size,
                            True)
    assert torch.equal(part, whole[..., last:, :])


@pytest.mark.filterwarnings('ignore:invalid value')
@pytest.mark.filterwarnings('ignore:overflow')
@pytest.mark.parametrize('value, follow', [
    ('inf', False), ('nan', False), ('-inf', True)])
def test_infinity_stays_where_filters_reach(value, follow):
    """0 * Inf is NaN: what no filter reaches must not be multiplied."""
    value = float(value)
    case = Case('inf', 1, 20, 16, (6, 7), (3, ), padding=(1, 1), num_atoms=6)
    call = Call(case, torch.float16)
    plain = call.features_of(call.x, call.size, follow=follow)
    place = 0, 3, 3, 5
    call.x[place] = value
    spoiled = call.features_of(call.x, call.size, follow=follow)
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
    plain = call.features_of(call.x, call.size)
    call.alpha[0, 2, 3, 1, 4] = float('inf')
    spoiled = call.features_of(call.x, call.size)
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
    found = call.grad_alpha(dz)
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
    call = Call(case, dtype, 'FmaSteps')
    plain = Case(**dict(vars(case), groups=1))
    features = convolve_plainly(plain, *call.exact, call.psi)
    generator = torch.Generator().manual_seed(1)
    dz = torch.randn(features.shape, generator=generator).to(dtype)
    expected, = torch.autograd.grad(features, call.exact[1], dz.double())
    # (pixels, G * m * C/G)
    groups = dz.unflatten(2, (case.groups, -1)).permute(0, 4, 5, 2, 1, 3)
    found = call.grad_alpha(groups.contiguous())
    assert relative_error(found, expected) < limit(dtype)


def make(hidden, generator):
    from mmacda.ops.backends import triton
    return triton._stand_in(hidden, generator)


@DTYPES
@pytest.mark.parametrize('layout', ['contiguous', 'channels_last', 'sliced'])
def test_generated_atoms_equal_the_definition(layout, dtype):
    from mmacda.ops.backends.triton.generated import MadeGradient
    case = Case('generated', 2, 4, 4, (3, 5), (3, 5), padding=(2, 2),
                num_atoms=9)
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(2, 20, 3, 5, generator=generator).to(dtype)
    hidden = LAYOUTS[layout](hidden)
    matrix = torch.randn(9 * 12, 21, generator=generator).div(4).to(dtype)
    leaves = [t.double().requires_grad_() for t in (hidden, matrix)]
    made, making = make(hidden, Generator(matrix, 9))
    call = Call(case, dtype, 'FmaSteps', (made, making))
    alpha = reference.generate_coefficients(*leaves, 9)
    expected = reference.compose_atoms(
        alpha, call.psi)[:, :, call.bases.live]
    atoms = call.compose(made)
    found = call.as_maps(atoms, call.size)
    assert relative_error(found, expected.detach()) < limit(dtype)

    upstream = torch.randn(atoms.shape, generator=generator)
    grads = torch.autograd.grad(expected, leaves,
                                call.as_maps(upstream, call.size).double())
    grad_hidden = torch.full_like(hidden, float('nan'))
    gradient = MadeGradient(made, grad_hidden[:, None], True)
    call.steps._decompose_generated(call.size)(None, upstream, gradient)
    assert relative_error(grad_hidden, grads[0]) < limit(dtype)
    found = gradient.of_matrix(matrix)
    assert found.dtype == dtype
    assert relative_error(found, grads[1]) < limit(dtype)


@pytest.mark.parametrize('tanh', [True, False])
def test_generated_atoms_of_hidden_maps_without_their_norm(tanh):
    case = Case('generated', 1, 4, 4, (3, 5), (3, ), num_atoms=2)
    hidden, matrix = torch.randn(1, 5, 3, 5), torch.randn(12, 6)
    generator = Generator(matrix, 2, tanh, torch.rand(2, 5) + 0.5)
    made = make(hidden, generator)
    call = Call(case, torch.float32, 'FmaSteps', made)
    expected = reference.compose_atoms(
        generator.coefficients(hidden), call.psi)[:, :, call.bases.live]
    assert relative_error(
        call.as_maps(call.compose(made[0]), call.size), expected) < 1e-5


@pytest.mark.filterwarnings('ignore:overflow')
def test_tanh_in_a_tile_is_exact_over_its_whole_range():
    """Read back through an atom of one tap."""
    case = Case('tanh', 1, 1, 1, (1, 405), None, 1, padding=(0, 0),
                num_atoms=1)
    values = torch.linspace(-12, 12, 401)
    values = torch.cat((values, torch.tensor([1e30, -1e30, 1e-30, 0.])))
    made = make(values.view(1, 1, 1, -1), Generator(torch.tensor([[1., 0.]]),
                                                    1))
    atoms = Call(case, torch.float32, 'FmaSteps', made).compose(made[0])
    expected = values.double().tanh()
    error = (atoms[0, :, 0].double() - expected).abs()
    assert (error <= 3e-7 * expected.abs()).all()
