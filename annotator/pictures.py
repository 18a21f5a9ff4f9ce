"""The faces to come, decoded and scaled ahead in the background, and quiet while a face waits for its answer."""

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Self

from PIL import Image

AHEAD = 4  # faces that are ready at any time

Loader = Callable[[], Image.Image]


class Pictures:
    """The pictures of `loaders` one by one, each scaled to `height` pixels (never wider than `max_width`)."""

    def __init__(self, loaders: Iterable[Loader], height: int, max_width: int) -> None:
        self._loaders = iter(loaders)
        self._box = (max_width, height)
        self._busy = Lock()
        self._pool = ThreadPoolExecutor(1)
        self._ready: deque[Future[Image.Image]] = deque()
        for _ in range(AHEAD):
            self._order()

    def next(self) -> Image.Image:
        """The next picture. Raises what its loader raises; the one after it can still be had."""
        future = self._ready.popleft()
        self._order()
        return future.result()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """No picture is decoded and no garbage collected in here; entering waits for a picture that is half done."""
        with self._busy:
            gc.disable()
            try:
                yield
            finally:
                gc.enable()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _order(self) -> None:
        loader = next(self._loaders, None)
        if loader is not None:
            self._ready.append(self._pool.submit(self._load, loader))

    def _load(self, loader: Loader) -> Image.Image:
        with self._busy:
            picture = loader()
            width, height = self._box
            scale = min(height / picture.height, width / picture.width)
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            return picture.resize(size, Image.Resampling.LANCZOS)
