"""Sums of products over named dimensions: Einstein's notation.

All is done by one step, which contracts two tensors: their dimensions are told apart by labels, brought into order,
and merged so that a stack of matrix products does the work.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.arguments import as_int, check_tensor, is_array, numeric
from minidl.ops.arguments import dims as as_dims
from minidl.ops.linalg import _check_operands, _matmul
from minidl.ops.matrices import _diagonal
from minidl.ops.permutation import _permute
from minidl.ops.reduce import _sum, _summand
from minidl.ops.shape import _reshape

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["einsum", "tensordot"]

Label = Hashable
Labelled = tuple[Any, list[Label]]  # a tensor, and a label for each of its dimensions


def _sum_out(x: Any, labels: list[Label], gone: Collection[Label]) -> Labelled:
    """Without the dimensions labelled ``gone``, over which ``x`` is summed."""
    places = tuple([i for i, label in enumerate(labels) if label in gone])
    return (_sum(x, places, False) if places else x), [label for label in labels if label not in gone]


def _merged(x: Any, labels: list[Label], *groups: list[Label]) -> Any:
    """The dimensions in the order of the groups, with those of the last two groups made one each."""
    x = _permute(x, tuple([labels.index(label) for group in groups for label in group]))
    split = [x.ndim - len(groups[-1]) - len(groups[-2]), x.ndim - len(groups[-1])]
    sizes = math.prod(x.shape[split[0] : split[1]]), math.prod(x.shape[split[1] :])
    return _reshape(x, (*x.shape[: split[0]], *sizes))


def _contract(first: Labelled, second: Labelled, kept: Collection[Label]) -> Labelled:
    """The product of two tensors, summed over the labels that are not ``kept``."""
    a, b = first, second
    size_a, size_b = (dict(zip(labels, x.shape, strict=True)) for x, labels in (a, b))
    # summed over before the product: what only one has, and what one has with size 1, to be broadcast
    alone = [n for n in {*size_a, *size_b} if n not in kept and size_a.get(n) != size_b.get(n)]
    (x, in_x), (y, in_y) = _sum_out(*a, alone), _sum_out(*b, alone)
    batch = [n for n in in_x if n in in_y and n in kept]
    summed = [n for n in in_x if n in in_y and n not in kept]
    rows, columns = [n for n in in_x if n not in in_y], [n for n in in_y if n not in in_x]
    product = _matmul(_merged(x, in_x, batch, rows, summed), _merged(y, in_y, batch, summed, columns))
    shape = [*product.shape[: len(batch)], *[size_a[n] for n in rows], *[size_b[n] for n in columns]]
    return _reshape(product, tuple(shape)), [*batch, *rows, *columns]


def _without_repeats(x: Any, labels: list[Label]) -> Labelled:
    """The diagonals over which dimensions of the same label go together."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                got = f"{x.shape[i]} and {x.shape[j]}"
                raise ShapeError(
                    must("einsum", f"the dimensions {label!r} of an operand", "of one size", got)
                )
            x = _diagonal(x, 0, i, j)
            labels = [n for k, n in enumerate(labels) if k not in (i, j)] + [label]
    return x, labels


def _letters(part: str, ndim: int | None) -> list[Label]:
    """The labels in ``part`` of an equation. Those of an ellipsis are numbers, counted from its last dimension."""
    before, dots, after = part.partition("...")
    letters = before + after
    if not all(c.isascii() and c.isalpha() for c in letters):
        raise ArgumentError(
            must("einsum", "equation", "of letters, commas, '->' and one '...' each", repr(part))
        )
    if ndim is None:
        return [*before, *([Ellipsis] if dots else []), *after]
    missing = ndim - len(letters)
    if missing < 0 or (missing and not dots):
        raise ShapeError(must("einsum", f"the operand of {part!r}", f"of {len(letters)} dimensions", ndim))
    return [*before, *range(missing - 1, -1, -1), *after]


def _parsed(equation: str, operands: Sequence[Any]) -> tuple[list[list[Label]], list[Label]]:
    """The labels of each operand, and of the result."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        raise ArgumentError(must("einsum", "operands", f"{len(parts)}, as in the equation", len(operands)))
    inputs = [_letters(part, x.ndim) for part, x in zip(parts, operands, strict=True)]
    every = [n for labels in inputs for n in labels]
    dots = sorted({n for n in every if isinstance(n, int)}, reverse=True)
    if not arrow:  # what occurs once, in the order of the alphabet
        return inputs, [*dots, *sorted(n for n in set(every) if isinstance(n, str) and every.count(n) == 1)]
    output: list[Label] = []
    for n in _letters(right, None):
        output.extend(dots if n is Ellipsis else [n])
    return inputs, output


def _check_fit(operands: Sequence[Any], inputs: list[list[Label]], output: list[Label]) -> None:
    """Each label stands for one size (or 1), and the result's are the operands', each once."""
    sizes: dict[Label, int] = {}
    for x, labels in zip(operands, inputs, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            if n != 1 and sizes.setdefault(label, n) != n:
                name = repr(label) if isinstance(label, str) else "of '...'"
                raise ShapeError(
                    must("einsum", f"the dimensions {name}", f"of one size ({sizes[label]}), or 1", n)
                )
    every = {n for labels in inputs for n in labels}
    for label in output:
        if label not in every or output.count(label) > 1:
            got = repr(label)
            raise ArgumentError(
                must("einsum", "each letter of the result", "one of the operands', and once", got)
            )


def _numbered(args: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The equation for ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""

    def letters(sublist: Any) -> str:
        if not isinstance(sublist, (list, tuple)):
            raise ArgumentError(must("einsum", "a sublist", "a list of ints", type(sublist).__name__))
        numbers = [n if n is Ellipsis else as_int("einsum", "a sublist", n) for n in sublist]
        if not all(n is Ellipsis or 0 <= n < 52 for n in numbers):
            raise ArgumentError(must("einsum", "a sublist", "of numbers in [0, 51]", list(sublist)))
        return "".join(["..." if n is Ellipsis else chr(n + (65 if n < 26 else 71)) for n in numbers])

    pairs = len(args) // 2
    equation = ",".join([letters(sublist) for sublist in args[1 : 2 * pairs : 2]])
    return equation + (f"->{letters(args[-1])}" if len(args) % 2 else ""), list(args[: 2 * pairs : 2])


def einsum(*args: Any) -> Tensor:
    """A sum of products, in Einstein's notation: ``einsum("ij,jk->ik", a, b)`` is the product of two matrices.

    Each letter names a dimension. The tensors are multiplied, with equal letters going together (a letter that
    repeats within one operand takes its diagonal), and summed over the letters that the result, after ``->``, does
    not have. Without ``->`` the result has the letters that occur once, in the order of the alphabet (capitals first).
    ``...`` stands for any further dimensions, which are broadcast. Sizes of 1 are broadcast too.

    Args:
        args: the equation and the operands (also as one list); or each operand followed by a list of ints in [0, 51],
            its dimensions' names, and at last, if at all, the result's.

    Raises:
        ArgumentError: the equation cannot be understood, or does not fit the number of operands.
        ShapeError: the operands' dimensions do not fit the equation, or each other.

    >>> import minidl
    >>> minidl.einsum("ij,j", minidl.tensor([[1, 2], [3, 4]]), minidl.tensor([1, 10]))
    tensor([21, 43])
    """
    if args and is_array(args[0]):
        equation, operands = _numbered(args)
    elif args and isinstance(args[0], str):
        equation, operands = args[0], list(args[1:])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = list(operands[0])
    else:
        raise DTypeError(
            must("einsum", "the first argument", "an equation or a Tensor", type((*args, None)[0]).__name__)
        )
    if not operands:
        raise ArgumentError(must("einsum", "operands", "at least one", "none"))
    for x in operands:
        check_tensor("einsum", "every operand", x)
    inputs, output = _parsed(equation, operands)
    _check_fit(operands, inputs, output)
    if len(operands) > 1:
        _check_operands("einsum", operands[0], **{f"operand {i}": x for i, x in enumerate(operands)})
    elif set(inputs[0]).difference(output):  # a sum, and so in int64 if of integers
        operands = [_summand("einsum", operands[0], None)]
    result = _without_repeats(operands[0], inputs[0])
    for i in range(1, len(operands)):
        kept = {*output, *[n for labels in inputs[i + 1 :] for n in labels]}
        result = _contract(result, _without_repeats(operands[i], inputs[i]), kept)
    x, labels = _sum_out(*result, set(result[1]).difference(output))
    return _permute(x, tuple([labels.index(n) for n in output]))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The product of two tensors, summed over pairs of dimensions; the others stay, those of ``a`` first.

    Args:
        a: a tensor.
        b: a tensor of the same dtype.
        dims: how many: the last ones of ``a`` go with the first ones of ``b``, in order. Or two lists of as many
            dimensions (or a tensor of two rows).

    Raises:
        ShapeError: the sizes of the dimensions that go together differ.
        ArgumentError: ``dims`` is neither a number of dimensions nor two lists of as many.
        DTypeError: the dtypes differ.

    >>> import minidl
    >>> minidl.tensordot(minidl.ones(2, 3, 4), minidl.ones(3, 4, 5)).shape
    (2, 5)
    """
    numeric("tensordot", a, "a")
    _check_operands("tensordot", a, b=b)
    if is_array(dims) and dims.ndim:
        dims = dims.tolist()
    if isinstance(dims, (list, tuple)):
        if len(dims) != 2:
            raise ArgumentError(must("tensordot", "dims", "an int or two lists", repr(dims)))
        lists = [d if isinstance(d, (list, tuple)) else [d] for d in dims]
        of_a, of_b = (
            as_dims("tensordot", d, x.ndim, "dims") if d else () for d, x in zip(lists, (a, b), strict=True)
        )
    else:
        n = as_int("tensordot", "dims", dims)
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ArgumentError(must("tensordot", "dims", f"in [0, {min(a.ndim, b.ndim)}]", n))
        of_a, of_b = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    sizes = [[x.shape[d] for d in chosen] for x, chosen in ((a, of_a), (b, of_b))]
    if len(of_a) != len(of_b) or any(n != m and 1 not in (n, m) for n, m in zip(*sizes, strict=False)):
        raise ShapeError(must("tensordot", "dims", "pairs of dimensions of equal size", f"sizes {sizes}"))
    labels_a: list[Label] = [("a", i) for i in range(a.ndim)]
    labels_b: list[Label] = [("b", i) for i in range(b.ndim)]
    for i, j in zip(of_a, of_b, strict=True):
        labels_b[j] = labels_a[i]
    kept = {*labels_a, *labels_b}.difference([labels_a[i] for i in of_a])
    return _contract((a, labels_a), (b, labels_b), kept)[0]
