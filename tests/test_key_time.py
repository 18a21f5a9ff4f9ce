"""The time of a key, from the X server's stamp and the moment of waking up."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from annotator.key_time import WAKE_UP, X_KEY_EVENT, X_SERVER, key_time, server_ms


@given(moved_s=st.floats(0, 1e7), late_s=st.floats(0, 5))
def test_a_stamped_key_is_never_early_and_at_most_a_millisecond_off(moved_s: float, late_s: float) -> None:
    stamp_ms = int(moved_s * 1000) % 2**32
    time_s, source = key_time(moved_s + late_s, stamp_ms)
    assert source == X_SERVER
    assert -1e-6 <= time_s - moved_s <= min(late_s, 0.001) + 1e-6


def test_without_a_stamp_or_with_that_of_another_clock_it_is_the_wake_up() -> None:
    assert key_time(100.0, None) == (100.0, WAKE_UP)
    assert key_time(100.0, 3_000_000_000) == (100.0, WAKE_UP)
    assert key_time(100.0, 50_000) == (100.0, WAKE_UP)


def test_only_key_events_have_a_stamp() -> None:
    press = X_KEY_EVENT.pack(2, 1, 0, 0, 0, 0, 0, 123_456) + bytes(128)
    motion = struct.pack("@i", 6) + press[4:]
    assert (server_ms(press), server_ms(motion), server_ms(b"")) == (123_456, None, None)
