_base_ = './acda-restorer_photographs-noise.py'

# The S-Net is narrower than VDNet's, and the variances start at their prior:
# from 1, where the original starts, the way down takes longer than this
# whole training.
model = dict(
    type='VariationalDenoiser',
    generator=dict(out_channels=6),
    noise_net=dict(type='VDNNoiseNet', mid_channels=16),
    pixel_loss=dict(
        _delete_=True, type='VariationalDenoisingLoss', prior_variance=1e-6),
    start_at_prior=True)

optim_wrapper = dict(
    type='SeparateClipOptimWrapper',
    clip_grad=dict(denoiser=1e4, noise=1e3),
    tighten_interval=500,
    paramwise_cfg=dict(
        custom_keys={
            'generator.': dict(clip_group='denoiser'),
            'noise_net.': dict(clip_group='noise')
        }))
