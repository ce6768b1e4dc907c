"""The operations as a Tensor's operators and methods: names, and nothing else.

A method is the function itself (``x.exp()`` is ``ops.exp(x)``), so there is one docstring and one place to read.
"""

from __future__ import annotations

from typing import Any

from minidl.assign import setitem
from minidl.errors import DTypeError
from minidl.inplace import in_place, in_place_view
from minidl.ops import (
    activation,
    choice,
    comparison,
    composite,
    conversion,
    counting,
    division,
    elementwise,
    extremes,
    gathering,
    indexing,
    joining,
    linalg,
    matrices,
    new,
    ordering,
    permutation,
    rectifiers,
    reduce,
    reorder,
    replace,
    rounding,
    sampling,
    scan,
    scattering,
    shape,
    special,
    statistics,
    trigonometric,
    vector_norm,
)
from minidl.ops.arguments import check_tensor, is_operand
from minidl.ops.elementwise import broadcasting


def _reflected(function: Any) -> Any:
    """``other OP self``, for a left operand that is no Tensor."""
    return lambda self, other: function(other, self)


def _as_other(function: Any) -> Any:
    """``self`` brought to the shape of ``other``."""

    def method(self: Any, other: Any) -> Any:
        check_tensor(f"{function.__name__}_as", "other", other)
        return function(self, other.shape)

    method.__name__ = method.__qualname__ = f"{function.__name__}_as"
    method.__doc__ = f"``self.{function.__name__}(other.shape)``."
    return method


def _operator(function: Any, reflected: str) -> Any:
    """``self OP other``: ``function``, which gives way to an ``other`` that has an operator for tensors itself."""

    def operator(self: Any, other: Any) -> Any:
        try:
            return function(self, other)
        except DTypeError:
            return _give_way(other, reflected)

    return operator


def _quick_operator(op: Any, reflected: str) -> Any:
    """The same for a function that does no more, if no option is given, than call ``op`` with broadcasting."""

    def operator(self: Any, other: Any) -> Any:
        try:
            return broadcasting(op, self, other)
        except DTypeError:
            return _give_way(other, reflected)

    return operator


def _give_way(other: Any, reflected: str) -> Any:
    """Within an except: NotImplemented if ``other`` may know better, for which Python then tries its operator.

    Python's own types do not know tensors: with them, and with operands, the error is raised that there was.
    """
    kinds = other.__class__.__mro__
    own = any(reflected in vars(kind) for kind in kinds if kind is not object)
    if own and kinds[0].__module__ != "builtins" and not is_operand(other):
        return NotImplemented
    raise


def _among_operands(function: Any) -> Any:
    """``self OP other``, which leaves an ``other`` that is no operand to Python: ``x == None`` is False."""
    return lambda self, other: function(self, other) if is_operand(other) else NotImplemented


def _where(self: Any, condition: Any, other: Any) -> Any:
    """:func:`minidl.where` with the condition second."""
    return choice.where(condition, self, other)


def _split(self: Any, split_size: Any, dim: int = 0) -> Any:
    """:func:`minidl.split`, whose second parameter has another name in PyTorch's method."""
    return joining.split(self, split_size, dim)


class Methods:
    """The base of Tensor, which carries what :mod:`minidl.ops` has."""

    # Arithmetic
    add = __radd__ = elementwise.add
    __add__ = _quick_operator(elementwise._add, "__radd__")
    sub = subtract = elementwise.sub
    __sub__ = _operator(sub, "__rsub__")
    mul = multiply = __rmul__ = elementwise.mul
    __mul__ = _quick_operator(elementwise._mul, "__rmul__")
    div = divide = true_divide = division.div
    __truediv__ = _operator(div, "__rtruediv__")
    pow = elementwise.pow
    __pow__ = _operator(pow, "__rpow__")
    neg = negative = __neg__ = elementwise.neg
    positive = __pos__ = elementwise.positive
    floor_divide = division.floor_divide
    __floordiv__ = _operator(floor_divide, "__rfloordiv__")
    remainder = division.remainder
    __mod__ = _operator(remainder, "__rmod__")
    fmod = division.fmod
    __rsub__ = _reflected(elementwise.sub)
    __rtruediv__ = _reflected(division.div)
    __rpow__ = _reflected(elementwise.pow)
    __rfloordiv__ = _reflected(division.floor_divide)
    __rmod__ = _reflected(division.remainder)

    # Element by element
    abs = absolute = __abs__ = elementwise.abs
    clamp = clip = choice.clamp
    clamp_min, clamp_max = composite.clamp_min, composite.clamp_max
    exp, log, sqrt, square = elementwise.exp, elementwise.log, elementwise.sqrt, elementwise.square
    tanh, sigmoid, relu, sign = elementwise.tanh, elementwise.sigmoid, elementwise.relu, elementwise.sign
    maximum, minimum = choice.maximum, choice.minimum
    where = _where
    sin, cos, tan = trigonometric.sin, trigonometric.cos, trigonometric.tan
    asin = arcsin = trigonometric.asin
    acos = arccos = trigonometric.acos
    atan = arctan = trigonometric.atan
    atan2 = arctan2 = trigonometric.atan2
    sinh, cosh = trigonometric.sinh, trigonometric.cosh
    asinh = arcsinh = trigonometric.asinh
    acosh = arccosh = trigonometric.acosh
    atanh = arctanh = trigonometric.atanh
    exp2, expm1, log2, log10, log1p = special.exp2, special.expm1, special.log2, special.log10, special.log1p
    logaddexp, reciprocal, rsqrt, erf = special.logaddexp, special.reciprocal, special.rsqrt, special.erf
    floor, ceil, round, frac = rounding.floor, rounding.ceil, rounding.round, rounding.frac
    trunc = fix = rounding.trunc
    lerp, addcmul, addcdiv = composite.lerp, composite.addcmul, composite.addcdiv
    nan_to_num = composite.nan_to_num
    bernoulli, multinomial = sampling.bernoulli, sampling.multinomial
    softmax, log_softmax = activation.softmax, activation.log_softmax
    prelu = rectifiers.prelu

    # Comparison and logic
    eq, ne = comparison.eq, comparison.ne
    not_equal = ne
    __eq__, __ne__ = _among_operands(comparison.eq), _among_operands(comparison.ne)
    lt = less = comparison.lt
    le = less_equal = comparison.le
    gt = greater = comparison.gt
    ge = greater_equal = comparison.ge
    __lt__, __le__ = _operator(lt, "__gt__"), _operator(le, "__ge__")
    __gt__, __ge__ = _operator(gt, "__lt__"), _operator(ge, "__le__")
    bitwise_and = __rand__ = comparison.bitwise_and
    bitwise_or = __ror__ = comparison.bitwise_or
    bitwise_xor = __rxor__ = comparison.bitwise_xor
    __and__, __or__ = _operator(bitwise_and, "__rand__"), _operator(bitwise_or, "__ror__")
    __xor__ = _operator(bitwise_xor, "__rxor__")
    bitwise_not = __invert__ = comparison.bitwise_not
    logical_and, logical_or = comparison.logical_and, comparison.logical_or
    logical_xor, logical_not = comparison.logical_xor, comparison.logical_not
    isnan, isinf, isfinite = comparison.isnan, comparison.isinf, comparison.isfinite
    isclose, allclose, equal = comparison.isclose, comparison.allclose, comparison.equal
    __hash__ = object.__hash__  # defining __eq__ takes it away; tensors are told apart by identity

    # Reductions
    sum, mean, prod, var, std = reduce.sum, reduce.mean, reduce.prod, statistics.var, statistics.std
    max, min, amax, amin = extremes.max, extremes.min, extremes.amax, extremes.amin
    argmax, argmin, logsumexp = extremes.argmax, extremes.argmin, reduce.logsumexp
    norm = vector_norm.norm
    cumsum, cumprod, cummax, cummin = scan.cumsum, scan.cumprod, scan.cummax, scan.cummin
    diff = scan.diff

    # Order
    sort, argsort, topk, kthvalue = ordering.sort, ordering.argsort, ordering.topk, ordering.kthvalue
    median, quantile = ordering.median, ordering.quantile
    unique, bincount = counting.unique, counting.bincount
    all, any = comparison.all, comparison.any

    # Shape
    reshape, view, flatten, unflatten = shape.reshape, shape.view, shape.flatten, shape.unflatten
    ravel = shape.ravel
    squeeze, unsqueeze = shape.squeeze, shape.unsqueeze
    movedim = moveaxis = permutation.movedim
    transpose = swapdims = permutation.transpose
    swapaxes = permutation.swapaxes
    permute, t = permutation.permute, permutation.t
    T = property(
        lambda self: permutation.permute(self, tuple(reversed(range(self.ndim)))),
        doc="All dimensions reversed.",
    )
    mT = property(lambda self: permutation.transpose(self, -2, -1), doc="The last two dimensions exchanged.")
    reshape_as, view_as, expand_as = _as_other(shape.reshape), _as_other(shape.view), _as_other(shape.expand)
    expand, broadcast_to, repeat, tile = shape.expand, shape.broadcast_to, reorder.repeat, reorder.tile
    flip, roll = reorder.flip, reorder.roll
    clone, contiguous = shape.clone, shape.contiguous
    split, chunk, unbind = _split, joining.chunk, joining.unbind

    # Indexing
    __getitem__, __setitem__ = indexing.getitem, setitem
    select, narrow = shape.select, shape.narrow
    gather, index_select, take_along_dim = gathering.gather, gathering.index_select, gathering.take_along_dim
    masked_fill, masked_select, nonzero = indexing.masked_fill, indexing.masked_select, indexing.nonzero
    repeat_interleave, index_add = scattering.repeat_interleave, scattering.index_add
    scatter, scatter_add = scattering.scatter, scattering.scatter_add

    # Linear algebra
    matmul = linalg.matmul
    __matmul__ = _operator(matmul, "__rmatmul__")
    __rmatmul__ = _reflected(linalg.matmul)
    mm, bmm, mv, dot, outer = linalg.mm, linalg.bmm, linalg.mv, linalg.dot, linalg.outer
    addmm, baddbmm, cross = matrices.addmm, matrices.baddbmm, matrices.cross
    tril, triu, trace = matrices.tril, matrices.triu, matrices.trace
    diag, diagonal = matrices.diag, matrices.diagonal

    # Conversion
    to, type, type_as = conversion.to, conversion.type, conversion.type_as
    cpu, cuda = conversion.cpu, conversion.cuda
    float, double, half = conversion.float, conversion.double, conversion.half
    int, long, bool = conversion.int, conversion.long, conversion.bool
    byte, char, short = conversion.byte, conversion.char, conversion.short
    new_zeros, new_ones, new_empty = new.new_zeros, new.new_ones, new.new_empty
    new_full, new_tensor = new.new_full, new.new_tensor

    # In place
    add_ = in_place("add_", elementwise.add)
    __iadd__ = _operator(add_, "__radd__")
    sub_ = subtract_ = in_place("sub_", elementwise.sub)
    __isub__ = _operator(sub_, "__rsub__")
    mul_ = multiply_ = in_place("mul_", elementwise.mul)
    __imul__ = _operator(mul_, "__rmul__")
    div_ = divide_ = true_divide_ = in_place("div_", division.div)
    __itruediv__ = _operator(div_, "__rtruediv__")
    pow_ = in_place("pow_", elementwise.pow)
    __ipow__ = _operator(pow_, "__rpow__")
    floor_divide_ = in_place("floor_divide_", division.floor_divide)
    __ifloordiv__ = _operator(floor_divide_, "__rfloordiv__")
    remainder_ = in_place("remainder_", division.remainder)
    __imod__ = _operator(remainder_, "__rmod__")
    fmod_ = in_place("fmod_", division.fmod)
    bitwise_and_ = in_place("bitwise_and_", comparison.bitwise_and)
    __iand__ = _operator(bitwise_and_, "__rand__")
    bitwise_or_ = in_place("bitwise_or_", comparison.bitwise_or)
    __ior__ = _operator(bitwise_or_, "__ror__")
    bitwise_xor_ = in_place("bitwise_xor_", comparison.bitwise_xor)
    __ixor__ = _operator(bitwise_xor_, "__rxor__")
    bitwise_not_ = in_place("bitwise_not_", comparison.bitwise_not)
    logical_and_ = in_place("logical_and_", comparison.logical_and)
    logical_or_ = in_place("logical_or_", comparison.logical_or)
    logical_xor_ = in_place("logical_xor_", comparison.logical_xor)
    logical_not_ = in_place("logical_not_", comparison.logical_not)
    eq_ = in_place("eq_", comparison.eq)
    ne_ = not_equal_ = in_place("ne_", comparison.ne)
    lt_ = less_ = in_place("lt_", comparison.lt)
    le_ = less_equal_ = in_place("le_", comparison.le)
    gt_ = greater_ = in_place("gt_", comparison.gt)
    ge_ = greater_equal_ = in_place("ge_", comparison.ge)
    neg_ = negative_ = in_place("neg_", elementwise.neg)
    abs_ = absolute_ = in_place("abs_", elementwise.abs)
    sign_ = in_place("sign_", elementwise.sign)
    exp_, log_ = in_place("exp_", elementwise.exp), in_place("log_", elementwise.log)
    sqrt_, square_ = in_place("sqrt_", elementwise.sqrt), in_place("square_", elementwise.square)
    tanh_, sigmoid_ = in_place("tanh_", elementwise.tanh), in_place("sigmoid_", elementwise.sigmoid)
    relu_ = in_place("relu_", elementwise.relu)
    clamp_ = clip_ = in_place("clamp_", choice.clamp)
    clamp_min_, clamp_max_ = in_place("clamp_min_", clamp_min), in_place("clamp_max_", clamp_max)
    masked_fill_ = in_place("masked_fill_", indexing.masked_fill)
    copy_, fill_, zero_ = (
        in_place("copy_", replace.copy),
        in_place("fill_", replace.fill),
        in_place("zero_", replace.zero),
    )
    normal_, uniform_ = in_place("normal_", replace.normal), in_place("uniform_", replace.uniform)
    random_, exponential_ = in_place("random_", replace.random), in_place("exponential_", replace.exponential)
    log_normal_, cauchy_ = in_place("log_normal_", replace.log_normal), in_place("cauchy_", replace.cauchy)
    geometric_ = in_place("geometric_", replace.geometric)
    sin_, cos_, tan_ = in_place("sin_", sin), in_place("cos_", cos), in_place("tan_", tan)
    asin_ = arcsin_ = in_place("asin_", asin)
    acos_ = arccos_ = in_place("acos_", acos)
    atan_ = arctan_ = in_place("atan_", atan)
    atan2_ = arctan2_ = in_place("atan2_", atan2)
    sinh_, cosh_ = in_place("sinh_", sinh), in_place("cosh_", cosh)
    asinh_ = arcsinh_ = in_place("asinh_", asinh)
    acosh_ = arccosh_ = in_place("acosh_", acosh)
    atanh_ = arctanh_ = in_place("atanh_", atanh)
    exp2_, expm1_, erf_ = in_place("exp2_", exp2), in_place("expm1_", expm1), in_place("erf_", erf)
    log2_, log10_, log1p_ = in_place("log2_", log2), in_place("log10_", log10), in_place("log1p_", log1p)
    reciprocal_, rsqrt_ = in_place("reciprocal_", reciprocal), in_place("rsqrt_", rsqrt)
    floor_, ceil_, trunc_ = in_place("floor_", floor), in_place("ceil_", ceil), in_place("trunc_", trunc)
    round_, frac_, fix_ = in_place("round_", round), in_place("frac_", frac), trunc_
    lerp_, nan_to_num_ = in_place("lerp_", lerp), in_place("nan_to_num_", nan_to_num)
    addcmul_, addcdiv_ = in_place("addcmul_", addcmul), in_place("addcdiv_", addcdiv)
    addmm_, baddbmm_ = in_place("addmm_", addmm), in_place("baddbmm_", baddbmm)
    cumsum_, cumprod_ = in_place("cumsum_", cumsum), in_place("cumprod_", cumprod)
    tril_, triu_ = in_place("tril_", tril), in_place("triu_", triu)
    scatter_, scatter_add_ = in_place("scatter_", scatter), in_place("scatter_add_", scatter_add)
    index_add_ = in_place("index_add_", index_add)
    bernoulli_ = in_place("bernoulli_", sampling.bernoulli_half)
    squeeze_, unsqueeze_ = in_place_view("squeeze_", squeeze), in_place_view("unsqueeze_", unsqueeze)
    transpose_ = swapdims_ = in_place_view("transpose_", transpose)
    swapaxes_, t_ = in_place_view("swapaxes_", swapaxes), in_place_view("t_", t)
