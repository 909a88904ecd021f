# scikit-image's photographs with the noise of a camera, in SIDD's layout:
# written on first use, read whole and kept in memory.
_base_ = './sidd.py'

load = dict(type='LoadImagePair', cache=True)
crop = dict(type='PairedRandomCrop', gt_patch_size=64)
pairs = dict(
    type='BasicImageDataset',
    filename_tmpl=dict(img='{}_NOISY_SRGB_010', gt='{}_GT_SRGB_010'),
    search_key='img',
    recursive=True)
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='Photographs',
        layout='sidd',
        dataset=dict(
            metainfo=dict(
                dataset_type='photographs_train', task_name='denoising'),
            data_prefix=dict(img='train/Data', gt='train/Data'),
            pipeline=[load, crop, *_base_.train_pipeline[2:]],
            **pairs)))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='Photographs',
        layout='sidd',
        dataset=dict(
            metainfo=dict(
                dataset_type='photographs_test', task_name='denoising'),
            data_prefix=dict(img='test/Data', gt='test/Data'),
            pipeline=[load, *_base_.val_pipeline[1:]],
            **pairs)))
test_dataloader = val_dataloader
