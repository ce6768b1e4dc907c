"""``minidl.linalg``: norms and products under the names that PyTorch has there."""

from minidl.ops.linalg import matmul
from minidl.ops.matrices import linalg_cross as cross
from minidl.ops.vector_norm import linalg_norm as norm
from minidl.ops.vector_norm import matrix_norm, vector_norm

__all__ = ["norm", "vector_norm", "matrix_norm", "cross", "matmul"]
