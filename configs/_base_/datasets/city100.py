# City100, iPhone X: printed city views photographed from far and from near,
# aligned and of one size. Pairs 001 to 040 to train, 041 to 050 to test.
_base_ = './realsr.py'

dataset_type = 'BasicImageDataset'
data_root = 'data/City100_iPhoneX'
load = dict(type='LoadImagePair', cache=True)
pairs = dict(
    type=dataset_type,
    data_root=data_root,
    # 001L.PNG and 001H.PNG lie side by side.
    data_prefix=dict(img='', gt=''),
    filename_tmpl=dict(img='{}L', gt='{}H'),
    search_key='img')
train_pairs = tuple(f'{number:03d}L.PNG' for number in range(1, 41))
test_pairs = tuple(f'{number:03d}L.PNG' for number in range(41, 51))

train_pipeline = [
    load,
    dict(type='PairedRandomCrop', gt_patch_size=96),
    *_base_.train_pipeline[2:],
]
val_pipeline = [load, *_base_.val_pipeline[1:]]

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        metainfo=dict(dataset_type='city100_train', task_name='realsr'),
        img_suffix=train_pairs,
        pipeline=train_pipeline,
        **pairs))
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        metainfo=dict(dataset_type='city100_test', task_name='realsr'),
        img_suffix=test_pairs,
        pipeline=val_pipeline,
        **pairs))
test_dataloader = val_dataloader

val_evaluator = dict(metrics=[
    dict(type='RealSRMetric'),
    dict(type='PSNR', convert_to='Y'),
    dict(type='SSIM', convert_to='Y'),
])
test_evaluator = val_evaluator
