"""README's own config, as it stands, on data of a few images."""
import os
import re
import subprocess
from pathlib import Path

from tests.frameworks.tiny_data import write_imagenet

ROOT = Path(__file__).resolve().parents[2]
FIND_TOOLS = ('from importlib.util import find_spec; from pathlib import Path;'
              "print(Path(find_spec('mmpretrain').origin).parent / '.mim')")
LOADERS = ('train', 'val', 'test')
OPTIONS = [
    'train_cfg.max_epochs=1', 'default_hooks.logger.interval=1',
    'train_dataloader.dataset.pipeline.1.scale=32',
    *(f'{loader}_dataloader.{key}' for loader in LOADERS for key in (
        'num_workers=0', 'persistent_workers=False', 'batch_size=2')),
    *(f'{loader}_dataloader.dataset.pipeline.{key}'
      for loader in LOADERS[1:]
      for key in ('1.scale=36', '2.crop_size=32'))
]


def readme_config():
    """The config of README's section on existing models."""
    blocks = re.findall(r'```python\n(.*?)```',
                        (ROOT / 'README.md').read_text(encoding='utf-8'),
                        re.DOTALL)
    config, = (block for block in blocks
               if block.startswith("_base_ = 'mmpretrain::resnet/"))
    return config


def train_readme_config(python, folder, **variables):
    """Train it with mmpretrain's own tool; what that printed.

    Args:
        python (str): Of the environment that is to run it.
        folder (Path): Gets the config, data/imagenet and work_dirs.
        **variables: Of the process, beside those of this one.
    """
    write_imagenet(folder / 'data' / 'imagenet')
    (folder / 'my_config.py').write_text(readme_config(), encoding='utf-8')
    env = {**os.environ, 'CUDA_VISIBLE_DEVICES': '', **variables}
    mim = subprocess.run([python, '-c', FIND_TOOLS], cwd=folder, env=env,
                         check=True, capture_output=True, text=True)
    done = subprocess.run(
        [python, Path(mim.stdout.strip()) / 'tools' / 'train.py',
         'my_config.py', '--cfg-options', *OPTIONS],
        cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr
