"""Pictures of one mean luminance and one contrast, so that what differs between stimuli is not how bright they are.

The lumMatch of the SHINE toolbox (Willenbockel et al., 2010, Behavior Research Methods 42): within the face, every
picture gets the mean and the standard deviation of luminance that the set has on average. The differences between a
pixel's channels stay.
"""

import numpy as np
from numpy.typing import NDArray

from model.pictures import Pictures, needs_bytes

Floats = NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as SHINE's rgb2gray
ROUNDS = 20  # pixels that would leave [0, 255] are cut there, and the others make up for them


def face_oval(size: int) -> NDArray[np.bool_]:
    """(S, S) the pixels of a face in the framing of UTKFace and of the drawn faces."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    inside: NDArray[np.bool_] = ((x - 0.5) / 0.34) ** 2 + ((y - 0.52) / 0.44) ** 2 <= 1
    return inside


def luminance(pictures: Pictures | Floats) -> Floats:
    """(N, S, S, 3) -> (N, S, S) in [0, 255]."""
    found: Floats = pictures @ LUMA
    return found


def moments(pictures: Pictures | Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of luminance within the face oval, (N,) each."""
    inside = luminance(pictures)[:, face_oval(pictures.shape[1])]
    return inside.mean(1), inside.std(1)


def match(pictures: Pictures) -> Pictures:
    """The pictures with the mean and the contrast within the face oval that they have on average.

    The whole picture is changed, by what the oval needs, so that there is no seam.
    """
    needs_bytes(pictures)
    means, deviations = moments(pictures)
    mean, deviation = means.mean(), deviations.mean()
    matched = pictures.astype(float)
    for _ in range(ROUNDS):
        means, deviations = moments(matched)
        gain = (deviation / np.maximum(deviations, 1e-6))[:, None, None]
        old = luminance(matched)
        new = (old - means[:, None, None]) * gain + mean
        matched = np.clip(matched + (new - old)[..., None], 0, 255)
    return np.rint(matched).astype(np.uint8)
