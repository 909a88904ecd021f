"""Every config on disk builds its model and trains one step.

The data is written here, in the format that the config's dataset reads. To
add a family whose dataset is new, add its writer to ``WRITERS``.
"""
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, MODELS, RUNNERS
from mmengine.runner import Runner
from PIL import Image

from tests.box_layouts import write_picture, write_voc
from tests.crowd_layouts import write_nwpu, write_shanghaitech, write_ucf_qnrf

CONFIGS = Path(__file__).parents[2] / 'configs'
# Families whose configs are trained by a test of their own, next to this one.
OWN_TESTS = dict(
    denoising='test_denoising_configs.py',
    mmdet='../frameworks/test_mmdet.py',
    mmpose='../frameworks/test_mmpose.py',
    mmseg='../frameworks/test_mmseg.py',
    real_sr='test_real_sr_configs.py',
    replace='test_replace_configs.py')
BATCH, SIDE = 2, 64


def find_configs():
    paths = sorted(path for path in CONFIGS.rglob('*.py')
                   if '_base_' not in path.parts)
    return [path.relative_to(CONFIGS).as_posix() for path in paths]


def write_image(path, rng):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (SIDE + 8, SIDE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_imagenet(root, monkeypatch):
    rng = np.random.default_rng(0)
    (root / 'meta').mkdir(parents=True)
    for split in ('train', 'val'):
        lines = []
        for i in range(BATCH):
            write_image(root / split / f'{i}.JPEG', rng)
            lines.append(f'{i}.JPEG {i}\n')
        (root / 'meta' / f'{split}.txt').write_text(''.join(lines),
            encoding='utf-8')


def write_cifar(root, monkeypatch, dataset, label_key):
    """Batches of ``BATCH`` images; the dataset's checksums become theirs."""
    rng = np.random.default_rng(0)
    folder = root / dataset.base_folder
    folder.mkdir(parents=True)
    for name in ('train_list', 'test_list'):
        file = getattr(dataset, name)[0][0]
        batch = {
            'data': rng.integers(0, 256, (BATCH, 3072), dtype=np.uint8),
            label_key: list(range(BATCH))
        }
        content = pickle.dumps(batch)
        (folder / file).write_bytes(content)
        checksum = hashlib.md5(content).hexdigest()
        monkeypatch.setattr(dataset, name, [[file, checksum]])


def write_cifar10(root, monkeypatch):
    from mmpretrain.datasets import CIFAR10
    write_cifar(root, monkeypatch, CIFAR10, 'labels')


def write_cifar100(root, monkeypatch):
    from mmpretrain.datasets import CIFAR100
    write_cifar(root, monkeypatch, CIFAR100, 'fine_labels')


def write_crowd_parts(root, monkeypatch):
    for part in ('part_A_final', 'part_B_final'):
        write_shanghaitech(root, part=part)


def write_synthetic_crowd(root, monkeypatch):
    """The dataset draws it; a few images do."""
    from mmacda.datasets import SyntheticCrowd
    monkeypatch.setattr(SyntheticCrowd, 'NUM_IMAGES', dict(train=3, test=1))


def write_class_folders(root, monkeypatch):
    for split in ('train', 'test'):
        for i in range(BATCH):
            write_picture(root / split / f'class{i}' / '0.jpg', (32, 32))


def write_cells(root, monkeypatch):
    for split in ('train', 'val'):
        write_voc(
            root, [[('RBC', (4, 4, 30, 30))]] * BATCH, split,
            size=(SIDE + 8, SIDE))


def write_photographs(root, monkeypatch):
    for index in range(BATCH):
        write_picture(root / f'{index}.png', (72, 70))


WRITERS = dict(
    BasicImageDataset=write_photographs,
    CustomDataset=write_class_folders, VOCCounting=write_cells,
    ImageNet=write_imagenet, CIFAR10=write_cifar10, CIFAR100=write_cifar100,
    ShanghaiTech=write_crowd_parts, SyntheticCrowd=write_synthetic_crowd,
    UCFQNRF=lambda root, monkeypatch: write_ucf_qnrf(root),
    NWPUCrowd=lambda root, monkeypatch: write_nwpu(root))


def find_datasets(node):
    """The innermost dataset configs below a data loader's."""
    if isinstance(node, dict):
        if 'dataset' not in node and 'datasets' not in node:
            return [node]
        node = node.get('dataset', node.get('datasets'))
    if isinstance(node, (list, tuple)):
        return [found for item in node for found in find_datasets(item)]
    return find_datasets(node)


def shrink_pipeline(pipeline):
    for step in pipeline:
        for key in ('scale', 'crop_size'):
            if isinstance(step.get(key), int) and step[key] > SIDE:
                step[key] = SIDE
        if step['type'] == 'ResizeCrowd':
            step['shorter_side'] = (SIDE, SIDE)


def write_pretrained(cfg, root):
    """The checkpoint that a counter's backbone starts from."""
    init_cfg = cfg.model.get('backbone', {}).get('init_cfg')
    if cfg.model.type != 'DensityCounter' or init_cfg is None:
        return
    backbone = MODELS.build(cfg.model.backbone)
    init_cfg.checkpoint = str(root / 'pretrained.pth')
    torch.save(
        dict(state_dict={
            init_cfg.prefix + key: value
            for key, value in backbone.state_dict().items()
        }), init_cfg.checkpoint)


def prepare(cfg, root, monkeypatch):
    """Point a config at written data and cut it to one iteration."""
    written = set()
    write_pretrained(cfg, root)
    for key in ('train_dataloader', 'val_dataloader'):
        loaders = cfg.get(key) or []
        for loader in loaders if isinstance(loaders, list) else [loaders]:
            loader.update(
                batch_size=BATCH, num_workers=0, persistent_workers=False)
            for dataset in find_datasets(loader):
                shrink_pipeline(dataset.get('pipeline', []))
                kind = dataset.type.split('.')[-1]
                if not dataset.get('data_root'):  # ships its data
                    if issubclass(DATASETS.get(kind), BaseDataset):
                        dataset.indices = BATCH
                    continue
                if key == 'train_dataloader' and kind == 'NWPUCrowd':
                    dataset.indices = BATCH
                if kind not in WRITERS:
                    pytest.fail(f'add a writer of {kind} data to WRITERS')
                if kind not in written:
                    WRITERS[kind](root / kind, monkeypatch)
                    written.add(kind)
                dataset.data_root = str(root / kind)
    limit = 'max_epochs' if cfg.train_cfg.get('by_epoch') else 'max_iters'
    cfg.train_cfg.update({limit: 1, 'val_interval': 1})
    hook = cfg.setdefault('default_hooks', ConfigDict()).get('checkpoint')
    if hook is not None:
        hook.update(interval=-1, save_best=None, save_last=False)
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.work_dir = str(root / 'work_dir')
    cfg.launcher = 'none'


def test_there_are_configs():
    families = {Path(name).parts[0] for name in find_configs()}
    assert 'ad_resnet' in families
    for family, test in OWN_TESTS.items():
        assert family not in families or (Path(__file__).parent /
                                          test).is_file()


@pytest.mark.parametrize('name', [
    name for name in find_configs() if Path(name).parts[0] not in OWN_TESTS
])
def test_config_trains_one_step(name, tmp_path, monkeypatch):
    cfg = Config.fromfile(CONFIGS / name)
    pytest.importorskip(cfg.get('default_scope', 'mmengine'))
    prepare(cfg, tmp_path, monkeypatch)
    torch.manual_seed(0)
    runner = (
        RUNNERS.build(cfg)
        if 'runner_type' in cfg else Runner.from_cfg(cfg))
    model, before, losses = runner.model, [], []
    train_step = model.train_step

    def record_step(*args, **kwargs):
        before.extend(p.detach().clone() for p in model.parameters())
        losses.append(train_step(*args, **kwargs))
        return losses[-1]

    monkeypatch.setattr(model, 'train_step', record_step)
    runner.train()
    assert runner.iter == len(losses) == 1
    assert all(torch.as_tensor(value).isfinite().all()
               for value in losses[0].values())
    after = list(model.parameters())
    assert all(p.isfinite().all() for p in after)
    assert not all(map(torch.equal, before, after))
