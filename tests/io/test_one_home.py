"""No other place writes files by hand or reads pictures on its own."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What is ours alone to call, and who else may, with the reason.
HOMES = {
    r'os\.(replace|rename)\(|shutil\.move\(|\.part\b[\'"]': {
        'mmacda/ops/build.py': 'stands below mmacda.io, and compiles',
        'mmacda/checkpoints/files.py': "MMEngine's backend of files",
        'tools/dev/environment.py': 'runs before mmacda is installed',
        'tools/experiments/finished.py': 'moves what is there',
    },
    r'\bim(read|decode|frombytes)\(|Image\.open\(': {
        'tools/dev/notebooks.py': 'pictures inside of a notebook',
        'tools/experiments/packaged_models/enlargement.py':
        'JPEG as a fault of a picture, in memory',
    },
    r'\bim(write|encode)\(': {
        'mmacda/datasets/crowd/synthetic_crowd.py': 'content by version',
        'mmacda/datasets/photographs.py': 'into a folder that is whole',
        'tools/dataset_converters/clean_photographs.py':
        'into a folder that is whole',
        'mmacda/datasets/sidd.py': 'tiles, into a whole file',
        'mmacda/visualization/density.py': 'into a whole path',
        'mmacda/visualization/explorer/page.py': 'into the page',
        'tools/experiments/demo.py': 'into a whole path',
        'tools/experiments/demo_restoration.py': 'into a whole path',
        'tools/experiments/packaged_models/enlargement.py':
        'JPEG as a fault of a picture, in memory',
    },
    r'\bloadmat\(': {},
    r'type=.LoadImageFromFile': {
        'configs/_base_/datasets/cifar10_jpeg.py':
        "mmpretrain's own pipeline, on tiles of 8 bits",
        'configs/replace/nafnet-acda_c64eb2248mb12db2222_8xb8-lr1e-3-400k_sidd'
        '.py': "mmagic's own pipeline, on tiles of 8 bits",
    },
}
FOLDERS = ('mmacda', 'tools', 'configs')


def users(pattern):
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob('*.py')):
            name = path.relative_to(ROOT).as_posix()
            code = re.sub(r'"""(.|\n)*?"""|#.*', '',
                          path.read_text(encoding='utf-8'))
            if not name.startswith('mmacda/io/') and re.search(pattern, code):
                yield name


@pytest.mark.parametrize('pattern', HOMES)
def test_files_and_pictures_have_one_home(pattern):
    assert set(users(pattern)) <= set(HOMES[pattern])
