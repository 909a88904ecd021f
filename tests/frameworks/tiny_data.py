"""Data of a few images in the layout that each framework's configs read."""
import json

import numpy as np

SIDE = 96
KEYPOINTS = 17


def write_image(path, rng, side=SIDE):
    from PIL import Image
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(path)


def coco_categories():
    """COCO's 80, which mmdet's metric wants complete."""
    try:
        from mmdet.datasets import CocoDataset
    except ImportError:
        return []
    return [
        dict(id=n, name=name, supercategory=name)
        for n, name in enumerate(CocoDataset.METAINFO['classes'], 1)
    ]


def write_coco(root, images=4):
    """Boxes and keypoints of persons, as COCO 2017 lays them out."""
    rng = np.random.default_rng(0)
    (root / 'annotations').mkdir(parents=True)
    for split in ('train', 'val'):
        infos, annotations = [], []
        for n in range(images):
            name = f'{n:012}.jpg'
            write_image(root / f'{split}2017' / name, rng)
            infos.append(
                dict(id=n, file_name=name, width=SIDE, height=SIDE))
            x, y = map(int, rng.integers(4, 16, 2))
            width, height = map(int, rng.integers(40, 70, 2))
            points = rng.integers(0, 40, (KEYPOINTS, 2)) + (x, y)
            annotations.append(
                dict(
                    id=n + 1,
                    image_id=n,
                    category_id=1,
                    iscrowd=0,
                    bbox=[x, y, width, height],
                    area=width * height,
                    segmentation=[[
                        x, y, x + width, y, x + width, y + height, x,
                        y + height
                    ]],
                    num_keypoints=KEYPOINTS,
                    keypoints=[
                        int(v) for point in points for v in (*point, 2)
                    ]))
        categories = [
            dict(
                id=1,
                name='person',
                supercategory='person',
                keypoints=[f'point{n}' for n in range(KEYPOINTS)],
                skeleton=[])
        ]
        content = dict(
            images=infos, annotations=annotations, categories=categories)
        for kind in ('instances', 'person_keypoints'):
            if kind == 'instances':
                content['categories'] = coco_categories()
            else:
                content['categories'] = categories
            file = root / 'annotations' / f'{kind}_{split}2017.json'
            file.write_text(json.dumps(content), encoding='utf-8')
    return root / 'val2017' / f'{0:012}.jpg'


def write_ade(root, images=4):
    """Label maps of 150 classes, 0 being none, as ADE20K lays them out."""
    from PIL import Image
    rng = np.random.default_rng(0)
    for split in ('training', 'validation'):
        (root / 'annotations' / split).mkdir(parents=True)
        for n in range(images):
            write_image(root / 'images' / split / f'{n}.jpg', rng)
            labels = rng.integers(0, 151, (SIDE // 8, SIDE // 8), np.uint8)
            Image.fromarray(labels.repeat(8, 0).repeat(8, 1)).save(
                root / 'annotations' / split / f'{n}.png')
    return root / 'images' / 'validation' / '0.jpg'


def write_imagenet(root, images=4):
    """Two classes, as ImageNet lays them out for mmpretrain's configs."""
    rng = np.random.default_rng(0)
    (root / 'meta').mkdir(parents=True)
    for split in ('train', 'val'):
        lines = []
        for n in range(images):
            write_image(root / split / f'{n}.JPEG', rng)
            lines.append(f'{n}.JPEG {n % 2}\n')
        (root / 'meta' / f'{split}.txt').write_text(
            ''.join(lines), encoding='utf-8')
    return root / 'val' / '0.JPEG'


def write_restoration(root, images=4):
    """RealSR V2 at x4, and DIV2K and Set5 at x2 as mmagic cuts them."""
    rng = np.random.default_rng(0)
    names = [f'{n:04}_s001.png' for n in range(images)]
    for name in names:
        for camera in ('Canon', 'Nikon'):
            for split in ('Train', 'Test'):
                for kind in ('HR', 'LR4'):
                    write_image(root / camera / split / '4' /
                                f'{camera}_{name[:4]}_{kind}.png', rng, 32)
        for low, high in (('DIV2K_train_LR_bicubic/X2_sub',
                           'DIV2K_train_HR_sub'), ('LRbicx2', 'GTmod12')):
            write_image(root / low / name, rng, 24)
            write_image(root / high / name, rng, 48)
    (root / 'meta_info_DIV2K800sub_GT.txt').write_text(
        ''.join(f'{name} (48,48,3)\n' for name in names), encoding='utf-8')
    return root / 'LRbicx2' / names[0]
