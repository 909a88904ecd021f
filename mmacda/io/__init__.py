"""Files and pictures: one writer, one reader, one tiling."""
from .files import (check_output, check_output_folder, whole_file,
                    whole_folder, whole_path)
from .mat_files import read_mat
from .picture_writer import write_picture
from .pictures import load_picture, picture_size, read_picture

__all__ = [
    'check_output', 'check_output_folder', 'load_picture', 'picture_size',
    'read_mat', 'read_picture', 'whole_file', 'whole_folder', 'whole_path',
    'write_picture'
]
