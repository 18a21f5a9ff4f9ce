"""Faces decoded ahead, and quiet while one is looked at."""

import gc
import threading
import time
from functools import partial

import pytest
from PIL import Image

from annotator.pictures import AHEAD, Pictures
from data.decoding import BadPicture


def test_pictures_come_in_order_at_the_height_of_a_face_and_no_wider_than_the_screen() -> None:
    sizes = [(100, 100), (50, 100), (400, 100)]
    loaders = [partial(Image.new, "RGB", size) for size in sizes]
    with Pictures(loaders, height=60, max_width=120) as pictures:
        assert [pictures.next().size for _ in sizes] == [(60, 60), (30, 60), (120, 30)]


def test_a_bad_picture_is_told_and_the_next_one_comes() -> None:
    def bad() -> Image.Image:
        raise BadPicture("cut short")

    with Pictures([bad, partial(Image.new, "RGB", (9, 9))], 9, 9) as pictures:
        with pytest.raises(BadPicture, match="cut short"):
            pictures.next()
        assert pictures.next().size == (9, 9)


def test_nothing_is_decoded_or_collected_while_it_is_quiet() -> None:
    loaded = []

    def load(i: int) -> Image.Image:
        loaded.append(i)
        time.sleep(0.01)
        return Image.new("RGB", (9, 9))

    with Pictures([partial(load, i) for i in range(50)], 9, 9) as pictures:
        pictures.next()
        end_s = time.perf_counter() + 60
        while len(loaded) < AHEAD + 1 and time.perf_counter() < end_s:
            time.sleep(0.001)
        with pictures.quiet():
            pictures.next()
            time.sleep(0.1)
            assert len(loaded) == AHEAD + 1
            assert not gc.isenabled()
        assert gc.isenabled()


def test_leaving_quiet_by_an_error_brings_the_collector_back() -> None:
    with Pictures([], 9, 9) as pictures:
        with pytest.raises(KeyError), pictures.quiet():
            raise KeyError
        assert gc.isenabled()
        assert threading.active_count() < 10
