# CIFAR-10 as folders of JPEGs, train/<class>/*.jpg and test/<class>/*.jpg: a
# lossy copy, not comparable to the last digit with the original.
dataset_type = 'CustomDataset'
data_root = 'data/cifar10_jpeg'
data_preprocessor = dict(
    num_classes=10,
    # CIFAR-10's, in RGB order.
    mean=[125.307, 122.961, 113.8575],
    std=[51.5865, 50.847, 51.255],
    to_rgb=True)

load_image = dict(
    type='KeepLoaded', transform=dict(type='LoadImageFromFile'))
train_pipeline = [
    load_image,
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [load_image, dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix='train',
        pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=200,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix='test',
        pipeline=test_pipeline,
        test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Accuracy', topk=(1, ))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
