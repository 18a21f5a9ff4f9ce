"""Degrees of smile as they are typed."""

from collections.abc import Sequence

from shell import UserError

MOST = 100.0  # far beyond any face; numbers without end make no pictures


def check_degrees(flag: str, degrees: Sequence[float]) -> None:
    """Raise a UserError for a degree that is no number or far beyond any face."""
    if not all(abs(degree) <= MOST for degree in degrees):  # NaN is not
        raise UserError(f"{flag} {' '.join(map(str, degrees))}: expected numbers from {-MOST:g} to {MOST:g}.")
