"""When a key moved, as exactly as the system tells.

pygame's key events carry no time. On X11 each comes right after the raw X event that it was made of, in which the
server put the time at which the keyboard spoke: whole milliseconds, cut off, of the monotonic clock, on Linux that of
`time.perf_counter`. So the key moved before this millisecond was over, and before the event reached us: the earlier of
the two is taken. It is as good as the wake-up (some 0.1 ms late) on an idle machine, and never more than 1 ms off on a
busy one that wakes us late. Elsewhere the time is that of the wake-up.
"""

import struct

X_SERVER = "x-server"
WAKE_UP = "wake-up"

X_KEY_EVENT = struct.Struct("@iLiPLLLL")  # type, serial, send_event, display, window, root, subwindow, time
X_KEY_TYPES = (2, 3)  # KeyPress, KeyRelease
OLDEST_S = 10.0  # an older stamp is not of our clock: the X server runs on another machine


def server_ms(raw: bytes) -> int | None:
    """The time in an XEvent, milliseconds in 32 bits, if it is that of a key."""
    if len(raw) < X_KEY_EVENT.size:
        return None
    kind, *_, time_ms = X_KEY_EVENT.unpack_from(raw)
    return time_ms if kind in X_KEY_TYPES else None


def key_time(received_s: float, stamp_ms: int | None) -> tuple[float, str]:
    """When a key moved that reached us at `received_s`, and what says so; `stamp_ms` is the X server's, if any."""
    if stamp_ms is not None:
        age_s = (received_s * 1000 - stamp_ms) % 2**32 / 1000  # since the server's millisecond began
        if age_s < OLDEST_S:
            return received_s - max(0.0, age_s - 0.001), X_SERVER
    return received_s, WAKE_UP
