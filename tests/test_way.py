"""Degrees on the line through the latent space."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.way import BEYOND, EXTENT, KNOTS, STRAIGHT, degree, even_way, place

BENT = (-0.8, -0.1, 0.1, 0.9)
PLACES = np.linspace(-1, 1, 41)


def test_on_the_straight_way_a_degree_is_its_own_place() -> None:
    degrees = torch.linspace(-1, 1, 9)
    torch.testing.assert_close(place(degrees), degrees)
    torch.testing.assert_close(degree(degrees), degrees)


@pytest.mark.parametrize("way", [STRAIGHT, BENT])
@given(st.floats(-3, 3, width=32))
def test_the_degree_at_the_place_of_a_degree_is_that_degree(way: tuple[float, ...], asked: float) -> None:
    there = torch.tensor(asked, dtype=torch.float64)
    assert degree(place(there, way, beyond=None), way).item() == pytest.approx(asked, abs=1e-9)


def test_places_rise_with_degrees_and_level_off_past_the_ends() -> None:
    places = place(torch.linspace(-4, 4, 81), BENT).tolist()
    assert all(a < b for a, b in pairwise(places))
    assert -0.8 - BEYOND < places[0] < -0.8 - 0.8 * BEYOND and 0.9 + 0.8 * BEYOND < places[-1] < 0.9 + BEYOND


def test_a_way_is_read_between_its_knots() -> None:
    assert place(torch.tensor([-1, -2 / 3, -1 / 3, 0, 1]), BENT).tolist() == pytest.approx([-0.8, -0.45, -0.1, 0, 0.9])


def test_steps_on_the_even_way_look_even() -> None:
    way = even_way(PLACES, np.tanh(3 * PLACES), 0.0, 1.0)
    seen = np.tanh(3 * place(torch.linspace(-1, 1, KNOTS), way).numpy())
    assert np.ptp(np.diff(seen)) < 0.01
    assert way[0] == -1 and way[-1] == 1


def test_the_even_way_ends_where_faces_end() -> None:
    way = even_way(PLACES, PLACES, 0.1, 0.2)
    assert (way[0], way[-1]) == pytest.approx((0.1 - EXTENT * 0.2, 0.1 + EXTENT * 0.2))


def test_where_what_is_seen_falls_the_way_still_rises() -> None:
    seen = np.where(PLACES > 0.5, 0.4, PLACES) + 0.05 * np.sin(40 * PLACES)
    way = even_way(PLACES, seen, 0.0, 1.0)
    assert all(a < b for a, b in pairwise(way))


def test_where_nothing_rises_the_way_is_straight() -> None:
    assert even_way(PLACES, np.zeros(41), 0.0, 1.0) == STRAIGHT
    assert even_way(PLACES, -PLACES, 0.0, 1.0) == STRAIGHT


def test_where_all_faces_lie_past_the_labels_the_way_is_straight() -> None:
    assert even_way(PLACES, PLACES, 2.0, 0.1) == STRAIGHT
