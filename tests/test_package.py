"""What `import mmacda` does and does not do, and the pinned public names."""
import inspect
import subprocess
import sys

import pytest

import mmacda.layers
import mmacda.ops
from mmengine.registry import (DATASETS, HOOKS, METRICS, MODELS,
                               OPTIM_WRAPPERS, TRANSFORMS)


def run_python(code):
    return subprocess.run([sys.executable, '-W', 'ignore', '-c', code],
                          capture_output=True, text=True, check=True)


def test_import_is_silent_and_brings_no_framework():
    optional = ('mmpretrain', 'mmagic', 'timm', 'triton', 'skimage', 'sklearn',
                'matplotlib.pyplot')
    done = run_python(
        'import sys, mmengine, mmcv, mmcv.cnn; before = set(sys.modules);'
        'import mmacda;'
        f'print(sorted((set(sys.modules) - before) & {set(optional)}))')
    assert done.stdout.strip() == '[]' and done.stderr == ''


def test_import_sets_no_seed():
    code = ('import torch, numpy, random, mmcv.cnn, mmengine.runner;'
            'torch.manual_seed(5); numpy.random.seed(5); random.seed(5);{}'
            'print(torch.rand(1).item(), numpy.random.rand(), '
            'random.random())')
    assert run_python(code.format('')).stdout == \
        run_python(code.format('import mmacda;')).stdout


def test_public_functions():
    signature = inspect.signature(mmacda.ops.adaptive_conv2d)
    assert list(signature.parameters) == [
        'input', 'basis_coefficients', 'atom_bases', 'weight', 'bias',
        'stride', 'padding', 'dilation', 'groups', 'backend'
    ]
    assert list(
        inspect.signature(mmacda.ops.fourier_bessel_bases).parameters) == [
            'scales', 'num_bases'
        ]


def test_layer_takes_conv2d_s_arguments_first():
    import torch
    ours = list(inspect.signature(mmacda.layers.ACDAConv).parameters)
    theirs = list(inspect.signature(torch.nn.Conv2d).parameters)
    theirs = [name for name in theirs if name not in ('device', 'dtype')]
    assert ours[:len(theirs)] == theirs
    assert ours[len(theirs):len(theirs) + 4] == [
        'num_atoms', 'num_bases', 'scales', 'atom_bases'
    ]


def test_names_of_the_layers():
    assert set(mmacda.layers.__all__) >= {
        'ACDAConv', 'AtomGenerator', 'CondConv', 'DFNConv', 'DynamicConv',
        'replace_convs'
    }


def test_names_of_the_backends():
    assert mmacda.ops.available_backends() == ('native', 'triton', 'stock',
                                               'export', 'reference')


REGISTERED = [
    (MODELS, ('ACDAConv', 'ACDALeNet', 'ACDARestorer', 'AdResNet',
              'AtomGenerator', 'CondConv', 'DFNConv', 'DensityCounter',
              'DensityHead', 'DynamicConv', 'PatternDetector',
              'ReplaceConvs', 'VDNNoiseNet', 'VDNUNet',
              'VariationalDenoiser', 'VariationalDenoisingLoss')),
    (DATASETS, ('Digits', 'MultiScalePatterns', 'NWPUCrowd', 'Photographs',
                'RealSR', 'ShanghaiTech', 'SyntheticCrowd', 'UCFQNRF')),
    (TRANSFORMS, ('GenerateDensityMap', 'LoadImagePair', 'PackCrowdInputs',
                  'RandomCropCrowd', 'RandomFlipCrowd', 'RandomScaleCrowd',
                  'ResizeCrowd')),
    (METRICS, ('CountingMetric', 'RealSRMetric', 'SIDDMetric')),
    (HOOKS, ('CoefficientVisualizationHook', 'CountingVisualizationHook')),
    (OPTIM_WRAPPERS, ('SeparateClipOptimWrapper', )),
]


@pytest.mark.parametrize('registry, name',
                         [(registry, name) for registry, names in REGISTERED
                          for name in names])
def test_root_registries_hold_our_names(registry, name):
    assert registry.get(name) is not None
