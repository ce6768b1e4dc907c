"""The tape: what it keeps, what it frees, how gradients add up, and operations defined by the user."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minidl
from minidl.errors import GradError
from minidl.tape import Op, Spec
from minidl.testing import gradcheck, gradgradcheck


def leaf(*values: float) -> minidl.Tensor:
    return minidl.tensor(list(values), dtype=minidl.float64, requires_grad=True)


# --- Long graphs and memory -----------------------------------------------------------------------------------

MILLION = 1_000_000


def chain(x: minidl.Tensor, length: int) -> minidl.Tensor:
    for _ in range(length):
        x = x + 1.0
    return x


def in_a_thread(action: Callable[[], Any]) -> Any:
    """What ``action`` returns in a thread, whose stack is smaller than the main thread's."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(action()))
    thread.start()
    thread.join()
    return results[0]


def backward_through_a_million() -> list[float]:
    x = leaf(2.0)
    chain(x, MILLION).backward()
    return x.grad.tolist()


def drop_a_million_after_a_walk_that_retains_them() -> list[float]:
    x = leaf(2.0)
    y = chain(x, MILLION)
    y.backward(retain_graph=True)
    last = weakref.ref(y.grad_fn)
    del y
    assert last() is None
    return x.grad.tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "action"),
    [
        (in_a_thread, backward_through_a_million),
        (in_a_thread, drop_a_million_after_a_walk_that_retains_them),
        (lambda action: action(), drop_a_million_after_a_walk_that_retains_them),
    ],
    ids=["freed by backward", "dropped in a thread", "dropped"],
)
def test_a_chain_of_a_million_operations(run: Any, action: Any) -> None:
    assert run(action) == [1.0]


@pytest.mark.slow
def test_the_gradient_between_two_points_of_a_long_chain() -> None:
    x = leaf(2.0)
    middle = chain(x, 100_000)
    (gradient,) = minidl.grad(chain(middle, 100_000), middle)
    assert gradient.tolist() == [1.0]


def test_a_graph_is_freed_with_its_last_tensor_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = ((x * 2).exp() + x.tanh()).sum()
        freed = [weakref.ref(y.grad_fn), weakref.ref(y)]
        y.backward(create_graph=True)
        x.grad = None  # under create_graph the gradient holds the graph
        del y
        assert [ref() for ref in freed] == [None, None]
    finally:
        gc.enable()


def test_training_leaves_nothing_to_the_garbage_collector() -> None:
    """1,000 steps with the collector off: memory does not grow, and the collector then finds nothing."""
    w1, w2 = (minidl.randn(16, 16, requires_grad=True) for _ in range(2))
    x = minidl.randn(32, 16)

    def step() -> None:
        hidden = (x @ w1).relu() * 0.5
        hidden[:, 0] *= 2
        a, b = hidden.split(16)
        loss = ((a + b) @ w2).tanh().square().mean()
        handle = hidden.register_hook(lambda g: g * 0.5)
        loss.backward()
        handle.remove()
        with minidl.no_grad():
            for w in (w1, w2):
                w -= 0.01 * w.grad
                w.grad = None

    for _ in range(5):
        step()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(50):  # fills Python's lists of free objects, which count as allocated
            step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step()
        grown = tracemalloc.get_traced_memory()[0] - before
        assert gc.collect() == 0
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 20_000  # 1,000 steps, each of which allocates some 30,000 bytes


# --- What is kept ---------------------------------------------------------------------------------------------


def saved(y: minidl.Tensor) -> list[Any]:
    return list(y.grad_fn.saved)


def keeps_nothing(values: list[Any]) -> bool:
    return not any(isinstance(v, np.ndarray) for v in values)


def test_only_what_a_vjp_reads_is_kept() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    assert keeps_nothing(saved(x + w))
    assert (x + w).grad_fn.y is None
    product = saved(x * w)
    assert (product[0] is x.array, product[1] is w.array) == (True, True)
    assert keeps_nothing(saved(x.exp()))
    assert x.exp().grad_fn.y is not None
    assert keeps_nothing(saved(x.relu()))


def test_a_frozen_weight_keeps_no_input() -> None:
    x, frozen = leaf(1.0, 2.0), minidl.tensor([3.0, 4.0], dtype=minidl.float64)
    first, second = saved(x * frozen)
    assert isinstance(first, Spec)
    assert (first.shape, first.dtype, first.ndim, first.strides) == ((2,), np.float64, 1, (8,))
    assert second is frozen.array
    linear = minidl.nn.Linear(3, 2)
    linear.weight.requires_grad_(False)
    y = minidl.nn.functional.linear(minidl.randn(5, 3, requires_grad=True), linear.weight)
    node = y.grad_fn
    while node.edges:  # whichever operations it is made of
        assert not [v for v in node.saved if isinstance(v, np.ndarray) and v.shape == (5, 3)]
        node = next(edge for edge in node.edges if edge is not None)


def test_frozen_arguments_cost_no_graph() -> None:
    x, w = minidl.ones(2), minidl.ones(2)
    y = (x * w).exp()
    assert y.node is None
    assert y.is_leaf
    assert not y.requires_grad


def test_only_the_vjps_of_arguments_with_an_edge_are_called() -> None:
    called: list[str] = []

    def vjp(name: str) -> Callable[..., Any]:
        def pull(g: Any, _y: Any, _a: Any, _b: Any) -> Any:
            called.append(name)
            return g

        return pull

    op = Op("both", np.add, vjp("a"), vjp("b"))
    op(leaf(1.0), minidl.tensor([2.0], dtype=minidl.float64)).backward()
    assert called == ["a"]


# --- Backward, once and again ---------------------------------------------------------------------------------


def test_gradients_of_several_uses_add_up() -> None:
    x = leaf(3.0)
    y = x * x + x * 2 + x
    y.backward()
    assert x.grad.tolist() == [9.0]


def test_gradients_accumulate_over_walks() -> None:
    x = leaf(3.0)
    for expected in (6.0, 12.0, 18.0):
        (x * x).backward()
        assert x.grad.tolist() == [expected]


def test_a_second_backward_says_what_to_do() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(
        GradError, match=r"graph of mul has been freed by an earlier backward; pass retain_graph=True"
    ):
        y.backward()


@pytest.mark.parametrize("options", [{}, {"allow_unused": True}, {"materialize_grads": True}])
def test_a_second_grad_says_so_too_and_never_gives_none_or_zeros(options: dict[str, bool]) -> None:
    x = leaf(3.0)
    y = (x * x).exp()
    minidl.grad(y, x)
    with pytest.raises(GradError, match="has been freed"):
        minidl.grad(y, x, **options)
    with pytest.raises(GradError, match="has been freed"):
        y.backward(inputs=[x])


def test_a_graph_of_which_a_part_was_freed() -> None:
    x = leaf(3.0)
    shared = x * x
    shared.exp().backward()
    with pytest.raises(GradError, match=r"graph of mul has been freed"):
        shared.tanh().backward()


def test_retain_graph() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]


def test_backward_frees_what_was_kept() -> None:
    x = leaf(3.0)
    y = x.exp()
    node, kept = y.grad_fn, weakref.ref(y.grad_fn.y)
    y.backward()
    assert (node.saved, node.y, node.edges) == (None, None, ())
    del y
    assert kept() is None


def test_a_multi_operations_graph_is_freed_and_says_so() -> None:
    a, b = (leaf(1.0, 2.0) * 1).unbind(0)
    (a * b).backward()
    with pytest.raises(GradError, match="has been freed"):
        a.backward()


def test_outputs_that_are_not_used_have_no_part() -> None:
    x = leaf(1.0, 2.0, 3.0)
    parts = x.split(1)
    (parts[2] * 5).backward()
    assert x.grad.tolist() == [0.0, 0.0, 5.0]


# --- Aliasing -------------------------------------------------------------------------------------------------


def share(*tensors: minidl.Tensor) -> bool:
    return any(np.shares_memory(a.array, b.array) for i, a in enumerate(tensors) for b in tensors[:i])


ALIASING: dict[str, Callable[[minidl.Tensor, minidl.Tensor], minidl.Tensor]] = {
    "add": lambda a, b: a + b,
    "reshape": lambda a, b: a.reshape(2, 2) + b.reshape(2, 2),
    "transpose": lambda a, b: a.reshape(2, 2).t() + b.reshape(2, 2).t(),
    "cat": lambda a, b: minidl.cat([a, b]),
    "stack": lambda a, b: minidl.stack([a, b]),
    "three times": lambda a, b: a + b + a + (b + a),
    "joint": lambda a, b: twice_the_same(a, b),
    "multi": lambda a, b: with_its_double(a)[0] + with_its_double(b)[0],
}
with_its_double = Op(
    "with_its_double",
    lambda x: ((x * 1, x * 2),),
    lambda gs, _y, _x: gs[0] if gs[1] is None else gs[0] + 2 * gs[1],
    multi=True,
)
twice_the_same = Op(
    "twice_the_same", np.add, joint=lambda _needs, g, _y, _a, _b: (lambda double: (double, double))(g * 2)
)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", ALIASING)
def test_no_gradient_shares_memory_with_another_or_with_the_one_passed_in(
    name: str, create_graph: bool
) -> None:
    a, b = leaf(1.0, 2.0, 3.0, 4.0), leaf(5.0, 6.0, 7.0, 8.0)
    y = ALIASING[name](a, b)
    v = minidl.ones_like(y)
    y.backward(v, create_graph=create_graph)
    assert not share(a.grad, b.grad, v)
    before = b.grad.tolist()
    (a * 10).sum().backward()  # adds in place
    assert b.grad.tolist() == before
    assert v.array.min() == v.array.max() == 1.0


def test_a_retained_gradient_shares_no_memory_with_that_of_a_leaf() -> None:
    x = leaf(1.0, 2.0)
    y = x + 0.0
    y.retain_grad()
    v = minidl.ones_like(y)
    y.backward(v)
    assert not share(x.grad, y.grad, v)


def test_an_array_that_a_joint_returns_twice_is_not_added_to_in_place() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    older = a * 10  # so that its gradient arrives at a after the joint's
    (twice_the_same(a, b) + older).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([12.0, 12.0], [2.0, 2.0])


def test_the_gradient_of_a_layer_lives_no_longer_than_the_walk_needs_it() -> None:
    """The layers' weights are older than their results, and so wait to the end of the walk."""
    weights = [leaf(1.0, 2.0) for _ in range(10)]
    gradients: list[Any] = []
    alive: list[int] = []

    def look(g: Any) -> None:
        gradients.append(weakref.ref(g.array))
        alive.append(sum(array() is not None for array in gradients))

    x = leaf(3.0, 4.0) * 1
    for weight in weights:
        x = x * weight
        x.register_hook(look)
    x.sum().backward()
    assert len(alive) == 10
    assert max(alive) <= 2


def test_a_vjp_never_sees_its_gradient_change() -> None:
    """Two paths meet at x: the sum is a new array, since the first path's array is still someone else's."""
    x = leaf(1.0, 2.0)
    middle = x + 0.0
    kept: list[Any] = []
    middle.register_hook(lambda g: kept.append((g, g.tolist())))
    (middle + x * 3).sum().backward()
    assert kept[0][0].tolist() == kept[0][1] == [1.0, 1.0]
    assert x.grad.tolist() == [4.0, 4.0]


def test_gradients_are_in_c_order() -> None:
    x = minidl.randn(3, 4, requires_grad=True)
    (x.t() * 2).backward(minidl.ones(4, 3))
    assert x.grad.is_contiguous()


# --- Hooks ----------------------------------------------------------------------------------------------------


def test_hooks_replace_in_order_and_can_be_removed() -> None:
    x = leaf(1.0)
    seen: list[tuple[str, float]] = []
    first = x.register_hook(lambda g: seen.append(("first", g.item())))
    x.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(("third", g.item())))
    (x * 2).backward()
    assert seen == [("first", 2.0), ("third", 20.0)]
    assert x.grad.tolist() == [20.0]
    first.remove()
    first.remove()  # twice does no harm
    seen.clear()
    (x * 2).backward()
    assert seen == [("third", 20.0)]


def test_a_hook_on_an_intermediate_sees_the_whole_gradient_and_changes_what_flows_on() -> None:
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: (seen.append(g.item()), g * 100)[1])
    (y * 3 + y * 4).backward()
    assert seen == [7.0]
    assert x.grad.tolist() == [1400.0]


def test_a_hook_as_a_context() -> None:
    x = leaf(1.0)
    with x.register_hook(lambda g: g * 5):
        (x * 1).backward()
    (x * 1).backward()
    assert x.grad.tolist() == [6.0]


def test_what_a_hook_returns_stays_the_hooks_own() -> None:
    x, held = leaf(1.0, 2.0), minidl.tensor([5.0, 6.0], dtype=minidl.float64)
    x.register_hook(lambda g: held)
    for expected in ([5.0, 6.0], [10.0, 12.0]):
        (x * 2).sum().backward()
        assert x.grad.tolist() == expected
    assert held.tolist() == [5.0, 6.0]


def test_hooks_come_before_what_is_retained_and_what_grad_returns() -> None:
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    (y * 3).backward(retain_graph=True)
    assert y.grad.tolist() == [30.0]
    assert minidl.grad(y * 3, y)[0].tolist() == [30.0]


def test_hooks_under_create_graph_are_differentiated() -> None:
    x = leaf(3.0)
    y = x * x
    y.register_hook(lambda g: g * 5)
    y.backward(create_graph=True)
    first, x.grad = x.grad, None
    first.backward()
    assert (first.tolist(), x.grad.tolist()) == ([30.0], [10.0])


def test_a_hook_must_return_a_tensor_or_none() -> None:
    x = leaf(1.0)
    x.register_hook(lambda g: 5.0)
    with pytest.raises(minidl.MinidlError, match="hook: what it returns must be a Tensor or None, got float"):
        (x * 2).backward()


def test_a_hook_must_keep_the_shape() -> None:
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(minidl.MinidlError, match=r"hook: .*shape"):
        (x * 2).sum().backward()


def test_a_constant_takes_no_hook_and_retains_no_gradient() -> None:
    with pytest.raises(GradError, match="register_hook: the tensor does not require a gradient"):
        minidl.ones(2).register_hook(print)
    with pytest.raises(GradError, match="retain_grad: the tensor does not require a gradient"):
        minidl.ones(2).retain_grad()


def test_retain_grad() -> None:
    x = leaf(1.0)
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * 3).backward(retain_graph=True)
    assert y.grad.tolist() == [3.0]
    (y * 3).backward()
    assert y.grad.tolist() == [6.0]


# --- Operations defined by the user ---------------------------------------------------------------------------

double = Op("double", lambda x: 2 * x, lambda g, _y, _x: 2.0 * g)

# Gradients that share work, and a broadcast argument.
scaled_tanh = Op(
    "scaled_tanh",
    lambda x, s: (s * np.tanh(x), np.tanh(x)),  # tanh(x) is a cache
    joint=lambda needs, g, y, x, s, t: _scaled_tanh_joint(needs, g, x, s, t),
    caches=1,
)
cached: list[bool] = []


def _scaled_tanh_joint(needs: Any, g: Any, x: Any, s: Any, t: Any) -> Any:
    cached.append(t is not None)
    t = np.tanh(x) if t is None else t
    return g * s * (1.0 - t * t) if needs[0] else None, g * t if needs[1] else None


sort_op = Op(
    "sort",
    lambda x: (np.sort(x), np.argsort(x)),
    lambda g, _y, _x, order: scatter(g, order),
)
scatter = Op("scatter", lambda g, order: g[np.argsort(order)], lambda h, _y, _g, order: gather(h, order))
gather = Op("gather", lambda h, order: h[order], lambda g, _y, _h, order: scatter(g, order))

halves = Op(
    "halves",
    lambda x: ((x[: len(x) // 2] * 1, x[len(x) // 2 :] * 1),),
    lambda gs, _y, _x: join(*(zeros_for(_x, k) if g is None else g for k, g in enumerate(gs))),
    multi=True,
)
join = Op(
    "join",
    lambda a, b: np.concatenate([a, b]),
    lambda g, _y, _a, _b: halves(g)[0],
    lambda g, _y, _a, _b: halves(g)[1],
)
middle_op = Op("middle", lambda x: x[1:-1], lambda g, _y, _x: pad_op(g), view=True)
pad_op = Op("pad", lambda g: np.pad(g, 1), lambda h, _y, _g: middle_op(h))


def zeros_for(x: Any, k: int) -> np.ndarray:
    half = x.shape[0] // 2
    return np.zeros(x.shape[0] - half if k else half, x.dtype)


def test_an_op_on_arrays_just_computes() -> None:
    assert double(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert type(double(np.ones(2))) is np.ndarray
    assert repr(double) == "<Op double>"


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (double, [(3,)]),
        (scaled_tanh, [(2, 3), (3,)]),
        (scaled_tanh, [(2, 3), ()]),
        (sort_op, [(5,)]),
        (halves, [(5,)]),
        (lambda x: halves(x)[1], [(5,)]),
        (join, [(2,), (2,)]),
        (middle_op, [(5,)]),
    ],
    ids=[
        "plain",
        "joint",
        "joint, broadcast",
        "extras",
        "multi",
        "multi, one unused",
        "two arguments",
        "view",
    ],
)
def test_user_operations_pass_gradcheck(function: Any, shapes: list[tuple[int, ...]]) -> None:
    inputs = [minidl.randn(shape, dtype=minidl.float64, requires_grad=True) for shape in shapes]
    gradcheck(function, inputs)
    gradgradcheck(function, inputs)


def test_caches_are_there_in_backward_and_none_under_create_graph() -> None:
    x, s = leaf(0.3), leaf(2.0)
    for create_graph in (False, True):
        cached.clear()
        scaled_tanh(x, s).backward(create_graph=create_graph)
        assert cached[0] is not create_graph


def test_with_extras_returns_them_as_tensors_without_history() -> None:
    x = leaf(3.0, 1.0, 2.0)
    y, order = sort_op.with_extras(x)
    assert (y.tolist(), order.tolist()) == ([1.0, 2.0, 3.0], [1, 2, 0])
    assert (y.requires_grad, order.requires_grad) == (True, False)
    values, indices = sort_op.with_extras(np.array([3.0, 1.0]))
    assert (values.tolist(), indices.tolist()) == ([1.0, 3.0], [1, 0])
    order.zero_()
    with pytest.raises(GradError, match=r"sort needs .*changed in place by zero_"):
        y.sum().backward()


def test_a_view_operation_shares_memory_and_history() -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    base = x * 1
    view = middle_op(base)
    view.mul_(10)
    assert base.tolist() == [1.0, 20.0, 30.0, 4.0]
    base.sum().backward()
    assert x.grad.tolist() == [1.0, 10.0, 10.0, 1.0]


def test_an_operation_without_vjps_gives_constants() -> None:
    y = Op("floor", np.floor)(leaf(1.5))
    assert not y.requires_grad


def test_an_operation_may_compute_on_tensors_within() -> None:
    op = Op("exp_plus_one", lambda x: (minidl.Tensor(x).exp() + 1).array, lambda g, y, _x: g * (y - 1.0))
    x = leaf(0.5)
    op(x).backward()
    assert x.grad.item() == pytest.approx(np.exp(0.5))


def test_variadic_arguments_are_kept_or_not_by_their_one_name() -> None:
    def sum_all(*xs: Any) -> Any:
        return np.asarray(sum(xs))

    kept = Op("kept", sum_all, joint=lambda needs, g, _y, *xs: [g * (x * 0.0 + 1.0) for x in xs])
    dropped = Op("dropped", sum_all, joint=lambda needs, g, _y, *_xs: [g for _ in _xs])
    xs = [leaf(1.0), leaf(2.0), leaf(3.0)]
    for op, keeps in ((kept, True), (dropped, False)):
        y = op(*xs)
        assert [isinstance(v, np.ndarray) for v in saved(y)] == [keeps] * 3
        y.backward()
    assert [x.grad.tolist() for x in xs] == [[2.0]] * 3


def test_a_gradient_of_the_wrong_dtype_is_refused() -> None:
    wrong = Op("wrong", lambda x: x * 2, lambda g, _y, _x: np.asarray(g, np.float64))
    x = minidl.ones(2, requires_grad=True)
    with pytest.raises(GradError, match="gradient of dtype float64"):
        wrong(x).sum().backward()


@pytest.mark.parametrize("shape", [(7, 5), (3, 2), (6,), (3,), (1, 3), (2, 2, 1)])
def test_a_gradient_of_the_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    """Also one of as many elements, and one that would broadcast to the right shape."""
    wrong = Op("wrong", lambda x: x * 2, lambda g, _y, _x: np.ones(shape))
    x = minidl.zeros(2, 3, dtype=minidl.float64, requires_grad=True)
    with pytest.raises(GradError, match="shape"):
        wrong(x).sum().backward()


# --- Threads --------------------------------------------------------------------------------------------------


def test_threads_go_backward_at_once() -> None:
    failures: list[Any] = []

    def work(seed: int) -> None:
        for k in range(50):
            x = leaf(float(seed), 2.0)
            y = x
            for _ in range(20):
                y = y * 1.5 - y * 0.5
            y.sum().backward()
            if x.grad.tolist() != [1.0, 1.0]:
                failures.append((seed, k))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (
            Op("f", lambda x: 2 * x, lambda g, x: 2 * g),
            "f: a vjp takes g, y, the arguments and the extras; 1 of them",
        ),
        (Op("f", lambda x: 2 * x, lambda g, _y, _x: None), "f: the vjp of argument 1 returned None"),
        (Op("f", lambda x: 2 * x, joint=lambda _n, g, _y, _x: 2 * g), "f: joint must return a tuple"),
        (Op("f", lambda x: 2 * x, joint=lambda _n, g, _y, _x: (g, g)), "f: joint must return a tuple"),
    ],
)
def test_a_wrong_vjp_names_its_operation(op: Op, message: str) -> None:
    x = minidl.ones(2, requires_grad=True)
    with pytest.raises(GradError, match=message):
        op(x).sum().backward()
