"""fastnn's threads under threadpoolctl, which finds the compiled core by its file name."""

from __future__ import annotations

import sys
from functools import cache

from . import _config
from ._backends import cpp
from ._registry import state


@cache
def register_threadpoolctl() -> None:
    """Let threadpoolctl see and limit fastnn's threads: ``threadpoolctl.threadpool_limits(1)``.

    Importing fastnn does this where threadpoolctl is imported already; call it where that comes later.

    Raises
    ------
    ImportError
        Without threadpoolctl.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.register_threadpoolctl()  # doctest: +SKIP
    """
    import threadpoolctl

    class FastnnController(threadpoolctl.LibController):  # type: ignore[misc]  # untyped
        user_api = internal_api = "fastnn"
        filename_prefixes = ("_fastnn_core",)

        def get_num_threads(self) -> int:
            return int(cpp.core.get_num_threads())  # of the pool, whichever backend is active

        def set_num_threads(self, num_threads: int) -> None:
            cpp.core.set_num_threads(num_threads)
            state.bump()

        def get_version(self) -> str:
            return _config.version()

        def set_additional_attributes(self) -> None:
            self.isa = str(cpp.core.isa())

    if cpp.core is not None:
        threadpoolctl.register(FastnnController)


if "threadpoolctl" in sys.modules:
    register_threadpoolctl()
