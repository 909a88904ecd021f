# Ad-ResNet-s for ImageNet-1k.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='AdResNet', arch='s', out_indices=(3, )),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        topk=(1, 5)))
