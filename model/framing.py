"""Where the faces of a photograph are, and how to cut them out and put them back.

A model knows faces in one framing: that of its training pictures, UTKFace's *aligned and cropped* ones in the case of
real faces. A `Frame` is such a crop within a larger picture: a square with a centre, a side and an angle.

Faces are found by dlib's frontal detector (King, 2009; Dalal and Triggs, 2005), whose weights come in its package. Its
boxes are coarse (3 % of a face in place, 8 % in size, no angle), so each is then moved, scaled and turned to where the
model explains the crop best: a face is most like those that it learned when it is framed as they are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

Picture = NDArray[np.uint8]  # (H, W, 3)
Floats = NDArray[np.floating]

BOX = (0.5, 0.49, 0.89)  # where the detector sees a face in UTKFace's crops: centre x, y and width, in sides
BOX_ERROR = (0.035, 0.035, 0.08)  # standard deviations of the same; the width's is relative
MOST_TURNED = math.radians(30)  # the detector sees no face that is turned further
LEAST_SCORE = -0.3  # of the detector: below 0, for faces that fill the picture to its edges
DETECTED_SIDE = 1000  # pixels that the detector looks at: faces down to a twelfth of the picture, in a second


@dataclass(frozen=True)
class Frame:
    """A square crop: centre and side in pixels, turned clockwise by `angle` radians."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    @property
    def pixels(self) -> int:
        """The side of the crop at the picture's own resolution."""
        return round(self.side)

    def moved(self, right: float = 0, down: float = 0, scale: float = 1, turn: float = 0) -> "Frame":
        """This frame, shifted by shares of its side, scaled and turned (radians)."""
        x, y = self.x + right * self.side, self.y + down * self.side
        return Frame(x, y, self.side * scale, self.angle + turn)


def centred(height: int, width: int) -> Frame:
    """The largest centred square of a picture: what training pictures are cut to."""
    side = min(height, width)
    return Frame((width - side) // 2 + side / 2, (height - side) // 2 + side / 2, side)


def cut(picture: Picture | Floats, frame: Frame, size: int, order: Literal[1, 3] = 3) -> Floats:
    """The crop of a picture (H, W, 3) as (size, size, 3), float in the picture's units; its edge goes on outside.

    `order` 3 samples by cubic splines, which keep whole pixels exactly; 1, linearly, is quick.
    """
    across = ((np.arange(size) + 0.5) / size - 0.5) * frame.side
    right, down = np.meshgrid(across, across)
    cos, sin = math.cos(frame.angle), math.sin(frame.angle)
    at = [frame.y + sin * right + cos * down - 0.5, frame.x + cos * right - sin * down - 0.5]
    return _sample(picture, at, "nearest", order)


def put_back(picture: Picture, change: Floats, frame: Frame) -> Picture:
    """A picture (H, W, 3) with the `change` (n, n, 3) of a crop, in units of [0, 1], added to it at its place."""
    height, width = picture.shape[:2]
    reach = frame.side * (abs(math.cos(frame.angle)) + abs(math.sin(frame.angle))) / 2
    top, left = max(0, math.floor(frame.y - reach)), max(0, math.floor(frame.x - reach))
    bottom, right_end = min(height, math.ceil(frame.y + reach)), min(width, math.ceil(frame.x + reach))
    rows, columns = np.mgrid[top:bottom, left:right_end] + 0.5
    cos, sin = math.cos(frame.angle), math.sin(frame.angle)
    right = cos * (columns - frame.x) + sin * (rows - frame.y)
    down = cos * (rows - frame.y) - sin * (columns - frame.x)
    scale = len(change) / frame.side
    at = [down * scale + len(change) / 2 - 0.5, right * scale + len(change) / 2 - 0.5]
    changed = picture.copy()
    part = changed[top:bottom, left:right_end]
    part[:] = np.rint((part + 255 * _sample(change, at, "constant", 3)).clip(0, 255)).astype(np.uint8)
    return changed


def _sample(
    picture: Picture | Floats,
    at: list[NDArray[np.float64]],
    beyond: Literal["nearest", "constant"],
    order: Literal[1, 3],
) -> Floats:
    layers = [map_coordinates(picture[..., k].astype(np.float32), at, order=order, mode=beyond) for k in range(3)]
    return np.stack(layers, -1)


def detector_present() -> bool:
    """Whether dlib is installed."""
    try:
        import dlib  # noqa: F401
    except ImportError:
        return False
    return True


def find_faces(picture: Picture) -> list[Frame]:
    """A coarse frame, upright, for each face of a picture (H, W, 3), from left to right."""
    import dlib
    from PIL import Image

    height, width = picture.shape[:2]
    scale = min(1.0, DETECTED_SIDE / max(height, width))
    seen = picture
    if scale < 1:
        seen = np.asarray(Image.fromarray(picture).resize((round(width * scale), round(height * scale))))
    detector = dlib.get_frontal_face_detector()
    boxes, _, _ = detector.run(np.ascontiguousarray(seen), int(max(seen.shape) < DETECTED_SIDE / 2), LEAST_SCORE)
    frames = []
    for box in boxes:
        side = (box.right() - box.left()) / BOX[2] / scale
        centre_x, centre_y = (box.left() + box.right()) / 2 / scale, (box.top() + box.bottom()) / 2 / scale
        frames.append(Frame(centre_x + (0.5 - BOX[0]) * side, centre_y + (0.5 - BOX[1]) * side, side))
    return sorted(frames, key=lambda frame: frame.x)


def is_framed(frames: list[Frame], height: int, width: int) -> bool:
    """Whether a picture is a crop as it is: its one face stands where, and as large as, in a training picture."""
    if len(frames) != 1:
        return False
    face, whole = frames[0], centred(height, width)
    away = math.hypot(face.x - whole.x, face.y - whole.y) / whole.side
    return away < 0.15 and 0.7 < face.side / whole.side < 1.3


def refined(picture: Picture, frame: Frame, size: int, misfit: Callable[[Floats], Floats]) -> Frame:
    """The frame near a coarse one whose crop the model explains best.

    Parameters
    ----------
    picture : (H, W, 3)
    frame : as the detector gives it
    size : of the crops that the model sees
    misfit : crops (N, size, size, 3) in [0, 1] -> (N,) how badly the model explains them, in units of log likelihood
    """
    from PIL import Image

    # the surroundings, small enough that a crop of `size` pixels is no more than a gentle reduction
    around = frame.moved(scale=2)
    pixels = max(16, round(min(around.side, 3 * size)))
    large = Image.fromarray(np.rint(cut(picture, around, round(around.side), order=1).clip(0, 255)).astype(np.uint8))
    near = np.asarray(large.resize((pixels, pixels), Image.Resampling.LANCZOS), np.float32) / 255
    start = Frame(pixels / 2, pixels / 2, pixels / 2)

    def cost(frames: list[Frame]) -> Floats:
        away = [
            ((f.x - start.x) / start.side / BOX_ERROR[0]) ** 2
            + ((f.y - start.y) / start.side / BOX_ERROR[1]) ** 2
            + (math.log(f.side / start.side) / BOX_ERROR[2]) ** 2
            for f in frames
        ]
        return misfit(np.stack([cut(near, f, size, order=1) for f in frames])) + np.array(away, np.float32) / 2

    turned = [replace(start, angle=angle) for angle in np.linspace(-MOST_TURNED, MOST_TURNED, 9)]
    costs = cost(turned)
    best, lowest, step = turned[int(costs.argmin())], float(costs.min()), 1.0
    while step > 0.2:
        around_best = [best.moved(right=s * 0.05 * step) for s in (-1, 1)]
        around_best += [best.moved(down=s * 0.05 * step) for s in (-1, 1)]
        around_best += [best.moved(scale=1 + s * 0.08 * step) for s in (-1, 1)]
        around_best += [best.moved(turn=s * 0.1 * step) for s in (-1, 1)]
        costs = cost(around_best)
        if costs.min() < lowest:
            best, lowest = around_best[int(costs.argmin())], float(costs.min())
        else:
            step /= 2
    back = frame.side / start.side
    return Frame(frame.x + (best.x - start.x) * back, frame.y + (best.y - start.y) * back, best.side * back, best.angle)
