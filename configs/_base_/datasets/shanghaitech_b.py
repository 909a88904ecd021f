# ShanghaiTech part B: 400 images to train, 316 to test, of 768 x 1024. The
# paper does not give its crop and batch size; 512 and 10 are DM-Count's.
_base_ = './shanghaitech_a.py'

train_pipeline = [
    dict(step, crop_size=512) if step['type'] == 'RandomCropCrowd' else step
    for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(part='B', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(part='B'))
test_dataloader = dict(dataset=dict(part='B'))
