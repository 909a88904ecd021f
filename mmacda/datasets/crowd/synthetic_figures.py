"""What stands in a synthetic scene: people, and round things that are not.

Lengths are in heights of a head, 0.24 m or so; u and v point right and down
from a figure's origin, which is the head of a person and the foot of all else.
"""
from typing import List, Tuple

import numpy as np

SKIN = np.array([[140, 172, 222], [105, 142, 198], [78, 108, 160],
                 [150, 190, 238], [52, 74, 112], [120, 155, 205]], float)
HAIR = np.array([[22, 24, 28], [30, 42, 62], [48, 72, 104], [88, 138, 178],
                 [150, 152, 156], [18, 18, 20]], float)
PERSON_HEIGHT = 7.2


class Patch:
    """A figure, or a part of one, painted on a transparent layer.

    Args:
        shape (tuple[int, int]): Height and width of the canvas; the layer
            covers what lies inside it.
        origin (tuple[float, float]): x and y of the figure in pixels.
        size (float): Pixels per unit.
        extent (tuple): Left, top, right and bottom in units.

    Attributes:
        window (tuple[slice, slice]): Rows and columns of the canvas.
        u, v (ndarray): Coordinates of the pixels, (1, w) and (h, 1).
        colour (ndarray): (h, w, 3), multiplied by the opacity.
        opacity (ndarray): (h, w, 1).
    """

    def __init__(self, shape: Tuple[int, int], origin: Tuple[float, float],
                 size: float, extent: Tuple[float, float, float, float]):
        (left, right), (top, bottom) = (
            np.clip([np.floor(o + size * start), np.ceil(o + size * stop)],
                    0, limit).astype(int)
            for o, start, stop, limit in zip(origin, extent[:2], extent[2:],
                                             shape[::-1]))
        self.window = slice(top, bottom), slice(left, right)
        v, u = np.ogrid[self.window]
        self.u = ((u + 0.5 - origin[0]) / size).astype(np.float32)
        self.v = ((v + 0.5 - origin[1]) / size).astype(np.float32)
        self.size = np.float32(size)
        self.colour = np.zeros((bottom - top, right - left, 3), np.float32)
        self.opacity = np.zeros((bottom - top, right - left, 1), np.float32)

    def coverage(self, distance: np.ndarray) -> np.ndarray:
        """1 inside, 0 outside and a pixel of transition in between."""
        return np.clip(np.float32(0.5) - distance * self.size, 0, 1)

    def ellipse(self, u: float, v: float, a: float, b: float) -> np.ndarray:
        """Coverage of an ellipse with half-axes a and b."""
        radius = np.sqrt(((self.u - np.float32(u)) / np.float32(a))**2 +
                         ((self.v - np.float32(v)) / np.float32(b))**2)
        return self.coverage((radius - 1) * np.float32(min(a, b)))

    def box(self, u: float, v: float, a: float, b: float,
            corner: float) -> np.ndarray:
        """Coverage of a box with half-sides a and b and round corners."""
        beside = np.maximum(
            np.abs(self.u - np.float32(u)) - np.float32(a - corner), 0)
        above = np.maximum(
            np.abs(self.v - np.float32(v)) - np.float32(b - corner), 0)
        return self.coverage(
            np.sqrt(beside**2 + above**2) - np.float32(corner))

    def paint(self, coverage: np.ndarray, colour: np.ndarray,
              shade=1.) -> None:
        """Put a colour, times a shade per pixel, over the layer."""
        coverage = np.asarray(coverage, np.float32)[..., None]
        shade = np.atleast_2d(np.asarray(shade, np.float32))[..., None]
        self.colour *= 1 - coverage
        self.colour += coverage * shade * np.asarray(colour, np.float32)
        self.opacity += coverage * (1 - self.opacity)


def cloth_colour(rng: np.random.Generator) -> np.ndarray:
    """Mostly muted, now and then bright."""
    grey = rng.uniform(25, 215)
    spread = rng.choice([8, 22, 70], p=[0.35, 0.4, 0.25])
    return np.clip(grey + rng.normal(0, spread, 3), 12, 245)


def person(shape, head, size, light, rng: np.random.Generator) -> List[Patch]:
    """A standing person.

    Args:
        shape (tuple[int, int]): Height and width of the canvas.
        head (tuple[float, float]): Centre of the head in pixels.
        size (float): Height of the head in pixels.
        light (ndarray): Unit vector to the light: right, down, to the viewer.
        rng (Generator): Decides what the person looks like.

    Returns:
        list[Patch]: Head, trunk and legs, from near to far.
    """
    facing = rng.uniform(-np.pi, np.pi)
    skin = SKIN[rng.integers(len(SKIN))] * rng.uniform(0.85, 1.1)
    lean = rng.uniform(-0.12, 0.12)
    front = Patch(shape, head, size, (-0.55, -0.6, 0.55, 0.95))
    _paint_head(front, facing, skin, light, rng)
    trunk = Patch(shape, head, size, (-1.25, 0.45, 1.25, 3.8))
    _paint_trunk(trunk, facing, lean, light, rng)
    legs = Patch(shape, head, size, (-0.75, 3.5, 0.75, 6.9))
    _paint_legs(legs, lean, light, rng)
    return [front, trunk, legs]


def _paint_legs(patch: Patch, lean, light, rng) -> None:
    trousers, stride = 0.7 * cloth_colour(rng), rng.uniform(0.16, 0.34)
    for side in (-1, 1):
        foot = side * stride + lean
        patch.paint(
            patch.box(foot, 5.2, 0.24, 1.6, 0.18), trousers,
            0.8 + 0.25 * side * light[0])
        patch.paint(patch.ellipse(foot, 6.7, 0.26, 0.12), np.full(3, 30.))


def _paint_trunk(patch: Patch, facing, lean, light, rng) -> None:
    cloth, bag = cloth_colour(rng), cloth_colour(rng)
    broad, pattern = np.float32(rng.uniform(0.88, 1.12)), rng.random()
    # Shoulders fall off from the neck, the waist is narrower.
    down = np.maximum(patch.v - 0.52, 0)
    half = broad * np.minimum(0.2 + 1.35 * np.sqrt(down), 1.02)
    half = half - 0.1 * np.clip((patch.v - 1.2) / 2, 0, 1)
    across = (patch.u - np.float32(lean) * patch.v / 6) / np.maximum(half, 0.1)
    body = patch.coverage((np.abs(across) - 1) * half)
    body = body * patch.coverage(np.abs(patch.v - 2.135) - 1.615)
    shade = 0.78 + 0.3 * np.clip(across, -1, 1) * light[0]
    shade = shade - 0.16 * (np.abs(np.abs(across) - 0.66) < 0.05) * (
        patch.v > 1.1)  # between the arms and the trunk
    shade = shade - 0.1 * np.clip((patch.v - 1) / 3, 0, 1)
    if pattern < 0.2:  # stripes
        shade = shade * (1 - 0.25 * (np.sin(9 * patch.v) > 0))
    elif pattern < 0.4:  # an open jacket
        shade = shade * (1 + 0.45 * (np.abs(across) < 0.16))
    patch.paint(body, cloth, shade)
    if np.cos(facing) < 0 and pattern > 0.6:  # seen from behind
        patch.paint(
            patch.box(0, 1.75, 0.52 * broad, 0.72, 0.25), bag,
            0.85 + 0.25 * patch.u * light[0])


def _paint_head(patch: Patch, facing, skin, light, rng) -> None:
    hair, wears = HAIR[rng.integers(len(HAIR))], rng.random()
    hat, width = cloth_colour(rng), rng.uniform(0.36, 0.42)
    if wears < 0.14:  # a cap, a hat, a scarf
        hair = hat
    elif wears < 0.2:  # bald
        hair = 0.92 * skin
    elif wears < 0.45:  # long hair
        patch.paint(
            patch.ellipse(0, 0.22, width + 0.07, 0.62), hair,
            0.75 + 0.2 * patch.u * light[0])
    patch.paint(patch.box(0, 0.5, 0.17, 0.16, 0.08), 0.72 * skin)
    # The head is half of an ellipsoid: its normals tell hair from face.
    n_u, n_v = patch.u / np.float32(width), patch.v / np.float32(0.5)
    n_z = np.sqrt(np.maximum(1 - n_u**2 - n_v**2, 0))
    lit = n_u * light[0] + n_v * light[1] + n_z * light[2]
    shade = 0.62 + 0.45 * np.maximum(lit, 0)
    forward = n_u * np.sin(facing) + 0.3 * n_v + n_z * np.cos(facing)
    hairy = np.clip(8 * np.maximum(0.18 - forward, -0.38 - n_v), 0, 1)
    cover = patch.ellipse(0, 0, width, 0.5)
    patch.paint(cover, skin, shade)
    patch.paint(cover * hairy, hair, shade + 0.1)
    if np.cos(facing) < 0.2 or patch.size < 12:
        return
    for turn in (-0.42, 0.42):
        if np.cos(facing + turn) > 0.1:
            eye = width * np.sin(facing + turn) * 0.95
            patch.paint(
                patch.ellipse(eye, -0.02, 0.05, 0.032), np.full(3, 32.))
            patch.paint(
                patch.ellipse(eye, -0.1, 0.08, 0.018), 0.6 * hair + 12)
    middle = width * np.sin(facing)
    patch.paint(patch.ellipse(middle, 0.11, 0.045, 0.07), 0.86 * skin)
    patch.paint(
        patch.ellipse(0.8 * middle, 0.27, 0.1, 0.025),
        0.62 * skin * [0.85, 0.8, 1.05])


def _standing(shape, foot, size, up, extent) -> Patch:
    """A patch whose origin is so many units above a point of the ground."""
    return Patch(shape, (foot[0], foot[1] - up * size), size, extent)


def balloon(shape, foot, size, light, rng) -> List[Patch]:
    """A glossy balloon on a string."""
    up = rng.uniform(3.5, 8.)
    colour = np.full(3, 40.)
    colour[rng.permutation(3)[:rng.integers(1, 3)]] = rng.uniform(170, 250)
    patch = _standing(shape, foot, size, up, (-0.7, -0.8, 0.7, up))
    patch.paint(patch.box(0, up / 2, 0.02, up / 2, 0.01), np.full(3, 210.))
    lit = patch.u * light[0] + patch.v * light[1]
    patch.paint(patch.ellipse(0, 0, 0.52, 0.62), colour, 0.85 + 0.4 * lit)
    patch.paint(
        patch.ellipse(0.2 * light[0], -0.25, 0.1, 0.14), np.full(3, 250.))
    return [patch]


def lamp(shape, foot, size, light, rng) -> List[Patch]:
    """A pole with one or two bright globes."""
    up = rng.uniform(8., 13.)
    patch = _standing(shape, foot, size, up, (-1.6, -0.8, 1.6, up))
    metal = np.full(3, rng.uniform(35, 90))
    patch.paint(
        patch.box(0, up / 2, 0.12, up / 2, 0.05), metal,
        0.9 + 1.2 * patch.u * light[0])
    globes = [0.] if rng.random() < 0.5 else [-0.9, 0.9]
    if len(globes) > 1:
        patch.paint(patch.box(0, 0.3, 0.95, 0.07, 0.05), metal)
    for u in globes:
        patch.paint(
            patch.ellipse(u, 0, 0.45, 0.45), np.array([205., 232., 245.]),
            0.98 - 0.2 * patch.v)
    return [patch]


def bollard(shape, foot, size, light, rng) -> List[Patch]:
    """A short post with a ball on top."""
    patch = _standing(shape, foot, size, 3, (-0.6, -0.6, 0.6, 3))
    colour = np.array([60., 62., 66.]) * rng.uniform(0.7, 2)
    shade = 0.85 + 0.5 * patch.u * light[0]
    patch.paint(patch.box(0, 1.6, 0.26, 1.4, 0.05), colour, shade)
    patch.paint(patch.ellipse(0, 0, 0.4, 0.4), colour, shade + 0.15)
    return [patch]


def litter_bin(shape, foot, size, light, rng) -> List[Patch]:
    """A litter bin, or a case left on the ground."""
    half, tall = rng.uniform(0.6, 1.3), rng.uniform(0.7, 1.9)
    patch = _standing(shape, foot, size, tall,
                      (-half - 0.1, -tall - 0.1, half + 0.1, tall + 0.1))
    patch.paint(
        patch.box(0, 0, half, tall, 0.2), cloth_colour(rng),
        0.8 + 0.3 * patch.u * light[0])
    patch.paint(
        patch.box(0, -0.6 * tall, 0.8 * half, 0.1, 0.05), np.full(3, 40.))
    return [patch]


def sign(shape, foot, size, light, rng) -> List[Patch]:
    """A round traffic sign."""
    up = rng.uniform(7., 10.)
    patch = _standing(shape, foot, size, up, (-0.9, -0.9, 0.9, up))
    patch.paint(patch.box(0, up / 2, 0.08, up / 2, 0.03), np.full(3, 120.))
    rim = np.array([[40., 40., 200.], [170., 80., 30.]])[rng.integers(2)]
    patch.paint(patch.ellipse(0, 0, 0.75, 0.75), rim)
    patch.paint(patch.ellipse(0, 0, 0.52, 0.52), np.full(3, 228.))
    return [patch]


def tree(shape, foot, size, light, rng) -> List[Patch]:
    """A trunk under a crown of round tufts."""
    up = rng.uniform(11., 16.)
    crown = _standing(shape, foot, size, up, (-5, -4, 5, 4))
    green = np.array([45., 110., 80.]) * rng.uniform(0.6, 1.1)
    for _ in range(18):
        u, v = rng.normal(0, [1.5, 1.1])
        radius = rng.uniform(0.8, 1.6)
        lit = ((crown.u - u) * light[0] + (crown.v - v) * light[1]) / radius
        crown.paint(
            0.85 * crown.ellipse(u, v, radius, radius), green,
            rng.uniform(0.55, 1) + 0.25 * lit)
    trunk = _standing(shape, foot, size, up, (-0.4, 0, 0.4, up))
    trunk.paint(
        trunk.box(0, up / 2, 0.35, up / 2, 0.1), np.array([48., 62., 80.]),
        0.9 + 0.6 * trunk.u * light[0])
    return [crown, trunk]


CLUTTER = (balloon, lamp, bollard, litter_bin, sign, tree)
