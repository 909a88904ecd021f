"""What is compared with what, on which data."""
from typing import Any, Callable, Dict, NamedTuple, Tuple


class Row(NamedTuple):
    """A network of a table.

    Args:
        name (str): As the table prints it.
        config (str): Below ``configs``.
        order (int): 0 to 2: rows of a lower number are trained first, all
            seeds.
        baseline (str): Of :mod:`baselines`, what is measured in place of a
            network, on the config's test set.
        tag (str): Tells rows of one config apart, in the names of records.
        overrides (Dict[str, Any]): Of the config, by dotted names.
    """

    name: str
    config: str
    order: int = 0
    baseline: str = ''
    tag: str = ''
    overrides: Dict[str, Any] = {}


class Metric(NamedTuple):
    """A column of a table.

    Args:
        read (Callable): Takes the metrics of a test, gives the figure.
        digits (int): Decimals.
        curve (str): Name of the validation's scalar, for the curves.
    """

    read: Callable[[dict], float]
    digits: int = 2
    curve: str = ''


class Experiment(NamedTuple):
    """A table.

    Args:
        name (str): On the command line, and of its records.
        title (str): Of the table.
        rows (Tuple[Row, ...]): The first network is the twin that the others
            are compared with.
        metrics (Dict[str, Metric]): Columns; the first one is drawn.
        shape (Tuple[int, int, int]): Image for which FLOPs are counted.
        data (Dict[str, str]): Path that is needed, and how to get it.
        notes (Tuple[str, ...]): What a reader has to know beside the table.
    """

    name: str
    title: str
    rows: Tuple[Row, ...]
    metrics: Dict[str, Metric]
    shape: Tuple[int, int, int]
    data: Dict[str, str]
    notes: Tuple[str, ...] = ()


COUNTS = {
    'MAE': Metric(lambda found: found['counting/mae'], 3, 'counting/mae'),
    'RMSE': Metric(lambda found: found['counting/mse'], 3),
}
RESTORATION = {
    'PSNR on Y, dB':
    Metric(lambda found: found['RealSR/PSNR'], 3, 'RealSR/PSNR'),
    'SSIM on Y': Metric(lambda found: found['RealSR/SSIM'], 4),
}

CIFAR_DATA = {
    f'data/cifar10_jpeg/{part}/truck':
    f'CIFAR-10 as folders of images, data/cifar10_jpeg/{part}/<class>/*.jpg, '
    'which tools/dataset_converters/cifar10_jpeg.py writes'
    for part in ('train', 'test')
}
CIFAR_ERROR = {
    'test error, %':
    Metric(lambda found: 100 - found['accuracy/top1'], 2, 'accuracy/top1')
}
LOSSY = ('The images are JPEG copies, so lossy: not comparable to the last '
         'digit with results on the original.')

CIFAR = Experiment(
    'cifar', 'CIFAR-10 as JPEGs: LeNet and LeNet + ACDA (paper, Table 1)', (
        Row('LeNet', 'lenet/lenet_1xb64_cifar10-jpeg.py'),
        Row('LeNet, widened to the parameters of 3x3 3x3',
            'lenet/lenet-w16-40_1xb64_cifar10-jpeg.py'),
        Row('LeNet + ACDA, generator 1x1 1x1',
            'lenet/lenet-acda-g11_1xb64_cifar10-jpeg.py'),
        Row('LeNet + ACDA, generator 1x1 1x1, biases spread',
            'lenet/lenet-acda-g11-spread_1xb64_cifar10-jpeg.py'),
        Row('LeNet + ACDA, generator 3x3 3x3',
            'lenet/lenet-acda_1xb64_cifar10-jpeg.py', 1),
        Row('LeNet + ACDA, generator 3x3 3x3, biases spread',
            'lenet/lenet-acda-spread_1xb64_cifar10-jpeg.py', 2),
        Row('LeNet + ACDA, generator 3x3 1x1',
            'lenet/lenet-acda-g31_1xb64_cifar10-jpeg.py', 1),
        Row('LeNet, widened to the FLOPs of 3x3 3x3',
            'lenet/lenet-w73-197_1xb64_cifar10-jpeg.py', 2),
    ), CIFAR_ERROR, (3, 32, 32), CIFAR_DATA,
    (LOSSY, "The paper's, after a training of unknown length on the original: "
     'LeNet 24.74, LeNet + ACDA 16.27 % error.'))

RESIDUAL = Experiment(
    'residual', 'CIFAR-10 as JPEGs: a small Ad-ResNet and its generators', (
        Row('twin (3x3)', 'ad_resnet/ad-resnet-xs-conv_1xb64_cifar10-jpeg.py'),
        Row('twin, widened to the FLOPs of 3x3 3x3',
            'ad_resnet/ad-resnet-xs-conv-wide_1xb64_cifar10-jpeg.py', 1),
        Row('twin, deepened to the FLOPs of 3x3 3x3',
            'ad_resnet/ad-resnet-xs-conv-deep_1xb64_cifar10-jpeg.py', 1),
        Row('ACDA, generator 1x1 1x1 (light)',
            'ad_resnet/ad-resnet-xs-light_1xb64_cifar10-jpeg.py'),
        Row('ACDA, generator 3x3 1x1',
            'ad_resnet/ad-resnet-xs-g31_1xb64_cifar10-jpeg.py'),
        Row('ACDA, generator 3x3 3x3',
            'ad_resnet/ad-resnet-xs_1xb64_cifar10-jpeg.py'),
    ), CIFAR_ERROR, (3, 32, 32), CIFAR_DATA, (LOSSY, ))

ADAPTIVE_LENET = 'lenet/lenet-acda-g31_1xb64_cifar10-jpeg.py'
GENERATOR = 'model.backbone.acda_cfg.atom_generator'
RATES = 'optim_wrapper.paramwise_cfg'


def _option(name: str, tag: str, order: int = 0, **overrides: Any) -> Row:
    return Row(name, ADAPTIVE_LENET, order, '', tag, overrides)


OPTIONS = Experiment(
    'options', 'CIFAR-10 as JPEGs: options of LeNet + ACDA, 3x3 1x1', (
        Row('as it is', ADAPTIVE_LENET),
        _option('learning rate of the generators x 0.1', 'rate0.1', **{
            RATES: dict(custom_keys=dict(atom_generator=dict(lr_mult=0.1)))
        }),
        _option('learning rate of the generators x 3', 'rate3', **{
            RATES: dict(custom_keys=dict(atom_generator=dict(lr_mult=3)))
        }),
        _option('generators without norms', 'no-norm',
                **{f'{GENERATOR}.norm_cfg': None}),
        _option('16 hidden channels for 64', 'hidden16',
                **{f'{GENERATOR}.hidden_channels': 16}),
        _option('gradients clipped to a norm of 1', 'clip',
                **{'optim_wrapper.clip_grad': dict(max_norm=1)}),
        _option('biases spread', 'spread', 1,
                **{f'{GENERATOR}.bias_spread': 1.}),
        _option('generators without Tanh', 'no-tanh', 1,
                **{f'{GENERATOR}.act_cfg': None}),
        _option('direct atoms, no bases', 'direct', 1,
                **{'model.backbone.acda_cfg.atom_bases': None}),
        _option('12 atoms for 6', 'atoms12', 1,
                **{'model.backbone.acda_cfg.num_atoms': 12}),
    ), CIFAR_ERROR, (3, 32, 32), CIFAR_DATA, (LOSSY, ))

CELLS = Experiment(
    'cells', 'BCCD at half resolution: counting red blood cells', (
        Row('twin (3x3)', 'counting/ad-resnet-xs-conv_1xb8_bccd.py'),
        Row('ACDA', 'counting/ad-resnet-xs_1xb8_bccd.py'),
        Row('ACDA, biases spread',
            'counting/ad-resnet-xs-spread_1xb8_bccd.py', 2),
        Row('the mean of the training set',
            'counting/ad-resnet-xs_1xb8_bccd.py', 0, 'training_mean'),
    ), COUNTS, (3, 240, 320), {
        'data/BCCD/ImageSets/Main/train.txt':
        'BCCD (MIT), https://github.com/Shenggan/BCCD_Dataset: its folder '
        'BCCD, with JPEGImages, Annotations and ImageSets, in data/'
    }, ('72 test photographs with 0 to 21 cells, 11.2 in the mean.', ))

# In place of the light generator, which restorers have.
MEDIUM = {'model.generator.acda_cfg': dict(atom_generator='medium')}

CITY100 = Experiment(
    'city100', 'City100, iPhone X: real super-resolution, 10 test pairs', (
        Row('twin (3x3)', 'real_sr/acda-restorer-conv_city100.py'),
        Row('ACDA', 'real_sr/acda-restorer_city100.py'),
        Row('ACDA, generator 3x3 1x1', 'real_sr/acda-restorer_city100.py', 1,
            tag='g31', overrides=MEDIUM),
        Row('the low-resolution input', 'real_sr/acda-restorer_city100.py', 0,
            'unchanged_input'),
    ), RESTORATION, (3, 96, 96), {
        f'data/City100_iPhoneX/{name}.PNG':
        'City100 (MIT), https://github.com/ngchc/CameraSR: the iPhone X '
        'pairs 001 to 050, NNNL.PNG and NNNH.PNG, in data/City100_iPhoneX'
        for name in ('001L', '050H')
    })

CROWDS = Experiment(
    'crowds', 'Drawn crowds', (
        Row('twin (3x3)', 'counting/ad-resnet-s-conv_synthetic.py', 1),
        Row('ACDA', 'counting/ad-resnet-s_synthetic.py', 1),
        Row('the mean of the training set',
            'counting/ad-resnet-s_synthetic.py', 0, 'training_mean'),
    ), COUNTS, (3, 288, 384), {}, ('60 drawn test images.', ))

DENOISING = Experiment(
    'denoising', 'Photographs with the noise of a camera: 3 test pictures', (
        Row('twin (3x3)',
            'denoising/acda-restorer-conv_photographs-noise.py', 1),
        Row('ACDA', 'denoising/acda-restorer_photographs-noise.py', 1),
        Row('ACDA, generator 3x3 1x1',
            'denoising/acda-restorer_photographs-noise.py', 2, tag='g31',
            overrides=MEDIUM),
        Row('ACDA + VDNet', 'denoising/acda-vdn_photographs-noise.py', 2),
        Row('the noisy input', 'denoising/acda-restorer_photographs-noise.py',
            0, 'unchanged_input'),
    ), {
        'PSNR, dB':
        Metric(lambda found: found['SIDD/PSNR'], 3, 'SIDD/PSNR'),
        'SSIM':
        Metric(lambda found: found['SIDD/SSIM-2d'], 4),
    }, (3, 96, 96), {})

PHOTOGRAPHS_X4 = Experiment(
    'x4', 'Photographs, x4: blur that varies over the picture', (
        Row('twin (3x3)', 'real_sr/acda-restorer-conv_photographs-x4.py', 1),
        Row('ACDA', 'real_sr/acda-restorer_photographs-x4.py', 1),
        Row('ACDA, generator 3x3 1x1',
            'real_sr/acda-restorer_photographs-x4.py', 2, tag='g31',
            overrides=MEDIUM),
        Row('the low-resolution input',
            'real_sr/acda-restorer_photographs-x4.py', 0, 'unchanged_input'),
    ), RESTORATION, (3, 96, 96), {})

EXPERIMENTS = {
    e.name: e
    for e in (CIFAR, OPTIONS, RESIDUAL, CELLS, CITY100, CROWDS, DENOISING,
              PHOTOGRAPHS_X4)
}
