"""One thread for the linear algebra beneath SciPy while few parameters are searched for."""

from collections.abc import Callable
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

Function = TypeVar("Function", bound=Callable[..., Any])


def one_thread(function: Function) -> Function:
    """Decorator: `function` as it is, by one thread of BLAS.

    With more, each of thousands of tiny products may wait for a core: where another program keeps one busy, a search
    takes 12 to 20 times as long.
    """
    limited: Function = threadpool_limits.wrap(limits=1, user_api="blas")(function)
    return limited
