# The paper's network for real-world restoration with a mean squared error.
model = dict(
    type='BaseEditModel',
    generator=dict(
        type='ACDARestorer',
        act_cfg=dict(type='LeakyReLU', negative_slope=0.2, inplace=True)),
    pixel_loss=dict(type='MSELoss', loss_weight=1.0, reduction='mean'),
    train_cfg=dict(),
    test_cfg=dict(),
    data_preprocessor=dict(
        type='DataPreprocessor',
        # Centred images and leaky ReLUs: with images in [0, 1] and ReLUs the
        # network's first steps switch most of its channels off for good.
        mean=[127.5, 127.5, 127.5],
        std=[255., 255., 255.],
        output_channel_order='RGB'))
