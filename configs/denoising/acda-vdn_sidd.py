# ACDA + VDNet: ACDA's network as the D-Net of VDNet.
_base_ = './acda-restorer_sidd.py'

model = dict(
    type='VariationalDenoiser',
    generator=dict(out_channels=6),
    noise_net=dict(type='VDNNoiseNet'),
    pixel_loss=dict(
        _delete_=True, type='VariationalDenoisingLoss', prior_variance=1e-6))

optim_wrapper = dict(
    type='SeparateClipOptimWrapper',
    clip_grad=dict(denoiser=1e4, noise=1e3),
    tighten_interval=5000,
    paramwise_cfg=dict(
        custom_keys={
            'generator.': dict(clip_group='denoiser'),
            'noise_net.': dict(clip_group='noise')
        }))
