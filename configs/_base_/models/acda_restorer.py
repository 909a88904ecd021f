# The paper's network for real-world restoration with a mean squared error.
model = dict(
    type='BaseEditModel',
    generator=dict(type='ACDARestorer'),
    pixel_loss=dict(type='MSELoss', loss_weight=1.0, reduction='mean'),
    train_cfg=dict(),
    test_cfg=dict(),
    data_preprocessor=dict(
        type='DataPreprocessor',
        mean=[0., 0., 0.],
        std=[255., 255., 255.],
        output_channel_order='RGB'))
