"""Model files: safetensors, written whole or not at all, read without trusting them."""

from __future__ import annotations

from ._errors import FileFormatError
from ._safetensors import load, load_metadata, save

__all__ = ["FileFormatError", "load", "load_metadata", "save"]
