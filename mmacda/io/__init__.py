"""Files and pictures: one writer, one reader, one tiling."""
from .files import check_output, whole_file, whole_path

__all__ = ['check_output', 'whole_file', 'whole_path']
