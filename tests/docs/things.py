"""Files that the blocks of the pages read, small and untrained."""
import os
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image

from mmacda.apis.load_model import build_model

COUNTER = 'configs/counting/ad-resnet-xs_1xb8_bccd.py'
CROWDS = 'configs/counting/ad-resnet-s_synthetic.py'
RESTORER = 'configs/denoising/acda-restorer_photographs-noise.py'
DIGITS = 'configs/ad_resnet/ad-resnet-s_digits.py'


def picture(name, size=(80, 64), mode='RGB', seed=0):
    pixels = np.random.default_rng(seed).integers(
        0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(name)


def weights(config, name='trained.pth'):
    """What CONFIG and CHECKPOINT stand for."""
    torch.manual_seed(0)
    torch.save(dict(state_dict=build_model(
        Config.fromfile(config)).state_dict()), name)
    return dict(CONFIG=config, CHECKPOINT=name)


def photos():
    picture('photo.jpg')
    picture('photo.png')
    return {}


def last_epoch():
    """What a longer training would have left."""
    os.rename('work_dirs/my_fruit/epoch_1.pth',
              'work_dirs/my_fruit/epoch_30.pth')
    return photos()


def demo():
    """Untrained models where `make demo` leaves trained ones."""
    for config, path in (
        ('configs/patterns/acda_patterns.py', 'acda_patterns/iter_500.pth'),
        ('configs/lenet/lenet-acda_digits.py',
         'lenet-acda_digits_0/epoch_15.pth')):
        file = Path('work_dirs/demo', path)
        file.parent.mkdir(parents=True)
        weights(config, file)
    picture('work_dirs/demo/patterns.tiff', (48, 40), 'L')
    return {}


def counter():
    photos()
    os.makedirs('folder', exist_ok=True)
    picture('folder/other.jpg')
    return weights(COUNTER)


def crowd_counter():
    counter()
    return weights(CROWDS, 'CHECKPOINT')


def restorer():
    photos()
    return weights(RESTORER)


def ad_resnet_digits():
    picture('digit.png', (8, 8), 'L')
    return weights(DIGITS, 'epoch_30.pth')


def ad_resnet_weights():
    return weights(DIGITS, 'ad-resnet-s_8xb32_in1k.pth')


def model():
    """A model with adaptive layers, and images for it."""
    import torch.nn as nn

    from mmacda.layers import ACDAConv
    layers = nn.ModuleDict(dict(layer4=ACDAConv(3, 4, 3, scales=(3, 5, 7),
                                                padding=1)))
    layers.forward = lambda x: layers['layer4'](x)
    return dict(model=layers.eval(), images=torch.rand(1, 3, 20, 24))


def fruit():
    """Pictures of two classes, in folders."""
    for split in ('train', 'val'):
        for n, name in enumerate(('apple', 'pear')):
            folder = Path('pictures', split, name)
            folder.mkdir(parents=True)
            for index in range(4):
                picture(folder / f'{index}.jpg', seed=index + 10 * n)
    return photos()


def apples():
    """Boxes in Pascal VOC's layout."""
    from tests.box_layouts import write_voc
    apple = 'apple', (100, 60, 150, 110)
    for split in ('train', 'val', 'test'):
        write_voc(Path('data/apples'), [(apple, )] * 8, split, size=(400, 300))
    return {}


def pairs():
    """Noisy and clean pictures of equal names."""
    for name in ('noisy', 'clean', 'noisy_val', 'clean_val'):
        Path('pairs', name).mkdir(parents=True)
        for index in range(3):
            picture(Path('pairs', name, f'{index}.png'), (96, 80), seed=index)
    return {}


THINGS = {
    'photos': photos,
    'counter': counter,
    'crowd counter': crowd_counter,
    'restorer': restorer,
    'ad-resnet-digits': ad_resnet_digits,
    'ad-resnet-weights': ad_resnet_weights,
    'a model': model,
    'pictures of fruit': fruit,
    'boxes of apples': apples,
    'pairs': pairs,
    'the last epoch': last_epoch,
    'the demo': demo,
}
