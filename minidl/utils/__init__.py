"""PyTorch's place for data loading: ``minidl.utils.data`` is another name of ``minidl.data``."""

import sys

from minidl import data

sys.modules[f"{__name__}.data"] = data
