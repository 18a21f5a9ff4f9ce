"""Degrees of smile as they are typed and written."""

from collections.abc import Sequence

from shell import UserError

MOST = 100.0  # far beyond any face; numbers without end make no pictures


def check_degrees(flag: str, degrees: Sequence[float]) -> None:
    """Raise a UserError for a degree that is no number or far beyond any face."""
    if not all(abs(degree) <= MOST for degree in degrees):  # NaN is not
        raise UserError(f"{flag} {' '.join(map(str, degrees))}: expected numbers from {-MOST:g} to {MOST:g}.")


def signed(smile: float) -> str:
    """A degree of smile as it is written everywhere, in the names of files too: +0.50, 0.00, -3.00.

    It has more digits only where the degree has them, so that no two degrees are written alike.
    """
    smile = float(smile) + 0.0  # of NumPy too, whose repr is another; -0.0 becomes 0.0
    digits = f"{smile:.2f}" if round(smile, 2) == smile else f"{smile!r}"
    return f"+{digits}" if smile > 0 else digits
