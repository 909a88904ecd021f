"""Two processes over gloo, FSDP and DeepSpeed by config, SyncBN, scripts."""
import inspect
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import convert_sync_batchnorm
from mmengine.registry import (MODEL_WRAPPERS, OPTIM_WRAPPERS, RUNNERS,
                               STRATEGIES)

from mmacda.layers import AtomGenerator
from tests import fresh

from .cases import every_model
from .trainings import CONFIGS, TASKS, StartKeeper, train, write_config

ROOT = CONFIGS.parent
FROZEN = '''
custom_imports = dict(imports=['mmacda', 'tests.trust.trainings'])
custom_hooks = [dict(type='FreezeStatistics')]
randomness = dict(seed=7)
env_cfg = dict(dist_cfg=dict(timeout=120))
'''
HALF_A_BATCH = 'train_dataloader.update(batch_size=4)\n'
# FSDP asks for a GPU unless a config names the CPU, and its full state dict
# must not move what is on the CPU already.
FSDP = FROZEN + HALF_A_BATCH + '''
strategy = dict(
    model_wrapper=dict(
        device_id='cpu', auto_wrap_policy=dict(min_num_params=1000)),
    state_dict_cfg=dict(
        _delete_=True,
        state_dict_type='FULL_STATE_DICT',
        state_dict_config=dict(type='FullStateDictConfig', rank0_only=True),
        optim_state_dict_config=dict(
            type='FullOptimStateDictConfig', rank0_only=True)))
'''
FRAMEWORKS = dict(
    classification='mmpretrain', restoration='mmagic', counting='mmengine')
NEW_TORCH = hasattr(torch, 'accelerator')  # 2.6: FSDP knows the device 'cpu'
pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available()
    or not torch.distributed.is_gloo_available(),
    reason='this PyTorch has no gloo')


def environment(**variables):
    env = dict(os.environ, OMP_NUM_THREADS='1', **variables)
    paths = [str(ROOT), *filter(None, [env.get('PYTHONPATH')])]
    return dict(env, PYTHONPATH=os.pathsep.join(paths))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('distribution')


@pytest.fixture(scope='module')
def two_processes(folder):
    """Every config, trained by the same two processes."""
    configs = []
    for task, framework in FRAMEWORKS.items():
        pytest.importorskip(framework)
        (folder / 'ddp').mkdir(exist_ok=True)
        configs.append(
            write_config(folder / 'ddp', task, FROZEN + HALF_A_BATCH))
    if NEW_TORCH:
        (folder / 'fsdp').mkdir()
        path = write_config(folder / 'fsdp', 'classification', FSDP)
        bases = str([str(CONFIGS / TASKS['classification'][0]),
                     str(CONFIGS / '_base_/strategies/fsdp.py')])
        text = path.read_text(encoding='utf-8').splitlines()
        text[1] = f'_base_ = {bases}'
        path.write_text('\n'.join(text), encoding='utf-8')
        configs.append(path)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    # As torchrun starts them; test_dist_train_script has torchrun itself.
    ranks = [fresh.Process('-m', 'tests.trust.worker', *configs,
                           OMP_NUM_THREADS='1', WORLD_SIZE='2',
                           RANK=str(rank), LOCAL_RANK=str(rank),
                           MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
             for rank in range(2)]
    codes = [rank.wait(400) for rank in ranks]
    done = '\n'.join(rank.text[-4000:] for rank in ranks)
    assert codes == [0, 0], done
    return done


def compare(figure, folder, task, work_dir, done):
    """Weights of the two processes beside those of one."""
    keeper = StartKeeper()
    (folder / 'single').mkdir(exist_ok=True)
    path = write_config(folder / 'single', task, FROZEN)
    losses = train(path, folder / 'single' / task, hooks=[keeper])
    last = (work_dir / 'last_checkpoint').read_text(encoding='utf-8') \
        if (work_dir / 'last_checkpoint').exists() else None
    assert last, done
    theirs, ours = (
        torch.load(
            name, map_location='cpu', weights_only=False)['state_dict']
        for name in ((folder / 'single' / task /
                      'last_checkpoint').read_text(encoding='utf-8'), last))
    assert set(ours) == set(theirs) and len(losses) == 4
    moved = max((theirs[k] - keeper.start[k]).abs().max() for k in theirs
                if theirs[k].is_floating_point())
    error = max((ours[k] - theirs[k]).abs().max() for k in theirs)
    assert moved > 1e-3
    figure('largest difference of the weights after 4 steps', error.item(),
           1e-5)


def ddp_test(task):

    @pytest.mark.trust(f'distribution/ddp-{task}')
    def test(figure, folder, two_processes):
        compare(figure, folder, task, folder / 'ddp' / task, two_processes)

    return test


test_classification = ddp_test('classification')
test_counting = ddp_test('counting')
test_restoration = ddp_test('restoration')


@pytest.mark.skipif(not NEW_TORCH, reason='FSDP of this torch needs a GPU')
@pytest.mark.trust('distribution/fsdp')
def test_fsdp(figure, folder, two_processes):
    compare(figure, folder, 'classification',
            folder / 'fsdp' / 'classification', two_processes)


@pytest.mark.trust('distribution/deepspeed')
def test_deepspeed_builds(tmp_path):
    """Up to DeepSpeed's own code, where it is not installed."""
    pytest.importorskip('mmpretrain')
    path = tmp_path / 'config.py'
    bases = [str(CONFIGS / name) for name in (
        'ad_resnet/ad-resnet-m_8xb32_in1k.py',
        '_base_/strategies/deepspeed.py')]
    path.write_text(f'_base_ = {bases}\nwork_dir = {str(tmp_path)!r}\n'
                    "optim_wrapper = dict(type='DeepSpeedOptimWrapper')\n",
                        encoding='utf-8')
    cfg = Config.fromfile(path)
    assert cfg.runner_type == 'FlexibleRunner'
    strategy = dict(cfg.strategy)
    signature = inspect.signature(STRATEGIES.get(strategy.pop('type')))
    assert OPTIM_WRAPPERS.get(cfg.optim_wrapper.type) is not None
    named = {name for name, parameter in signature.parameters.items()
             if parameter.kind is parameter.KEYWORD_ONLY}
    assert set(strategy) <= named
    try:
        import deepspeed  # noqa: F401
    except ImportError:
        with pytest.raises(AssertionError, match='(?i)deepspeed'):
            RUNNERS.build(cfg)
        return
    RUNNERS.build(cfg)


@pytest.fixture
def one_process(tmp_path):
    """A process group of one: mmcv's SyncBN asks for its size."""
    store = f'file://{tmp_path}/store'
    torch.distributed.init_process_group(
        'gloo', init_method=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.trust('distribution/sync-bn')
@pytest.mark.parametrize('implementation', ['torch', 'mmcv'])
@every_model
def test_sync_bn_reaches_the_generator(figure, case, implementation,
                                       one_process):
    if implementation == 'mmcv':
        pytest.importorskip('mmcv.ops')
    model = convert_sync_batchnorm(case.build(), implementation)
    generators = [m for m in model.modules() if isinstance(m, AtomGenerator)]
    norms = [norm for g in generators for norm in (g.norm1, g.norm2)]
    assert norms
    figure('generator norms that are not synchronised', sum(
        type(norm).__name__ != 'SyncBatchNorm' for norm in norms), 0, '==')
    with torch.no_grad():
        model.eval()(case.draw())


@pytest.mark.trust('distribution/scripts')
def test_launchers_without_a_gpu(monkeypatch):
    """The rest of the scripts is in tests/tools/test_train_test.py."""
    from mmacda.apis import runner_command
    for launcher, variable in runner_command.DEVICE_VARIABLES.items():
        monkeypatch.setenv(variable, '1')
        monkeypatch.setenv('LOCAL_RANK', '1')
        cfg = Config(dict(launcher=launcher))
        runner_command._launch_on_cpus(cfg)
        assert os.environ[variable] == os.environ['LOCAL_RANK'] == '-1'
        assert cfg.env_cfg.dist_cfg.backend == 'gloo'
        wrapper = MODEL_WRAPPERS.get(cfg.model_wrapper_cfg.type)
        assert issubclass(wrapper, torch.nn.parallel.DistributedDataParallel)
        assert cfg.model_wrapper_cfg.device_ids is None


@pytest.mark.long
@pytest.mark.trust('distribution/scripts')
def test_dist_train_script(figure, tmp_path):
    pytest.importorskip('mmpretrain')
    path = write_config(tmp_path, 'classification', FROZEN + HALF_A_BATCH)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    paths = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(
        ['bash', str(ROOT / 'tools/dist_train.sh'), str(path), '2',
         '--work-dir', str(tmp_path / 'work')],
        env=environment(PATH=paths, PORT=str(port)),
        capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    figure('checkpoints written by dist_train.sh CONFIG 2',
           len(list((tmp_path / 'work').glob('*.pth'))), 1, '>=')
