"""Fits of several threads take turns: the recording of a step and the random generator are the process's."""

from __future__ import annotations

import threading

ALONE = threading.RLock()
