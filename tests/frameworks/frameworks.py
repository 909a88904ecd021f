"""How each framework's own tools are run on the data written here."""
from pathlib import Path
from typing import Callable, Dict, NamedTuple

from tests.frameworks import tiny_data

# How ACDA comes into a model.
BACKBONE, CONV_CFG, REPLACEMENT = 'backbone', 'conv_cfg', 'replacement'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
RANDOM_BACKBONE = 'model = dict(backbone=dict(init_cfg=None))'


class Framework(NamedTuple):
    """A framework of OpenMMLab, and what a short training with it takes."""
    package: str  # import name
    configs: Dict[str, str]  # below configs/, and how ACDA comes in
    write: Callable  # writes the data into a folder, returns an image
    options: Callable  # of a data folder: options for --cfg-options
    own: str  # lines of a user's config: weights of no download, small data
    epochs: bool  # trainings are counted in epochs, else in iterations
    ddp: Dict[str, object] = {}  # options that go with two processes
    amp: Dict[str, object] = {}  # options that go with --amp
    note: str = ''  # below the table of all tries

    @property
    def tools(self) -> Path:
        """The folder of the framework's own train.py and test.py."""
        from importlib.util import find_spec
        folder = Path(find_spec(self.package).origin).parent / '.mim/tools'
        assert folder.is_dir(), folder
        return folder

    def length(self, epochs: int) -> Dict[str, object]:
        """Options for a training of so many epochs of two iterations."""
        if self.epochs:
            return {
                'train_cfg.max_epochs': epochs,
                'train_cfg.val_interval': 1,
                'default_hooks.checkpoint.interval': 1
            }
        return {
            'train_cfg.max_iters': 2 * epochs,
            'train_cfg.val_interval': 2,
            'default_hooks.checkpoint.interval': 2
        }

    def checkpoint(self, epochs: int) -> str:
        return f'epoch_{epochs}.pth' if self.epochs \
            else f'iter_{2 * epochs}.pth'


def _detection(root):
    return {
        # An untrained detector finds nothing above any threshold.
        'model.test_cfg.score_thr': 0.,
        'model.test_cfg.rcnn.score_thr': 0.,
        **{f'{loader}.dataset.data_root': f'{root}/' for loader in LOADERS},
        'train_dataloader.dataset.pipeline.2.scale': '(96,96)',
        'val_dataloader.dataset.pipeline.1.scale': '(96,96)',
        'test_dataloader.dataset.pipeline.1.scale': '(96,96)',
        **{f'{kind}_evaluator.ann_file':
            f'{root}/annotations/instances_val2017.json'
           for kind in ('val', 'test')}
    }


def _segmentation(root):
    return {
        **{f'{loader}.dataset.data_root': root for loader in LOADERS},
        'train_dataloader.dataset.pipeline.2.scale': '(128,64)',
        'train_dataloader.dataset.pipeline.2.ratio_range': '(1.0,1.5)',
        'train_dataloader.dataset.pipeline.3.crop_size': '(64,64)',
        'model.data_preprocessor.size': '(64,64)',
        'val_dataloader.dataset.pipeline.1.scale': '(128,64)',
        'test_dataloader.dataset.pipeline.1.scale': '(128,64)',
        'val_dataloader.batch_size': 1,
        'test_dataloader.batch_size': 1
    }


def _pose(root):
    return {
        **{f'{loader}.dataset.data_root': f'{root}/' for loader in LOADERS},
        **{f'{kind}_dataloader.dataset.bbox_file': 'None'
           for kind in ('val', 'test')},
        **{f'{kind}_evaluator.ann_file':
            f'{root}/annotations/person_keypoints_val2017.json'
           for kind in ('val', 'test')},
        'default_hooks.checkpoint.save_best': 'None'
    }


def _classification(root):
    return {
        **{f'{loader}.dataset.data_root': root for loader in LOADERS},
        'train_dataloader.dataset.pipeline.1.scale': 64,
        **{f'{loader}.dataset.pipeline.{key}': value
           for loader in LOADERS[1:]
           for key, value in {'1.scale': 72, '2.crop_size': 64}.items()}
    }


def _restoration(root):
    return {
        **{f'{loader}.dataset.data_root': root for loader in LOADERS},
        'model.generator.num_blocks': 1,
        'model.generator.mid_channels': 8,
        'default_hooks.checkpoint.out_dir': 'None',
        'default_hooks.checkpoint.save_best': 'None'
    }


# EDSR is tested on three sets, and both crop more than the pictures have.
RESTORED = '''
test_dataloader = dict(_delete_=True, **_base_.val_dataloader)
test_evaluator = dict(_delete_=True, **_base_.val_evaluator)
train_pipeline = _base_.train_pipeline
for step in train_pipeline:
    if step['type'] == 'PairedRandomCrop':
        step['gt_patch_size'] = 24
del step
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
'''

FRAMEWORKS = dict(
    mmpretrain=Framework(
        'mmpretrain', {
            'ad_resnet/ad-resnet-s_8xb32_in1k': BACKBONE,
            'resnet/resnet18-acda_8xb32_in1k': CONV_CFG,
            'replace/resnet50-acda_8xb32_in1k': REPLACEMENT
        }, tiny_data.write_imagenet, _classification, '', True),
    mmdet=Framework(
        'mmdet', {
            'mmdet/retinanet_ad-resnet-s_fpn_1x_coco': BACKBONE,
            'mmdet/faster-rcnn_ad-resnet-m_fpn_1x_coco': BACKBONE,
            'mmdet/retinanet_r50_fpn_acda-head_1x_coco': CONV_CFG,
            'mmdet/faster-rcnn_r50-acda_fpn_1x_coco': REPLACEMENT
        }, tiny_data.write_coco, _detection,
        RANDOM_BACKBONE, True),
    mmseg=Framework(
        'mmseg', {
            'mmseg/fcn_ad-resnet-s-d8_4xb4-80k_ade20k-512x512': BACKBONE,
            'mmseg/upernet_ad-resnet-m_4xb4-80k_ade20k-512x512': BACKBONE,
            'mmseg/fcn_r50-d8_acda-head_4xb4-80k_ade20k-512x512': CONV_CFG,
            'mmseg/fcn_r50-d8-acda_4xb4-80k_ade20k-512x512': REPLACEMENT
        }, tiny_data.write_ade, _segmentation,
        'model = dict(pretrained=None)', False,
        ddp={
            # SyncBN's processes need GPUs; and UPerNet pools to one pixel,
            # of which a batch norm wants two.
            **{f'model.{part}.norm_cfg.type': 'BN'
               for part in ('backbone', 'decode_head', 'auxiliary_head')},
            'train_dataloader.batch_size': 2
        }),
    mmpose=Framework(
        'mmpose', {
            'mmpose/td-hm_ad-resnet-s_8xb64-210e_coco-256x192': BACKBONE,
            'mmpose/td-hm_res50_acda-head_8xb64-210e_coco-256x192': CONV_CFG,
            'mmpose/td-hm_res50-acda_8xb64-210e_coco-256x192': REPLACEMENT
        }, tiny_data.write_coco, _pose, RANDOM_BACKBONE, True,
        # It computes an accuracy in NumPy, which has no bfloat16.
        amp={'optim_wrapper.dtype': 'float16'}),
    mmagic=Framework(
        'mmagic', {
            'real_sr/acda-restorer_realsr-v2-x4': BACKBONE,
            'replace/edsr-acda_x2c64b16_1xb16-300k_div2k': REPLACEMENT
        }, tiny_data.write_restoration, _restoration, RESTORED, False,
        note="mmagic's restorers take no `conv_cfg`."))
