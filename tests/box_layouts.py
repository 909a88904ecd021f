"""Tiny datasets of boxes, in the layouts that people have."""
import json

import numpy as np
from PIL import Image

SIZE = (40, 30)  # width and height


def write_picture(path, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(
        np.random.default_rng(0).integers(
            0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path)


def voc_object(name, corners, difficult=0):
    """One <object>, corners (xmin, ymin, xmax, ymax) as VOC writes them."""
    box = ''.join(f'<{key}>{value}</{key}>' for key, value in zip(
        ('xmin', 'ymin', 'xmax', 'ymax'), corners))
    return (f'<object><name>{name}</name><difficult>{difficult}</difficult>'
            f'<bndbox>{box}</bndbox></object>')


def write_voc(root, objects, split='train', ending='.jpg', size=SIZE):
    """Images a0, a1, ... with the given objects (see ``voc_object``)."""
    for folder in ('Annotations', 'ImageSets/Main'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    names = [f'{split}{index}' for index in range(len(objects))]
    (root / f'ImageSets/Main/{split}.txt').write_text('\n'.join(names) + '\n',
        encoding='utf-8')
    for name, entries in zip(names, objects):
        write_picture(root / 'JPEGImages' / f'{name}{ending}', size)
        (root / 'Annotations' / f'{name}.xml').write_text(
            '<annotation>' + ''.join(voc_object(*e) for e in entries) +
            '</annotation>', encoding='utf-8')


def write_coco(root, objects, categories=('cell', 'dust'), name='train.json'):
    """Images 7, 8, ... with the given annotations, without their ids."""
    images, annotations = [], []
    for index, entries in enumerate(objects):
        write_picture(root / 'images' / f'{index}.jpg')
        images.append(dict(id=index + 7, file_name=f'{index}.jpg'))
        annotations += [dict(entry, image_id=index + 7) for entry in entries]
    content = dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=i + 1, name=c) for i, c in enumerate(categories)])
    (root / name).write_text(json.dumps(content), encoding='utf-8')
    return content
