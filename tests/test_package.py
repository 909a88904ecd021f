"""What `import mmacda` does and does not do, and the pinned public names."""
import inspect
import json
import subprocess
import sys

import pytest
from mmengine.registry import (DATASETS, HOOKS, METRICS, MODELS,
                               OPTIM_WRAPPERS, TRANSFORMS)

import mmacda.apis
import mmacda.layers
import mmacda.ops


IMPORT = """
import json, random, sys, time
import mmcv.cnn, mmengine.runner, numpy, torch
def seed():
    torch.manual_seed(5), numpy.random.seed(5), random.seed(5)
def draw():
    return torch.rand(1).item(), numpy.random.rand(), random.random()
seed()
expected, modules = draw(), set(sys.modules)
seed()
start = time.process_time()
import mmacda
seconds = time.process_time() - start
json.dump(dict(seconds=seconds, new=sorted(set(sys.modules) - modules),
               expected=expected, drawn=draw()), open(sys.argv[1], 'w'))
"""


@pytest.fixture(scope='module')
def imported(tmp_path_factory):
    """What one new process found, and what it printed."""
    path = tmp_path_factory.mktemp('import') / 'found.json'
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', IMPORT, path],
                          capture_output=True, text=True, check=True)
    return dict(json.loads(path.read_text(encoding='utf-8')),
                printed=done.stdout + done.stderr)


@pytest.mark.trust('packaging/import')
def test_import_is_silent_and_brings_no_framework(imported):
    optional = {'mmpretrain', 'mmagic', 'timm', 'triton', 'skimage', 'sklearn',
                'matplotlib.pyplot'}
    assert 'mmacda.layers' in imported['new']
    assert not optional & set(imported['new'])
    assert imported['printed'] == ''


@pytest.mark.trust('packaging/import')
def test_import_takes_less_than_a_second(figure, imported):
    """Of processor time, which does not depend on what else runs."""
    figure('seconds on top of mmengine and mmcv', imported['seconds'], 1.)


def test_import_sets_no_seed(imported):
    assert imported['drawn'] == imported['expected']


@pytest.mark.trust('packaging/public-names')
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


@pytest.mark.trust('packaging/public-names')
def test_layer_takes_conv2d_s_arguments_first():
    import torch
    ours = list(inspect.signature(mmacda.layers.ACDAConv).parameters)
    theirs = list(inspect.signature(torch.nn.Conv2d).parameters)
    theirs = [name for name in theirs if name not in ('device', 'dtype')]
    assert ours[:len(theirs)] == theirs
    assert ours[len(theirs):len(theirs) + 4] == [
        'num_atoms', 'num_bases', 'scales', 'atom_bases'
    ]


@pytest.mark.trust('packaging/public-names')
def test_names_of_the_layers():
    assert set(mmacda.layers.__all__) >= {
        'ACDAConv', 'AtomGenerator', 'CondConv', 'DFNConv', 'DynamicConv',
        'replace_convs'
    }


@pytest.mark.trust('packaging/public-names')
def test_names_of_the_backends():
    assert mmacda.ops.available_backends() == ('native', 'triton',
                                               'triton_fused', 'stock',
                                               'export', 'reference')


REGISTERED = [
    (MODELS, ('ACDAConv', 'ACDALeNet', 'ACDARestorer', 'AdResNet',
              'AtomGenerator', 'CondConv', 'DFNConv', 'DensityCounter',
              'DensityHead', 'DynamicConv', 'PatternDetector',
              'ReplaceConvs', 'VDNNoiseNet', 'VDNUNet',
              'VariationalDenoiser', 'VariationalDenoisingLoss',
              'WithReplacedConvs')),
    (DATASETS, ('COCOCounting', 'Digits', 'MultiScalePatterns', 'NWPUCrowd',
                'Photographs', 'RealSR', 'ShanghaiTech', 'SyntheticCrowd',
                'UCFQNRF', 'VOCCounting')),
    (TRANSFORMS, ('AddNoise', 'FillIgnoredRegions', 'GenerateDensityMap',
                  'GreyImage', 'KeepLoaded', 'LoadImagePair', 'LoadPicture',
                  'PackCrowdInputs', 'RandomCropCrowd', 'RandomFlipCrowd',
                  'RandomScaleCrowd', 'ReduceImage', 'ResizeCrowd')),
    (METRICS, ('CountingMetric', 'RealSRMetric', 'SIDDMetric')),
    (HOOKS, ('CoefficientVisualizationHook', 'CountingVisualizationHook',
             'RestorationVisualizationHook')),
    (OPTIM_WRAPPERS, ('SeparateClipOptimWrapper', )),
]


@pytest.mark.parametrize('registry, name',
                         [(registry, name) for registry, names in REGISTERED
                          for name in names])
@pytest.mark.trust('packaging/public-names')
def test_root_registries_hold_our_names(registry, name):
    assert registry.get(name) is not None


@pytest.mark.trust('packaging/public-names')
def test_root_registries_hold_the_later_families(figure):
    names = {
        MODELS: ('ACDARestorer', 'DensityCounter', 'DensityHead',
                 'VDNNoiseNet', 'VDNUNet', 'VariationalDenoiser',
                 'VariationalDenoisingLoss'),
        DATASETS: ('Photographs', 'RealSR'),
        METRICS: ('CountingMetric', 'RealSRMetric', 'SIDDMetric'),
        HOOKS: ('CoefficientVisualizationHook', 'CountingVisualizationHook',
                'DynamicConvTemperatureHook', 'WholeCheckpointHook'),
        OPTIM_WRAPPERS: ('AnyDeviceAmpOptimWrapper',
                         'SeparateClipOptimWrapper'),
        TRANSFORMS: ('LoadImagePair', ),
    }
    for registry, members in names.items():
        for name in members:
            found = registry.get(name)
            assert found is not None, name
            assert found.__module__.startswith('mmacda.'), name
    figure('registered names pinned', sum(map(len, names.values())))


@pytest.mark.trust('packaging/public-names')
def test_names_of_the_inferencers():
    assert set(mmacda.apis.__all__) >= {
        'CrowdCountingInferencer', 'RestorationInferencer', 'register_models'
    }
