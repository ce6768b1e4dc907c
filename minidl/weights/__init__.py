"""Weight files: arrays by name, in and out. Knows no model and no Tensor."""

from minidl.weights.formats import read, recognise, write
from minidl.weights.stored import Arrays, Difference, Stored, check_expected, compare

__all__ = ["read", "write", "recognise", "Stored", "Arrays", "compare", "check_expected", "Difference"]
