model = dict(
    type='ImageClassifier',
    backbone=dict(type='ACDALeNet', conv_type='conv'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=84,
        loss=dict(type='CrossEntropyLoss')))
