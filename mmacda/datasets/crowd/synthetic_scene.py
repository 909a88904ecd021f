"""A crowd on a square, seen from a camera a little above the heads."""
from typing import NamedTuple, Tuple

import cv2
import numpy as np

from .synthetic_figures import CLUTTER, PERSON_HEIGHT, Patch, person

# Heights in pixels of the farthest head of a scene and of the nearest.
SMALLEST_HEAD = 4.
LARGEST_HEAD = (52., 64.)
# The part of a head that is not hidden by what stands in front of it. Nobody
# is placed where less would be seen, so that every head can be counted.
VISIBLE = 0.6
TRIES = 12  # places for one person
SUPERSAMPLING = 2


class Scene(NamedTuple):
    """A picture and its heads.

    Attributes:
        image (ndarray): (H, W, 3) uint8 BGR.
        points (ndarray): (N, 2) float32 x and y of the heads' centres.
        head_sizes (ndarray): (N, ) float32 heights of the heads in pixels.
    """
    image: np.ndarray
    points: np.ndarray
    head_sizes: np.ndarray


class Camera(NamedTuple):
    """Heads grow in proportion to their distance from the horizon.

    Attributes:
        horizon (float): Row of the horizon in pixels, possibly above the
            picture.
        growth (float): Pixels of a head's height per row below the horizon.
    """
    horizon: float
    growth: float

    def head_row(self, size: float) -> float:
        return self.horizon + size / self.growth

    def foot_row(self, size: float) -> float:
        return self.head_row(size) + (PERSON_HEIGHT - 0.5) * size


class Canvas:
    """A picture that is painted from the front to the back.

    Args:
        size (tuple[int, int]): Width and height in pixels.
    """

    def __init__(self, size: Tuple[int, int]):
        self.shape = size[::-1]
        self.colour = np.zeros(self.shape + (3, ), np.float32)
        self.open = np.ones(self.shape + (1, ), np.float32)

    def put_behind(self, patch: Patch) -> None:
        """Put a layer behind all that is there."""
        open_ = self.open[patch.window]
        self.colour[patch.window] += open_ * patch.colour
        open_ *= 1 - patch.opacity

    def visible(self, head: Tuple[float, float], size: float) -> float:
        """The part of a head that would be seen if it were put behind."""
        patch = Patch(self.shape, head, size, (-0.5, -0.6, 0.5, 0.6))
        cover = patch.ellipse(0, 0, 0.39, 0.5)
        total = np.pi * 0.39 * 0.5 * size**2
        return float((cover * self.open[patch.window][..., 0]).sum() / total)


def _put_people(rng, canvas: Canvas, camera: Camera, largest: float,
                wanted: int) -> Tuple[np.ndarray, np.ndarray]:
    """People and clutter from near to far; the heads that found a place."""
    height, width = canvas.shape
    side = rng.uniform(0.4, 0.8) * rng.choice([-1, 1])
    light = np.array([side, -0.5, 0.6], np.float32)
    light /= np.linalg.norm(light)
    bias = rng.uniform(1., 1.9)  # above 1: more of the far than of the near
    sizes = SMALLEST_HEAD * (largest / SMALLEST_HEAD)**(
        rng.random(wanted)**bias)
    sizes[:2] = (largest, SMALLEST_HEAD)[:wanted]
    clutter = SMALLEST_HEAD * 4**rng.random(rng.integers(3, 11))
    # People gather: some columns are denser than others.
    centres = rng.uniform(0, width, rng.integers(2, 6))
    spread = rng.uniform(0.12, 0.45) * width

    heads = []
    figures = [(size, True) for size in sizes]
    figures += [(size, False) for size in clutter]
    for size, counts in sorted(figures, reverse=True):
        pixels = SUPERSAMPLING * size
        if not counts:
            foot = (rng.uniform(0, width),
                    SUPERSAMPLING * camera.foot_row(size))
            draw = CLUTTER[rng.integers(len(CLUTTER))]
            for patch in draw(canvas.shape, foot, pixels, light, rng):
                canvas.put_behind(patch)
            continue
        row = SUPERSAMPLING * (
            camera.head_row(size) + 0.25 * size * rng.normal())
        for _ in range(TRIES):
            column = rng.uniform(0, width)
            if rng.random() < 0.6:
                column = rng.normal(rng.choice(centres), spread)
            if (0 <= column < width and 0 <= row < height and canvas.visible(
                    (column, row), pixels) >= VISIBLE):
                for patch in person(canvas.shape, (column, row), pixels,
                                    light, rng):
                    canvas.put_behind(patch)
                heads.append((column, row, pixels))
                break
    heads = np.array(heads).reshape(-1, 3) / SUPERSAMPLING
    return heads[:, :2], heads[:, 2]


def _noise(rng, shape: Tuple[int, int], cells: int) -> np.ndarray:
    """Smooth noise with so many cells across the picture."""
    grid = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_LINEAR)


def _background(rng, shape: Tuple[int, int], horizon: float,
                wall_row: float) -> np.ndarray:
    """Sky, a row of facades and a paved ground in perspective."""
    height, width = shape
    rows, columns = (
        axis.astype(np.float32) for axis in np.ogrid[:height, :width])
    sky = np.array([235., 215., 190.]) * rng.uniform(0.75, 1.05)
    picture = np.empty(shape + (3, ), np.float32)
    picture[:] = sky - 30 * (rows / height)[..., None]
    wall_row, left = int(np.clip(wall_row, 0, height)), 0
    while left < width:
        right = left + int(rng.uniform(0.15, 0.4) * width) + 1
        top = max(0, wall_row - int(rng.uniform(0.12, 0.5) * height))
        _paint_facade(rng, picture[top:wall_row, left:right])
        left = right
    ground = np.array([1., 1.02, 1.05]) * rng.uniform(70, 170)
    below = np.maximum(rows - np.float32(horizon), 1)
    depth = rng.uniform(0.4, 0.9) * height / below
    vanishing, slabs = rng.uniform(0.2, 0.8) * width, rng.uniform(0.5, 2)
    across = (columns - np.float32(vanishing)) * (slabs / below)
    joints = (np.abs(depth - np.round(depth)) < 0.04) | (
        np.abs(across - np.round(across)) < 0.03)
    shade = 1 - 0.12 * joints * np.clip(below / height, 0, 1)
    shade += 0.05 * _noise(rng, shape, 6) + 0.03 * _noise(rng, shape, 60)
    picture[wall_row:] = shade[wall_row:, :, None] * ground.astype(np.float32)
    return picture


def _paint_facade(rng, part: np.ndarray) -> None:
    height, width = part.shape[:2]
    wall = rng.uniform(60, 200) + rng.normal(0, 14, 3)
    step_u, step_v = rng.uniform(18, 44), rng.uniform(22, 50)
    rows, columns = np.ogrid[:height, :width]
    window = (columns / step_u % 1 > 0.45) & (rows / step_v % 1 > 0.4)
    panes = rng.uniform(0.35, 0.75, (int(height / step_v) + 1,
                                     int(width / step_u) + 1))
    glass = panes[(rows / step_v).astype(int), (columns / step_u).astype(int)]
    shade = np.where(window, glass, 0.9 + 0.1 * rows / max(height, 1))
    part[:] = shade[..., None].astype(np.float32) * wall.astype(np.float32)


def _add_shadows(rng, picture: np.ndarray, points: np.ndarray,
                 sizes: np.ndarray) -> None:
    """A soft shadow at everybody's feet."""
    strength = rng.uniform(0.15, 0.5)
    for (column, row), size in zip(points, sizes):
        foot = column, row + (PERSON_HEIGHT - 0.5) * size
        patch = Patch(picture.shape[:2], foot, size, (-2, -0.5, 2, 0.5))
        fall_off = np.exp(-2 * ((patch.u / 1.3)**2 + (patch.v / 0.35)**2))
        picture[patch.window] *= 1 - strength * fall_off[..., None]


def _photograph(rng, picture: np.ndarray, horizon: float) -> np.ndarray:
    """Haze and blur in the distance, uneven light, exposure and noise."""
    height, width = picture.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    near = np.clip((rows - horizon) / (0.35 * height), 0, 1)[..., None]
    haze = rng.uniform(0, 0.3) * (1 - near)
    picture = picture + haze * (np.array([215., 210., 205.]) - picture)
    soft = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 0.75))
    picture = soft + near * (picture - soft)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (np.cos(angle) * (columns / width - 0.5) + np.sin(angle) *
            (rows / height - 0.5))
    light = 1 + rng.uniform(0, 0.5) * ramp
    if rng.random() < 0.4:  # the shadow of a building
        edge = 1 + np.exp(-60 * (ramp - rng.uniform(-0.3, 0.3)))
        light = light * (1 - rng.uniform(0.2, 0.45) / edge)
    tint = rng.uniform(0.92, 1.08, 3)
    picture = np.clip(picture * light[..., None] * tint / 255, 0, 1)
    picture = 255 * picture**rng.uniform(0.75, 1.3) * rng.uniform(0.75, 1.1)
    picture += rng.normal(0, rng.uniform(1.5, 6), picture.shape)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def draw_scene(rng: np.random.Generator, size: Tuple[int, int],
               people: Tuple[int, int]) -> Scene:
    """Draw one scene; a function of the generator's state and the arguments.

    Args:
        rng (Generator): Source of every decision.
        size (tuple[int, int]): Width and height of the picture in pixels.
        people (tuple[int, int]): Least and greatest number of people wanted,
            drawn evenly on a logarithmic scale; fewer stand where there is no
            room for more.

    Returns:
        Scene: The picture, and each head in it.
    """
    width, height = size
    horizon = rng.uniform(-0.02, 0.16) * height
    largest = rng.uniform(*LARGEST_HEAD)
    camera = Camera(horizon, largest / (0.9 * height - horizon))
    wanted = int(round(np.exp(rng.uniform(*np.log(people)))))
    canvas = Canvas((width * SUPERSAMPLING, height * SUPERSAMPLING))
    points, sizes = _put_people(rng, canvas, camera, largest, wanted)
    behind = _background(
        rng, canvas.shape, horizon * SUPERSAMPLING,
        SUPERSAMPLING * (camera.foot_row(SMALLEST_HEAD) - 2))
    _add_shadows(rng, behind, points * SUPERSAMPLING, sizes * SUPERSAMPLING)
    picture = canvas.colour + canvas.open * behind
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return Scene(
        _photograph(rng, picture, horizon), points.astype(np.float32),
        sizes.astype(np.float32))
