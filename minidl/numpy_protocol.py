"""NumPy's functions on tensors: ``np.exp(x)`` is differentiable, and means what NumPy means by it.

NumPy asks ``__array_ufunc__`` (ufuncs) and ``__array_function__`` (everything else) of its arguments what to do. A
function that has an Op runs through it, on operands of the dtypes that NumPy would choose. Any other is computed on
the arrays, unless that would lose a gradient, which is an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from minidl import dtypes
from minidl.errors import GradError, ShapeError, must
from minidl.grad_mode import thread
from minidl.ops import (
    choice,
    division,
    elementwise,
    extremes,
    joining,
    linalg,
    permutation,
    reduce,
    rounding,
    shape,
    special,
    statistics,
    trigonometric,
)
from minidl.ops.arguments import cast, dims, is_array
from minidl.tape import Op

# ufunc -> Op: those whose forward is the ufunc itself.
UFUNCS: dict[Any, Op] = {
    op.forward: op
    for family in (elementwise, choice, division, rounding, special, trigonometric)
    for op in vars(family).values()
    if isinstance(op, Op) and isinstance(op.forward, np.ufunc)
}
UFUNCS |= {np.sign: elementwise._sign, np.power: elementwise._pow}

_reshape, _broadcast_to = shape.reshape, shape.broadcast_to  # "shape" is a parameter's name below


def _squeeze(a: Any, axis: Any = None) -> Any:
    if axis is None:
        return shape.squeeze(a)
    if any(a.shape[d] != 1 for d in dims("squeeze", axis, a.ndim, "axis")):
        raise ShapeError(must("squeeze", "axis", "dimensions of size 1", f"{axis} of shape {a.shape}"))
    return shape.squeeze(a, axis)


# function -> the same in terms of minidl's operations, for tensors of floats, with NumPy's parameter names.
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: lambda a, axis=None, keepdims=False: reduce.sum(a, axis, keepdims),
    np.mean: lambda a, axis=None, keepdims=False: reduce.mean(a, axis, keepdims),
    np.max: lambda a, axis=None, keepdims=False: extremes.amax(a, () if axis is None else axis, keepdims),
    np.min: lambda a, axis=None, keepdims=False: extremes.amin(a, () if axis is None else axis, keepdims),
    np.var: lambda a, axis=None, ddof=0, keepdims=False: statistics.var(
        a, axis, correction=ddof, keepdim=keepdims
    ),
    np.std: lambda a, axis=None, ddof=0, keepdims=False: statistics.std(
        a, axis, correction=ddof, keepdim=keepdims
    ),
    np.reshape: lambda a, shape: _reshape(a, shape),
    np.ravel: lambda a: _reshape(a, -1),
    np.transpose: lambda a, axes=None: permutation.permute(
        a, tuple(reversed(range(a.ndim))) if axes is None else axes
    ),
    np.swapaxes: lambda a, axis1, axis2: permutation.transpose(a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: permutation.movedim(a, source, destination),
    np.expand_dims: lambda a, axis: shape.unsqueeze(a, axis),
    np.squeeze: _squeeze,
    np.broadcast_to: lambda array, shape: _broadcast_to(array, shape),
    np.concatenate: lambda arrays, axis=0: joining.cat(_as_one_dtype(arrays), axis),
    np.stack: lambda arrays, axis=0: joining.stack(_as_one_dtype(arrays), axis),
    np.where: lambda condition, x, y: choice.where(condition, *_as_one_dtype((x, y))),
    np.clip: lambda a, a_min=None, a_max=None: choice.clamp(a, a_min, a_max),
    np.copy: lambda a: shape.clone(a),
}
FUNCTIONS |= {np.amax: FUNCTIONS[np.max], np.amin: FUNCTIONS[np.min]}

# Their results have no gradient in any case.
CONSTANT = {
    np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.argmax, np.argmin,
    np.argsort, np.isclose, np.allclose, np.array_equal, np.nonzero, np.count_nonzero, np.result_type,
    np.array_repr, np.array_str, np.array2string, np.may_share_memory, np.shares_memory, np.iscomplexobj, np.isrealobj,
}  # fmt: skip


def array_ufunc(_self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Tensor's ``__array_ufunc__``."""
    if method == "__call__" and not kwargs:
        if ufunc is np.matmul:
            return linalg.matmul(*_as_one_dtype(inputs))
        if ufunc in UFUNCS:
            return UFUNCS[ufunc](*_as_numpy_would(ufunc, inputs))
    constant = method == "__call__" and not {"d->?", "dd->?"}.isdisjoint(ufunc.types)  # comparisons
    return _on_arrays(ufunc.__name__, getattr(ufunc, method), inputs, kwargs, constant)


def _as_numpy_would(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> list[Any]:
    """The operands in the dtypes of the loop that NumPy picks; Python numbers stay weak."""
    operands = [x if is_array(x) or type(x) in (int, float) else np.asarray(x) for x in inputs]
    kinds = [x.dtype if is_array(x) else type(x) for x in operands]
    if all(k == kinds[0] and getattr(k, "kind", "") == "f" for k in kinds):
        return operands
    resolved = ufunc.resolve_dtypes((*kinds, None))
    return [cast(x, to) if is_array(x) else x for x, to in zip(operands, resolved, strict=False)]


def _as_one_dtype(operands: Any) -> list[Any]:
    """The operands in the dtype that NumPy would give their union; Python numbers stay weak."""
    arrays = [x if is_array(x) or type(x) in (int, float) else np.asarray(x) for x in operands]
    dtype = np.result_type(*(x.dtype if is_array(x) else x for x in arrays))
    return [cast(x, dtype) if is_array(x) else x for x in arrays]


def array_function(
    _self: Any, function: Callable[..., Any], _types: Any, args: Any, kwargs: dict[str, Any]
) -> Any:
    """Tensor's ``__array_function__``."""
    tensors: list[Any] = []
    _unwrap((args, kwargs), tensors)
    ours = FUNCTIONS.get(function)
    if ours is not None and all(t.is_floating_point() for t in tensors):
        try:
            call = inspect.signature(ours).bind(*args, **kwargs)
        except TypeError:
            pass  # an argument, such as out, that only NumPy's own function takes
        else:
            if call.arguments.get("axis") != ():  # no axes, which to minidl's reductions means all
                return ours(*call.args, **call.kwargs)
    return _on_arrays(function.__name__, function, args, kwargs, function in CONSTANT)


def _on_arrays(name: str, function: Callable[..., Any], args: Any, kwargs: Any, constant: bool) -> Any:
    """NumPy's function on the arrays behind tensors; arrays in its result become tensors.

    Raises:
        GradError: a tensor requires a gradient, and the result should carry it, but minidl does not know how.
    """
    tensors: list[Any] = []
    arrays, named = _unwrap(args, tensors), _unwrap(kwargs, tensors)
    if not constant and thread.mode.recording and any(t.requires_grad for t in tensors):
        raise GradError(
            f"numpy.{name}: its gradient is not known; use minidl's own operations, or detach() first"
        )
    result = function(*arrays, **named)
    if kwargs.get("out") is None:
        return _wrap(result, tensors[0])
    targets = kwargs["out"] if isinstance(kwargs["out"], tuple) else (kwargs["out"],)
    for target in targets:
        if hasattr(target, "mark_written"):
            target.mark_written(f"numpy.{name}")
    return targets[0] if len(targets) == 1 else targets


def _unwrap(value: Any, found: list[Any]) -> Any:
    if hasattr(value, "__minidl_op__"):
        found.append(value)
        return value.array
    if isinstance(value, (list, tuple)):
        return type(value)([_unwrap(v, found) for v in value])
    if isinstance(value, dict):
        return {key: _unwrap(v, found) for key, v in value.items()}
    return value


def _wrap(result: Any, tensor: Any) -> Any:
    """``result`` with tensors in place of the arrays that minidl computes with.

    They share no memory with ``tensor``, whose history would not know of it.
    """
    if isinstance(result, (np.ndarray, np.generic)) and result.dtype in dtypes.ALL:
        array = np.array(result) if np.may_share_memory(result, tensor.array) else np.asarray(result)
        return Op("numpy", lambda _tensor: array)(tensor)
    if type(result) in (list, tuple):
        return type(result)([_wrap(r, tensor) for r in result])
    return result
