"""When a key moved, as exactly as the system tells: SDL's events, seen through ctypes beside pygame.

pygame's key events carry no time, and SDL's own is the moment at which SDL fetched the event. On X11 the server stamps
a key as it comes from the keyboard, in whole milliseconds, cut off, of the monotonic clock, which is that of
`time.perf_counter` on Linux. So the key moved before this millisecond was over, and before the event reached us: the
earlier of the two is taken. It is as good as the wake-up (0.1 ms late) on an idle machine, and never more than 1 ms off
on a busy one that wakes us late. Elsewhere the time is that of the wake-up.
"""

import ctypes
import time
from collections import deque
from dataclasses import dataclass

X_SERVER = "x-server"
WAKE_UP = "wake-up"

KEY_DOWN, KEY_UP, SYSTEM_EVENT = 0x300, 0x301, 0x201  # SDL_EventType
X11 = 2  # SDL_SYSWM_TYPE
X_KEY_EVENTS = {2, 3}  # KeyPress, KeyRelease
OLDEST_S = 10.0  # an older stamp is not of our clock: the X server runs on another machine


class XKeyEvent(ctypes.Structure):
    """The head of Xlib's XKeyEvent."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("root", ctypes.c_ulong),
        ("subwindow", ctypes.c_ulong),
        ("time", ctypes.c_ulong),
    ]


class SystemMessage(ctypes.Structure):
    """SDL_SysWMmsg where the subsystem is X11."""

    _fields_ = [("version", ctypes.c_uint8 * 3), ("subsystem", ctypes.c_int), ("event", XKeyEvent)]


class SystemEvent(ctypes.Structure):
    """SDL_SysWMEvent."""

    _fields_ = [("type", ctypes.c_uint32), ("time", ctypes.c_uint32), ("message", ctypes.POINTER(SystemMessage))]


class KeyEvent(ctypes.Structure):
    """The head of SDL_KeyboardEvent."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("time", ctypes.c_uint32),
        ("window", ctypes.c_uint32),
        ("state", ctypes.c_uint8 * 4),
        ("scancode", ctypes.c_int),
    ]


class Event(ctypes.Union):
    """SDL_Event."""

    _fields_ = [("type", ctypes.c_uint32), ("system", SystemEvent), ("key", KeyEvent)]


@dataclass(frozen=True)
class Stamp:
    """When a key moved, and what says so."""

    scancode: int
    down: bool
    time_s: float
    source: str


class KeyStamps:
    """Stamps of the key events that SDL has queued, in their order.

    Parameters
    ----------
    library : path of a shared library that is linked with the SDL in use, such as one of pygame's modules.

    Raises
    ------
    OSError, AttributeError
        SDL's functions cannot be found through `library`.
    """

    def __init__(self, library: str) -> None:
        sdl = ctypes.CDLL(library)
        self._stamps: deque[Stamp] = deque(maxlen=64)
        self._server_ms: int | None = None
        self._watch = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Event))(self._take)
        sdl.SDL_AddEventWatch(self._watch, None)
        sdl.SDL_EventState(SYSTEM_EVENT, 1)
        self._sdl = sdl

    def close(self) -> None:
        self._sdl.SDL_EventState(SYSTEM_EVENT, 0)
        self._sdl.SDL_DelEventWatch(self._watch, None)

    def pop(self, scancode: int, down: bool) -> Stamp | None:
        """The stamp of the oldest such event; what was stamped before it is forgotten."""
        while self._stamps:
            stamp = self._stamps.popleft()
            if (stamp.scancode, stamp.down) == (scancode, down):
                return stamp
        return None

    def _take(self, _: object, pointer: "ctypes._Pointer[Event]") -> int:
        """Called by SDL as it queues an event; the raw X event comes right before the key event made of it."""
        received_s = time.perf_counter()
        event = pointer.contents
        if event.type == SYSTEM_EVENT:
            message = event.system.message.contents
            if message.subsystem == X11 and message.event.type in X_KEY_EVENTS:
                self._server_ms = message.event.time
        elif event.type in (KEY_DOWN, KEY_UP):
            time_s, source = press_time(received_s, self._server_ms)
            self._server_ms = None
            self._stamps.append(Stamp(event.key.scancode, event.type == KEY_DOWN, time_s, source))
        return 0


def press_time(received_s: float, server_ms: int | None) -> tuple[float, str]:
    """When a key moved that was received at `received_s` and stamped `server_ms` (32 bits) by the X server, if any."""
    if server_ms is not None:
        age_s = (received_s * 1000 - server_ms) % 2**32 / 1000  # since the server's millisecond began
        if age_s < OLDEST_S:
            return received_s - max(0.0, age_s - 0.001), X_SERVER
    return received_s, WAKE_UP
