# Ad-ResNet-s without max-pool, so of stride 16, and a density map of stride 2
# (paper, Section 4.2 and A.4). The paper does not give the widths of its
# transposed convolutions; these come nearest to its parameter counts.
model = dict(
    type='DensityCounter',
    data_preprocessor=dict(
        type='ImgDataPreprocessor',
        # ImageNet's, in RGB order.
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=16),
    backbone=dict(type='AdResNet', arch='s', max_pool=False),
    head=dict(
        type='DensityHead',
        in_channels=512,
        channels=(256, 128, 64),
        strides=(2, 2, 2)),
    loss=dict(type='torch.nn.MSELoss'),
    density_factor=100)
