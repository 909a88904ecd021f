"""VDNet's loss against its definition, and the model around it."""
import math
import sys

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from scipy import stats
from scipy.special import digamma, gammaln
from torch.distributions import Gamma, Normal, kl_divergence

from mmacda.models.losses import (VariationalDenoisingLoss,
                                  gaussian_likelihood, kl_clean_image,
                                  kl_noise_variance, local_noise_variance)

SHAPE = (2, 3, 9, 11)


def full(value):
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def random(seed, low, high, shape=SHAPE):
    generator = torch.Generator().manual_seed(seed)
    unit = torch.rand(shape, generator=generator, dtype=torch.float64)
    return low + (high - low) * unit


@pytest.fixture
def posteriors():
    """Plausible predictions: noise, log variance, log alpha, log beta."""
    return (random(0, -0.1, 0.1), random(1, -15, -6), random(2, 1, 4),
            random(3, -6, 0))


def test_golden_values():
    """One pixel: y .6, x .5, r .09, m2 = eps2 = 1e-6, alpha 20, beta .2."""
    log_alpha, log_beta = full(math.log(20)), full(math.log(0.2))
    log_variance = full(math.log(1e-6))
    likelihood = gaussian_likelihood(
        full(0.09), log_variance, log_alpha, log_beta)
    image = kl_clean_image(full(0.09), log_variance, full(0.1), 1e-6)
    noise = kl_noise_variance(log_alpha, log_beta, 23.5, full(0.245))
    assert likelihood.item() == pytest.approx(-0.9659924, abs=1e-6)
    assert image.item() == pytest.approx(50.0, abs=1e-6)
    assert noise.item() == pytest.approx(0.0276663, abs=1e-6)
    assert (likelihood + image + noise).item() == pytest.approx(
        49.0616737, abs=1e-6)


def test_golden_values_through_the_registered_loss():
    """The same pixel everywhere: the window sees a constant xi of .01."""
    loss = MODELS.build(dict(type='VariationalDenoisingLoss'))
    values = [v.expand(1, 1, 5, 6) for v in (
        full(0.09), full(math.log(1e-6)), full(math.log(20)),
        full(math.log(0.2)), full(0.6), full(0.5))]
    found = loss(values[:2], values[2:4], *values[4:])
    expected = dict(
        loss_likelihood=-0.9659924, loss_kl_image=50.0,
        loss_kl_noise=0.0276663)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, abs=1e-6), name


def test_likelihood_is_the_expected_negative_log_likelihood():
    """By drawing the clean image and the noise variance."""
    alpha, beta, noise, variance = 6., 0.08, 0.05, 4e-4
    rng = np.random.default_rng(0)
    sigma2 = stats.invgamma(alpha, scale=beta).rvs(400_000, random_state=rng)
    residual = noise + math.sqrt(variance) * rng.standard_normal(400_000)
    drawn = -stats.norm.logpdf(residual, scale=np.sqrt(sigma2))
    found = gaussian_likelihood(
        full(noise), full(math.log(variance)), full(math.log(alpha)),
        full(math.log(beta)))
    error = 5 * drawn.std() / math.sqrt(drawn.size)
    assert found.item() == pytest.approx(drawn.mean(), abs=error)


def test_likelihood_formula(posteriors):
    noise, log_m2, log_alpha, log_beta = (p.numpy() for p in posteriors)
    alpha, beta = np.exp(log_alpha), np.exp(log_beta)
    expected = 0.5 * np.log(2 * np.pi) + np.mean(
        0.5 * (log_beta - digamma(alpha) +
               (noise**2 + np.exp(log_m2)) * alpha / beta))
    assert gaussian_likelihood(*posteriors).item() == pytest.approx(expected)


def test_kl_of_the_image_is_torch_s(posteriors):
    noise, log_variance = posteriors[:2]
    true_noise, prior = random(4, -0.1, 0.1), 5e-5
    ours = kl_clean_image(noise, log_variance, true_noise, prior)
    theirs = kl_divergence(
        Normal(-noise, (log_variance / 2).exp()),
        Normal(-true_noise, math.sqrt(prior)))
    assert ours.item() == pytest.approx(theirs.mean().item(), rel=1e-9)


def test_kl_of_the_noise_is_torch_s(posteriors):
    """The divergence of inverse gammas is that of the gammas of 1 / x."""
    log_alpha, log_beta = posteriors[2:]
    prior_beta = random(5, 0.01, 0.5)
    ours = kl_noise_variance(log_alpha, log_beta, 23.5, prior_beta)
    theirs = kl_divergence(
        Gamma(log_alpha.exp(), log_beta.exp()),
        Gamma(torch.full_like(prior_beta, 23.5), prior_beta))
    assert ours.item() == pytest.approx(theirs.mean().item(), rel=1e-9)


def test_kl_of_the_noise_formula(posteriors):
    log_alpha, log_beta = (p.numpy() for p in posteriors[2:])
    alpha, beta, beta0 = np.exp(log_alpha), np.exp(log_beta), 0.2
    expected = ((alpha - 23.5) * digamma(alpha) + gammaln(23.5) -
                gammaln(alpha) + 23.5 * (log_beta - np.log(beta0)) +
                beta0 * alpha / beta - alpha).mean()
    found = kl_noise_variance(*posteriors[2:], 23.5, full(beta0))
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('radius', [1, 3])
def test_noise_variance_is_opencv_s_blur(radius):
    import cv2
    noisy, clean = random(6, 0, 1), random(7, 0, 1)
    found = local_noise_variance(noisy, clean, radius).numpy()
    side = 2 * radius + 1
    for squared, result in zip((noisy - clean).square().numpy(), found):
        expected = cv2.GaussianBlur(
            squared.transpose(1, 2, 0), (side, side), radius,
            borderType=cv2.BORDER_REFLECT_101)
        np.testing.assert_allclose(
            result, expected.transpose(2, 0, 1), rtol=1e-9)


def test_noise_variance_keeps_the_mean_of_white_noise():
    noise = 0.1 * torch.randn(
        1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    found = local_noise_variance(noise, torch.zeros_like(noise))
    assert found.mean().item() == pytest.approx(0.01, rel=0.05)
    assert found.std() < noise.square().std()


def test_noise_variance_has_a_floor():
    image = random(0, 0, 1)
    assert (local_noise_variance(image, image) == 1e-10).all()


def test_prior_has_its_mode_at_the_noise_variance():
    """Alpha0 and beta0, found as the minimum of the KL term."""
    loss = VariationalDenoisingLoss()
    noisy = torch.full((1, 1, 7, 7), 0.1, dtype=torch.float64)
    alpha = torch.full_like(noisy, math.log(23.5)).requires_grad_()
    beta = torch.full_like(noisy, math.log(49 * 0.01 / 2)).requires_grad_()
    zero = torch.zeros_like(noisy)
    value = loss((zero, zero), (alpha, beta), noisy, zero)['loss_kl_noise']
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert alpha.grad.abs().max() < 1e-12 and beta.grad.abs().max() < 1e-12
    grid = np.linspace(0.005, 0.02, 3001)
    density = stats.invgamma(23.5, scale=49 * 0.01 / 2).pdf(grid)
    assert grid[density.argmax()] == pytest.approx(0.01, abs=1e-5)


def loss_of(posteriors, seed=8):
    noisy = random(seed, 0, 1)
    clean = noisy - random(seed + 1, -0.1, 0.1)
    terms = VariationalDenoisingLoss()(
        posteriors[:2], posteriors[2:], noisy, clean)
    return sum(terms.values())


def test_gradients(posteriors):
    inputs = [p[:1, :1, :5, :4].clone().requires_grad_() for p in posteriors]
    noisy, clean = random(8, 0, 1, (1, 1, 5, 4)), random(9, 0, 1, (1, 1, 5, 4))

    def terms(*values):
        found = VariationalDenoisingLoss(prior_variance=0.01)(
            values[:2], values[2:], noisy, clean)
        return tuple(found.values())

    assert torch.autograd.gradcheck(terms, inputs)


def test_no_gradient_outside_the_range_of_logarithms(posteriors):
    values = [p.clone() for p in posteriors]
    for value, outside in zip(values[1:], (-19., 9.3, -18.5)):
        value[0, 0, 0, 0] = outside
    values = [v.requires_grad_() for v in values]
    loss_of(values).backward()
    for value in values[1:]:
        assert value.grad[0, 0, 0, 0] == 0
        assert value.grad.count_nonzero() == value.numel() - 1


def test_float32_is_close_to_float64(posteriors):
    exact = loss_of(posteriors).item()
    noisy = random(8, 0, 1)
    clean = noisy - random(9, -0.1, 0.1)
    single = [v.float() for v in (*posteriors, noisy, clean)]
    found = VariationalDenoisingLoss()(single[:2], single[2:4], *single[4:])
    assert sum(found.values()).item() == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize('options, message', [
    (dict(prior_variance=0.), 'prior_variance must be positive'),
    (dict(radius=0), 'radius must be at least 1'),
])
def test_bad_options_of_the_loss(options, message):
    with pytest.raises(ValueError, match=message):
        VariationalDenoisingLoss(**options)


def test_bad_images():
    with pytest.raises(ValueError, match='one shape'):
        local_noise_variance(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))
    with pytest.raises(ValueError, match='larger than the radius of 3'):
        local_noise_variance(torch.rand(1, 3, 8, 3), torch.rand(1, 3, 8, 3))


def test_original_networks_have_their_parameters():
    """D-Net 7,700,742 and S-Net 116,038, counted in the original."""
    counts = [
        sum(p.numel() for p in MODELS.build(dict(type=name)).parameters())
        for name in ('VDNUNet', 'VDNNoiseNet')
    ]
    assert counts == [7_700_742, 116_038]


@pytest.mark.parametrize('size', [(8, 16), (13, 21), (1, 9)])
def test_unet_takes_any_size(size):
    torch.manual_seed(0)
    network = MODELS.build(dict(type='VDNUNet', base_channels=4))
    assert network(torch.rand(1, 3, *size)).shape == (1, 6, *size)


def test_unet_repeats_the_border_of_other_sizes():
    torch.manual_seed(0)
    network = MODELS.build(dict(type='VDNUNet', base_channels=4)).double()
    image = random(0, 0, 1, (1, 3, 13, 21))
    padded = torch.nn.functional.pad(image, (0, 3, 0, 3), mode='replicate')
    torch.testing.assert_close(
        network(image), network(padded)[..., :13, :21])


def test_noise_net_needs_two_convolutions():
    with pytest.raises(ValueError, match='at least 2'):
        MODELS.build(dict(type='VDNNoiseNet', num_convs=1))


def build_model(generator=None, **options):
    pytest.importorskip('mmagic')
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='VariationalDenoiser',
            generator=generator or dict(type='VDNUNet', base_channels=4),
            noise_net=dict(type='VDNNoiseNet', mid_channels=4),
            data_preprocessor=dict(
                type='mmagic.DataPreprocessor', mean=[0.] * 3,
                std=[255.] * 3),
            **options))


class Samples:
    """What the data preprocessor hands over in training."""

    def __init__(self, clean):
        self.gt_img = clean


def test_builder_gives_a_model_of_mmagic():
    model = build_model()
    from mmagic.models import BaseEditModel

    from mmacda.models.restoration.variational_denoiser import \
        VariationalDenoiser
    assert type(model) is VariationalDenoiser
    assert isinstance(model, BaseEditModel)


def test_missing_mmagic_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmagic', None)
    with pytest.raises(ImportError, match=r"pip install 'mmacda\[mmagic\]'"):
        MODELS.build(dict(type='VariationalDenoiser', generator=None))


@pytest.mark.parametrize('start_at_prior', [False, True])
def test_model_s_loss_is_the_loss_of_its_networks(start_at_prior):
    model = build_model(start_at_prior=start_at_prior)
    noisy, clean = torch.rand(2, 2, 3, 16, 24)
    image = model.generator(noisy).chunk(2, dim=1)
    noise = model.noise_net(noisy).chunk(2, dim=1)
    if start_at_prior:
        image = image[0], image[1] + math.log(1e-6)
        noise = (noise[0] + math.log(23.5),
                 noise[1] + math.log(24.5 * 0.05**2))
    expected = VariationalDenoisingLoss()(image, noise, noisy, clean)
    found = model(noisy, Samples(clean), mode='loss')
    assert set(found) == set(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


@pytest.mark.parametrize('generator', [
    dict(type='VDNUNet', base_channels=4),
    dict(type='ACDARestorer', out_channels=6, mid_channels=8, num_blocks=1),
])
def test_every_parameter_of_both_networks_gets_a_gradient(generator):
    model = build_model(generator)
    losses = model(
        torch.rand(2, 3, 16, 24), Samples(torch.rand(2, 3, 16, 24)),
        mode='loss')
    model.parse_losses(losses)[0].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_inference_takes_the_denoiser_alone():
    model = build_model().eval()
    noisy = torch.rand(1, 3, 13, 10)
    expected = noisy - model.generator(noisy)[:, :3]
    for parameter in model.noise_net.parameters():
        parameter.data.fill_(float('nan'))
    torch.testing.assert_close(model(noisy), expected)
    from mmagic.structures import DataSample
    sample = DataSample(metainfo=dict(img_channel_order='rgb'))
    sample.gt_img = noisy[0] * 255
    output = model.val_step(
        dict(inputs=[noisy[0] * 255], data_samples=[sample]))
    # mmagic's predictions are BGR and clamped to [0, 255].
    torch.testing.assert_close(output[0].output.pred_img,
                               (expected[0] * 255).clamp(0, 255).flip(0))


def test_noise_level_is_the_root_of_the_posterior_mean():
    model = build_model()
    posterior = torch.tensor([[math.log(11.)] * 3 + [math.log(0.4)] * 3])
    model.noise_net.layers[-1].weight.data.zero_()
    model.noise_net.layers[-1].bias.data.copy_(posterior[0])
    level = model.noise_level(torch.rand(1, 3, 5, 4))
    mean = stats.invgamma(11, scale=0.4).mean()
    torch.testing.assert_close(level,
                               torch.full((1, 3, 5, 4), math.sqrt(mean)))
    model.noise_net.layers[-1].bias.data[:3] = 0.  # alpha 1: no mean
    assert model.noise_level(torch.rand(1, 3, 5, 4)).isinf().all()


def test_wrong_number_of_channels_is_named():
    model = build_model(dict(type='VDNUNet', base_channels=4, out_channels=3))
    with pytest.raises(ValueError, match=r'must predict 6 channels'):
        model(torch.rand(1, 3, 8, 8))


def test_half_precision_networks_give_a_float32_loss():
    model = build_model()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(
            torch.rand(1, 3, 16, 16), Samples(torch.rand(1, 3, 16, 16)),
            mode='loss')
    assert all(v.dtype == torch.float32 and v.isfinite()
               for v in losses.values())
