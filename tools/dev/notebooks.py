"""Execute the notebooks of the documentation and keep what they show.

    python tools/dev/notebooks.py docs/notebooks/first_layer.ipynb

Without arguments, all of docs/notebooks. Needs `pip install nbclient
ipykernel` in the environment that mmacda is in. What goes to the error
stream, and when a cell ran, is not kept.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import io
import time
from argparse import Namespace
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from PIL import Image

from mmacda.apis.command_line import CommandParser, run_command
from mmacda.io import whole_file

FOLDER = Path(__file__).resolve().parents[2] / 'docs' / 'notebooks'
LARGEST = 400_000  # bytes of a notebook with its outputs
LARGE = 80_000  # bytes of a picture that gets fewer colours


def execute(path: Path) -> None:
    """Run one notebook from its beginning and write it with its outputs.

    Raises:
        ImportError: If a package is missing.
        ValueError: If the file would be too large for the repository.
    """
    try:
        import nbformat
        from nbclient import NotebookClient
    except ImportError as error:
        raise ImportError(f'{error}: pip install nbclient ipykernel') from None
    notebook = nbformat.read(str(path), as_version=4)
    NotebookClient(notebook, timeout=None, kernel_name='python3',
                   resources=dict(metadata=dict(path=str(path.parent)))
                   ).execute()
    for cell in notebook.cells:
        cell.metadata.pop('execution', None)
        if cell.cell_type == 'code':
            cell.outputs = [reduced(output) for output in cell.outputs
                            if output.get('name') != 'stderr'
                            and not is_empty(output)]
    text = nbformat.writes(notebook)
    if len(text) > LARGEST:
        raise ValueError(f'{path} would have {len(text)} bytes, more than '
                         f'{LARGEST}: draw less')
    with whole_file(str(path), 'w') as file:
        file.write(text + '\n')


def is_empty(output: Any) -> bool:
    """What a bar of progress leaves where there is no terminal."""
    return output.get('data', {}).get('text/plain') == ''


def reduced(output: Any) -> Any:
    """An output without the text beside a picture, which 256 colours do."""
    data = output.get('data', {})
    if 'image/png' in data:
        data.pop('text/plain', None)
    if len(data.get('image/png', '')) > LARGE:
        picture = Image.open(io.BytesIO(b64decode(data['image/png'])))
        file = io.BytesIO()
        picture.convert('RGB').quantize(256).save(file, 'PNG', optimize=True)
        data['image/png'] = b64encode(file.getvalue()).decode()
    return output


def execute_all(args: Namespace) -> None:
    for path in args.notebooks or sorted(FOLDER.glob('*.ipynb')):
        start = time.time()
        execute(path)
        print(f'{path}: {time.time() - start:.0f} s, '
              f'{path.stat().st_size / 1e3:.0f} kB', flush=True)


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('notebooks', nargs='*', type=Path)
    run_command(parser, execute_all)


if __name__ == '__main__':
    main()
