"""Finding, reading and checking the files of a crowd dataset.

What raises an error names the file.
"""
import json
import os
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ... import io


def find_folder(parent: str, names: Sequence[str], advice: str) -> str:
    """The first of some sub-folders that there is.

    Args:
        parent (str): Folder to look in.
        names (Sequence[str]): Relative paths, the most official one first.
        advice (str): How to get the data, for the error.

    Raises:
        FileNotFoundError: If there is none.
    """
    for name in names:
        if os.path.isdir(os.path.join(parent, name)):
            return os.path.join(parent, name)
    raise FileNotFoundError(
        f'there is no folder {" or ".join(names)} in '
        f'{os.path.abspath(parent)}. {advice}')


def numbered_files(folder: str, pattern: str) -> Dict[int, str]:
    """Files of a folder by the number in their name, in ascending order.

    Hidden files, which begin with a dot, are none.

    Raises:
        ValueError: If two have one number, such as IMG_1.jpg and IMG_01.jpg.
    """
    found = {}
    for name in os.listdir(folder):
        match = re.fullmatch(pattern, name, re.IGNORECASE)
        if match and not name.startswith('.'):
            first = found.setdefault(int(match[1]), name)
            if first != name:
                raise ValueError(f'{" and ".join(sorted((first, name)))} in '
                                 f'{folder} have one number')
    return {
        number: os.path.join(folder, name)
        for number, name in sorted(found.items())
    }


def pair_files(images: Dict[int, str], annotations: Dict[int, str],
               img_template: str, ann_template: str) -> List[dict]:
    """Images and annotations by number; a missing one keeps its name.

    Args:
        images, annotations (dict[int, str]): See :func:`numbered_files`.
        img_template, ann_template (str): Path of a missing file, with '{}'
            in place of its number.
    """
    return [
        dict(
            img_path=images.get(number, img_template.format(number)),
            ann_path=annotations.get(number, ann_template.format(number)))
        for number in sorted({*images, *annotations})
    ]


def read_mat(path: str, key: str) -> np.ndarray:
    """One variable of a MAT-file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read or has no such variable.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'the annotation {path} is missing')
    content = io.read_mat(path)
    if key not in content:
        raise ValueError(
            f'{path} has no variable {key!r}, only {sorted(content)}')
    return content[key]


def read_lines(path: str) -> List[str]:
    """The lines of a text that are not empty.

    Raises:
        ValueError: If it is no text in UTF-8.
    """
    try:
        with open(path, encoding='utf-8-sig') as file:
            return [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not text in UTF-8: {error}') from error


def load_json(path: str) -> Any:
    """What a JSON file holds.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'the annotation {path} is missing')
    try:
        with open(path, encoding='utf-8-sig') as file:
            return json.load(file)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not readable JSON: {error}') from error


def read_json(path: str, key: str) -> list:
    """One entry of a JSON object.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read or has no such entry.
    """
    content = load_json(path)
    if not isinstance(content, dict) or key not in content:
        names = sorted(content) if isinstance(content, dict) else 'a list'
        raise ValueError(f'{path} has no entry {key!r}, only {names}')
    return content[key]


def as_points(values, path: str) -> np.ndarray:
    """Check the points of an annotation.

    Args:
        values: Something like an array of shape (N, 2), x and y; anything
            empty means nobody.
        path (str): The file they come from.

    Returns:
        ndarray: (N, 2) float32.

    Raises:
        ValueError: If the shape is another, or a number is not finite.
    """
    try:
        if np.iscomplexobj(values):
            raise TypeError('complex numbers')
        points = np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f'the points of {path} are not numbers') from error
    if points.size == 0:
        return np.zeros((0, 2), np.float32)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f'the points of {path} must have shape (N, 2), but '
                         f'have {points.shape}')
    if not np.isfinite(points).all():
        raise ValueError(f'{(~np.isfinite(points)).any(1).sum()} points of '
                         f'{path} are not finite numbers')
    return points


def image_size(path: str,
               decode: bool = False,
               max_pixels: Optional[int] = None) -> Tuple[int, int]:
    """Width and height of an image as it is stored, whatever its EXIF says.

    Args:
        path (str): Image file.
        decode (bool): Whether to read all of it, not only the header.
        max_pixels (int, optional): See :func:`mmacda.io.load_picture`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a readable image.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'the image {path} is missing')
    if decode:
        return io.read_picture(
            path, upright=False, max_pixels=max_pixels).shape[1::-1]
    return io.picture_size(path, max_pixels)


def as_size(width: Any, height: Any) -> Optional[Tuple[int, int]]:
    """The size that an annotation states; many tools write nothing or 0."""
    try:
        size = int(float(width)), int(float(height))
    except (OverflowError, TypeError, ValueError):
        return None
    return size if min(size) > 0 else None


def check_size(stated: Optional[Tuple[int, int]], size: Tuple[int, int],
               img_path: str, ann_path: str) -> None:
    """Refuse an annotation of another size: its points lie elsewhere.

    Args:
        stated (tuple[int, int], optional): Width and height that the
            annotation says the image has.
        size (tuple[int, int]): Those that it has.
        img_path, ann_path (str): The two files.

    Raises:
        ValueError: If they differ.
    """
    if stated is None or stated == size:
        return
    advice = ('it was annotated upright, while the file is stored turned: '
              'save it upright' if stated == size[::-1] else
              'bring the one to the size of the other')
    raise ValueError(
        f'{ann_path} is of an image of {stated[0]} x {stated[1]} pixels, but '
        f'{img_path} has {size[0]} x {size[1]}: {advice}')


def count_outside(points: np.ndarray, size: Tuple[int, int],
                  path: str) -> int:
    """Number of points outside an image.

    Args:
        points (ndarray): (N, 2) x and y.
        size (tuple[int, int]): Width and height of the image.
        path (str): The file they come from.

    Raises:
        ValueError: If x and y seem to be swapped: a tenth of the points, and
            more than two, are farther outside than an annotator's hand
            slips, and none would be outside with x and y swapped.
    """
    below, above = -points, points - size
    outside = ((below > 0) | (above > 0)).any(1).sum()
    slip = max(3., 0.01 * max(size))
    far = ((below > slip) | (above > slip)).any(1).sum()
    swapped = ((points < 0) | (points > size[::-1])).any(1).sum()
    if far > max(2, 0.1 * len(points)) and swapped == 0:
        raise ValueError(
            f'{outside} of {len(points)} points of {path} are outside the '
            f'image of {size[0]} x {size[1]} pixels, and none would be if x '
            'and y were swapped: the points must be (x, y)')
    return int(outside)
