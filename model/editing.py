"""Change the smile of a picture of any size by what a small model says, and leave it as sharp as it was.

The model sees a face at its own size, S pixels, before (`decode(z)`) and after (`decode(z')`). Three steps bring the
difference into the full picture:

1. Part of a change of smile is motion: corners of the mouth go up, cheeks rise. A smooth flow between before and after
   (Lucas and Kanade, 1981, coarse to fine, strongly regularised) moves the picture's own pixels, which stay sharp.
2. What motion does not explain (teeth that appear, shadows) is added, smoothly enlarged.
3. Where much was added, fine detail of the picture that the model never expressed (the edge of the old lip) is damped,
   so that no ghost of the old mouth stays under the new one.

All three end softly at an oval around the face: hair and background stay as they are, and no change returns the picture
exactly. Pictures are (H, W, 3) in [0, 1], the model's (S, S, 3); all crops in the framing of the training.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Floats = NDArray[np.floating]

OVAL = (0.5, 0.53, 0.40, 0.46)  # centre x, y and half axes x, y of a face in UTKFace's crops, in sides
FEATHER = 0.2  # of the oval's radius
STIFFNESS = 3e-3  # of the flow, in squared brightness per pixel: plain motion of an edge is above it, noise below
FARTHEST = 3 / 64  # of the side: what a pixel moves at most
DAMPED = 0.5  # share of the unexpressed detail that goes where the most is added
ADDED = (0.03, 0.12)  # brightness added from which damping begins, and at which it is full
EYES = 0.45  # of the height: down to here nothing is moved and all detail stays
GREY = 8 / 255  # a picture whose channels differ by less is grey and stays so


def edited(picture: Floats, before: Floats, after: Floats) -> Floats:
    """A picture (H, W, 3) changed as the model changes it from `before` to `after`, (S, S, 3); clipped to [0, 1]."""
    height, width = picture.shape[:2]
    size = len(before)
    inside = oval(size, size)
    after = before + inside * (after - before)
    motion = inside * below_eyes(size) * flow(before, after)
    moved = warp(before, motion)
    to_full = np.array([height / size, width / size], np.float32)
    result = warp(picture, resize(motion, height, width) * to_full)
    added = after - moved
    unexpressed = result - resize(moved, height, width)
    scale = height / size
    detail = unexpressed - blur(unexpressed, 3 * scale)
    amount = blur(np.abs(added).max(-1, keepdims=True), size / 64)
    damping = DAMPED * resize(smooth_step((amount - ADDED[0]) / (ADDED[1] - ADDED[0])), height, width).clip(0, 1)
    full = resize(added, height, width) - below_eyes(height) * damping * detail
    if np.ptp(picture, axis=-1).max() <= GREY:
        full = np.broadcast_to(full.mean(-1, keepdims=True), full.shape)
    return np.where(oval(height, width) > 0, np.clip(result + full, 0, 1), picture)


def below_eyes(height: int) -> Floats:
    """(height, 1, 1): 0 down to the eyes, softly up to 1 below them: there the picture is moved and damped."""
    return smooth_step(((np.arange(height)[:, None, None] + 0.5) / height - EYES) / FEATHER)


def flow(before: Floats, after: Floats) -> Floats:
    """Where each pixel of `after` comes from in `before`: (S, S, 2) rows and columns to add, in pixels.

    Lucas and Kanade (1981): least squares in a window, here with a ridge (STIFFNESS) that keeps still what shows no
    clear motion, from a quarter of the size to the whole.
    """
    size = len(before)
    sizes = [max(8, size // 4), max(8, size // 2), size]
    found = np.zeros((sizes[0], sizes[0], 2), np.float32)
    for level in sizes:
        found = resize(found, level, level) * (level / len(found))
        old = resize(before, level, level).mean(-1, keepdims=True)
        new = resize(after, level, level).mean(-1)
        for _ in range(8):
            now = warp(old, found)[..., 0]
            rows, columns = np.gradient(now, axis=0), np.gradient(now, axis=1)
            error = new - now
            a, b, c = (blur(m, 3) for m in (rows * rows, rows * columns, columns * columns))
            p, q = blur(rows * error, 3), blur(columns * error, 3)
            a, c = a + STIFFNESS, c + STIFFNESS
            step = np.stack([c * p - b * q, a * q - b * p], -1) / (a * c - b * b)[..., None]
            found = blur(found + step, 1.5)
    length = np.hypot(found[..., :1], found[..., 1:])
    most = FARTHEST * size
    return found * (most * np.tanh(length / most) / np.maximum(length, 1e-9)).astype(np.float32)


def warp(picture: Floats, motion: Floats) -> Floats:
    """A picture (H, W, C) whose pixel at p is that of the given one at p + motion(p); unmoved pixels stay exactly."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    at = [rows + motion[..., 0], columns + motion[..., 1]]
    layers = [map_coordinates(picture[..., k], at, order=3, mode="nearest") for k in range(picture.shape[2])]
    return np.where(np.any(motion != 0, axis=-1, keepdims=True), np.stack(layers, -1), picture).astype(np.float32)


def oval(height: int, width: int) -> Floats:
    """(height, width, 1): 1 on the face, softly down to 0 outside of it."""
    x, y, half_width, half_height = OVAL
    rows, columns = (np.arange(height)[:, None] + 0.5) / height, (np.arange(width) + 0.5) / width
    radius = np.hypot((columns - x) / half_width, (rows - y) / half_height)
    return smooth_step((1 - radius) / FEATHER)[..., None]


def smooth_step(t: Floats) -> NDArray[np.float32]:
    """0 below 0, 1 above 1, 3 t^2 - 2 t^3 between."""
    t = np.clip(t, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def resize(picture: Floats, height: int, width: int) -> Floats:
    """A picture (H, W, C) bicubically as (height, width, C), smoothed before it is made smaller."""
    import torch
    from torch.nn import functional as F

    x = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).permute(2, 0, 1)[None]
    resized = F.interpolate(x, (height, width), mode="bicubic", antialias=True, align_corners=False)
    result: Floats = resized[0].permute(1, 2, 0).numpy()
    return result


def blur(picture: Floats, pixels: float) -> Floats:
    """A picture (H, W) or (H, W, C) under a Gaussian of that standard deviation."""
    blurred: Floats = gaussian_filter(picture, pixels, mode="nearest", axes=(0, 1))
    return blurred
