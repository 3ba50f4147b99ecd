"""Captured steps: ``fastnn.compile`` records what a step does and replays it (see docs/architecture.md)."""

from __future__ import annotations

from .compiled import CaptureError, Compiled, compile

__all__ = ["CaptureError", "Compiled", "compile"]
