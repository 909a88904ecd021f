"""One process of a distributed training: tools/train.py, config by config."""
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == '__main__':
    for config in sys.argv[1:]:
        path = Path(config)
        sys.argv = [
            'train.py', config, '--launcher', 'pytorch', '--work-dir',
            str(path.with_suffix(''))
        ]
        runpy.run_path(str(ROOT / 'tools' / 'train.py'), run_name='__main__')
