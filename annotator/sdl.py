"""Three functions of SDL 2 that pygame does not pass on, through ctypes.

`pygame.event.wait` looks every millisecond; the wait of SDL sleeps until the system wakes it. And SDL can hand on the
raw events of X11, with their time stamps (see key_time.py). And it knows which letters the keyboard's layout has.
"""

import ctypes


class Sdl:
    """The SDL that pygame uses.

    Parameters
    ----------
    library : path of any shared library that is linked with it, such as one of pygame's modules.

    Raises
    ------
    OSError, AttributeError
        The functions cannot be found through `library`, as on Windows.
    """

    def __init__(self, library: str) -> None:
        sdl = ctypes.CDLL(library)
        self._wait = sdl.SDL_WaitEventTimeout
        self._set_state = sdl.SDL_EventState
        self._place = sdl.SDL_GetScancodeFromKey

    def wait(self, milliseconds: int) -> None:
        """Sleep until there is an event, which stays in the queue, or the time is over."""
        self._wait(None, milliseconds)

    def hand_on(self, event_type: int) -> None:
        """Queue events of a type that SDL keeps to itself by default."""
        self._set_state(event_type, 1)

    def has_key(self, code: int) -> bool:
        """Whether a key with this code of SDL's is on the keyboard, with the layout in use."""
        return bool(self._place(code))
