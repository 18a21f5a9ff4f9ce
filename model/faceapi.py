"""Judges off the shelf: the expression, recognition and age nets of the npm package @vladmandic/face-api, in torch.

The package (MIT licence) holds its weights as bytes with a scale and an offset each. `fetch` brings its archive once,
`FaceApi` reads the weights out of it; nothing of it is part of this project. The nets are written as in the package's
sources (src/faceExpressionNet, src/faceRecognitionNet, src/ageGenderNet), the recognition net being dlib's (King,
2017, ResNet with 29 layers). They see faces that are cropped as UTKFace's *aligned and cropped* ones are.
"""

import hashlib
import json
import math
import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logsumexp
from torch import Tensor
from torch.nn import functional as F

from data.archives import members
from data.download import download
from model.devices import best_device
from shell import UserError

VERSION = "1.7.15"
SHA512 = "WDMmK3CfNLo8jylWqMoQgf4nIst3M0fzx1dnac96wv/dvMTN4DxC/Pq1DGtduDk1lktCamQ3MIDXFnvrdHTXDw=="
REGISTRY = "https://registry.npmjs.org"
CACHE = Path("runs/.cache")
NETS = ("face_expression", "face_recognition", "age_gender")
KNOWS_UTKFACE = (
    "by its authors, face-api's net for age and gender learned from UTKFace, among other sets: its errors of them are "
    "not those of faces that it never saw."
)
HAPPY = 1  # where it stands among the outputs of `expression`
BATCH = 16  # pictures; larger ones leave the processor's cache and are slower
MEAN_RGB = (122.782, 117.001, 104.298)

Weights = dict[str, Tensor]


def archive() -> Path:
    """Where the package's archive lies, or would lie."""
    return CACHE / f"face-api-{VERSION}.tgz"


def fetch(instead: str = "") -> Path:
    """The package's archive, downloaded from the npm registry if it is not there yet.

    `instead` is what the caller can do without it, for the error; not every model has an image set to train own judges.

    Raises
    ------
    UserError
        The registry cannot be reached, or what came is not the package that is expected.
    """
    if not archive().exists():
        address = f"{registry()}/@vladmandic/face-api/-/{archive().name}"
        print(f"{archive()} is not there yet: fetching the judges' nets from {address}, once.")
        try:
            download(address, CACHE)
        except UserError as error:
            raise UserError(
                f"{str(error).rstrip('.')}; without a network, fetch this file elsewhere and copy it into {CACHE}"
                f"{instead and f', or {instead}'}."
            ) from error
    if checksum(archive()) != SHA512:
        archive().unlink()
        raise UserError(f"{archive()}: not face-api {VERSION} (its sha512 differs); removed.")
    return archive()


def registry() -> str:
    """The npm registry's address: npm's own setting where the environment has it, in upper or lower case."""
    found = [value for name, value in os.environ.items() if name.lower() == "npm_config_registry" and value]
    return (found[0] if found else REGISTRY).rstrip("/")


def checksum(path: Path) -> str:
    """sha512 as npm writes it."""
    with path.open("rb") as file:
        return b64encode(hashlib.file_digest(file, "sha512").digest()).decode()


def read_weights(package: Path) -> dict[str, Weights]:
    """The float32 weights of each net in `NETS`, by their names there, in torch's layout."""
    wanted = {f"package/model/{net}_model{end}" for net in NETS for end in (".bin", "-weights_manifest.json")}
    files = {name: content for name, content in members(package) if name in wanted}
    if missing := wanted - files.keys():
        raise UserError(f"{package}: no {min(missing)} in it.")
    nets = {}
    for net in NETS:
        (group,) = json.loads(files[f"package/model/{net}_model-weights_manifest.json"])
        nets[net] = unpack(group["weights"], files[f"package/model/{net}_model.bin"])
    return nets


def unpack(entries: list[dict[str, Any]], content: bytes) -> Weights:
    """Weights as tensorflow.js stores them, one after the other: float32, or uint8 with `value = q scale + min`."""
    weights, at = {}, 0
    for entry in entries:
        name, shape, quantization = entry["name"], entry["shape"], entry.get("quantization")
        count = math.prod(shape)
        if quantization:
            stored = np.frombuffer(content, np.uint8, count, at).astype(np.float32)
            values, at = stored * np.float32(quantization["scale"]) + np.float32(quantization["min"]), at + count
        else:
            values, at = np.frombuffer(content, "<f4", count, at).copy(), at + 4 * count
        tensor = torch.from_numpy(values.reshape(shape))
        if tensor.ndim == 4:  # (H, W, in, out) -> (out, in, H, W); depthwise (H, W, C, 1) -> (C, 1, H, W)
            tensor = tensor.permute((2, 3, 0, 1) if name.endswith("depthwise_filter") else (3, 2, 0, 1))
        weights[name] = tensor.contiguous()
    return weights


class FaceApi:
    """The three nets. Pictures are (N, S, S, 3) uint8, RGB."""

    def __init__(self, package: Path) -> None:
        self.device = best_device()
        nets = read_weights(package)
        self.weights = {net: {name: t.to(self.device) for name, t in nets[net].items()} for net in nets}

    def happiness(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Log odds of the expression *happy* against the six others (N,): unbounded, so graded where p is 0 or 1."""
        logits = self._run("face_expression", expression, pictures, 112)  # (N, 7)
        odds: NDArray[np.float64] = logits[:, HAPPY] - logsumexp(np.delete(logits, HAPPY, axis=1), axis=1)
        return odds

    def describe(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Descriptors of the person (N, 128), unit length."""
        descriptors = self._run("face_recognition", recognition, pictures, 150)
        unit: NDArray[np.float64] = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
        return unit

    def attributes(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """`age` in years and `p(female)`, each (N,)."""
        age, male, female = self._run("age_gender", age_gender, pictures, 112).T
        return {"age": age, "p(female)": expit(female - male)}

    @torch.inference_mode()
    def _run(
        self, net: str, forward: Callable[[Weights, Tensor], Tensor], pictures: NDArray[np.uint8], size: int
    ) -> NDArray[np.float64]:
        weights, parts = self.weights[net], []
        mean = torch.tensor(MEAN_RGB, device=self.device)[:, None, None]
        for at in range(0, len(pictures), BATCH):
            x = torch.from_numpy(np.array(pictures[at : at + BATCH])).to(self.device).permute(0, 3, 1, 2)
            x = (resize(x.float(), size) - mean) / 255  # (B, 3, size, size)
            parts.append(forward(weights, x.contiguous(memory_format=torch.channels_last)).double().cpu().numpy())
        return np.concatenate(parts)


def resize(x: Tensor, size: int) -> Tensor:
    """Bilinear as in tensorflow.js by default: pixel i of the result lies at i S / size, not at its centre.

    (B, C, S, S) -> (B, C, size, size).
    """
    count = x.shape[-1]
    if count == size:
        return x
    at = torch.arange(size, dtype=torch.float32) * (count / size)
    low = at.long()
    share = at - low
    mix = torch.zeros(size, count)
    mix.scatter_add_(1, low[:, None], (1 - share)[:, None])
    mix.scatter_add_(1, (low + 1).clamp(max=count - 1)[:, None], share[:, None])
    mix = mix.to(x.device)
    return mix @ x @ mix.T


def same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Padded as tensorflow's `same`: the result has ceil(S / stride) pixels, an odd pixel of padding comes last."""
    total = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
    low, high = total // 2, total - total // 2
    return F.pad(x, (low, high, low, high), value=value)


def conv(w: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    filters = w[f"{name}/filters"]
    return F.conv2d(same(x, filters.shape[-1], stride), filters, w[f"{name}/bias"], stride)


def separable(w: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    x = F.conv2d(same(x, 3, stride), w[f"{name}/depthwise_filter"], None, stride, groups=x.shape[1])
    return F.conv2d(x, w[f"{name}/pointwise_filter"], w[f"{name}/bias"])


def expression(w: Weights, x: Tensor) -> Tensor:
    """(B, 3, 112, 112) -> logits (B, 7): neutral, happy, sad, angry, fearful, disgusted, surprised."""
    for block in range(4):  # 56, 28, 14, 7 pixels
        name = f"dense{block}"
        x = first = F.relu((separable if block else conv)(w, f"{name}/conv0", x, 2))
        total = first
        for layer in (1, 2, 3):
            total = total + separable(w, f"{name}/conv{layer}", x)
            x = F.relu(total)
    return x.mean((2, 3)) @ w["fc/weights"] + w["fc/bias"]


def recognition(w: Weights, x: Tensor) -> Tensor:
    """(B, 3, 150, 150) -> descriptors (B, 128)."""

    def scaled(name: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
        x = F.conv2d(x, w[f"{name}/conv/filters"], w[f"{name}/conv/bias"], stride, padding)
        return x * w[f"{name}/scale/weights"][:, None, None] + w[f"{name}/scale/biases"][:, None, None]

    x = F.max_pool2d(F.relu(scaled("conv32_down", x, 2, 0)), 3, 2)
    for name in ("32_1", "32_2", "32_3", "64_down", "64_1", "64_2", "64_3", "128_down", "128_1", "128_2"):
        x = residual(scaled, f"conv{name}", x)
    for name in ("256_down", "256_1", "256_2", "256_down_out"):
        x = residual(scaled, f"conv{name}", x)
    return x.mean((2, 3)) @ w["fc"]


def residual(scaled: Callable[..., Tensor], name: str, x: Tensor) -> Tensor:
    """A block of the recognition net; one that goes down halves the picture and may have more channels."""
    if "down" not in name:
        return F.relu(x + scaled(f"{name}/conv2", F.relu(scaled(f"{name}/conv1", x))))
    out = scaled(f"{name}/conv2", F.relu(scaled(f"{name}/conv1", x, 2, 0)))
    x = F.avg_pool2d(x, 2)
    missing = x.shape[-1] - out.shape[-1]
    out = F.pad(out, (0, missing, 0, missing))
    return F.relu(out + F.pad(x, (0, 0, 0, 0, 0, out.shape[1] - x.shape[1])))


def age_gender(w: Weights, x: Tensor) -> Tensor:
    """(B, 3, 112, 112) -> age in years and the logits of male and female (B, 3)."""

    def reduction(name: str, x: Tensor, start: Callable[[Tensor], Tensor] = F.relu) -> Tensor:
        out = separable(w, f"{name}/separable_conv0", start(x))
        out = separable(w, f"{name}/separable_conv1", F.relu(out))
        return F.max_pool2d(same(out, 3, 2, -torch.inf), 3, 2) + conv(w, f"{name}/expansion_conv", x, 2)

    x = F.relu(conv(w, "entry_flow/conv_in", x, 2))
    x = reduction("entry_flow/reduction_block_0", x, lambda x: x)
    x = reduction("entry_flow/reduction_block_1", x)
    for block in (0, 1):
        out = x
        for layer in (0, 1, 2):
            out = separable(w, f"middle_flow/main_block_{block}/separable_conv{layer}", F.relu(out))
        x = x + out
    x = reduction("exit_flow/reduction_block", x)
    pooled = F.relu(separable(w, "exit_flow/separable_conv", x)).mean((2, 3))  # (B, 512)
    heads = [pooled @ w[f"fc/{head}/weights"] + w[f"fc/{head}/bias"] for head in ("age", "gender")]
    return torch.cat(heads, 1)
