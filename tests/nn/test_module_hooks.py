"""Hooks on modules."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from minidl import nn
from minidl.errors import ArgumentError, DTypeError
from minidl.tensor import Tensor


class Scale(nn.Module):
    """Two inputs, two outputs, a keyword."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.array([2.0, 3.0]))

    def forward(self, a, b, offset=0.0):
        return a * self.weight + offset, a * b


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def test_forward_hooks_see_and_replace():
    module = nn.ReLU()
    seen = []
    module.register_forward_pre_hook(lambda m, args: seen.append((m, args)))
    module.register_forward_pre_hook(lambda m, args: args[0] * 2)
    module.register_forward_hook(lambda m, args, y: seen.append((m, args[0].tolist(), y.tolist())))
    module.register_forward_hook(lambda m, args, y: y + 1)
    x = Tensor(np.array([1.0, -1.0]))
    assert module(x).tolist() == [3.0, 1.0]
    assert seen == [(module, (x,)), (module, [2.0, -2.0], [2.0, 0.0])]


def test_hooks_run_in_order_and_can_be_put_first_and_removed():
    module, order = nn.Identity(), []
    for register in (module.register_forward_pre_hook, module.register_forward_hook):
        order.clear()
        handles = [register(lambda *_, i=i: order.append(i)) for i in range(3)]
        handles.append(register(lambda *_: order.append("first"), prepend=True))
        module(1)
        assert order == ["first", 0, 1, 2]
        order.clear()
        handles[1].remove()
        handles[1].remove()  # once more does nothing
        with handles[0]:
            module(1)
        module(1)
        assert order == ["first", 0, 2, "first", 2]
        for handle in handles:
            handle.remove()


def test_hooks_with_keyword_arguments():
    module, seen = Scale(), []
    module.register_forward_pre_hook(
        lambda m, args, kwargs: (args, kwargs | {"offset": 10.0}), with_kwargs=True
    )
    module.register_forward_pre_hook(lambda m, args, kwargs: None, with_kwargs=True)
    module.register_forward_hook(lambda m, args, kwargs, y: seen.append(kwargs), with_kwargs=True)
    first, _ = module(Tensor(np.array([1.0, 1.0])), 1.0, offset=5.0)
    assert first.tolist() == [12.0, 13.0]
    assert seen == [{"offset": 10.0}]


def test_a_pre_hook_with_keyword_arguments_returns_both():
    module = nn.Identity()
    module.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(
        ArgumentError, match=r"^forward pre-hook: what it returns must be None or \(args, kwargs\), got 3$"
    ):
        module(1)


def run_both(build):
    """Run ``build(namespace, hook)`` with minidl and with PyTorch; what the backward hook saw, and the gradients."""
    torch = pytest.importorskip("torch")
    results = []
    for make, base, parameter in (
        (leaf, nn.Module, lambda v: nn.Parameter(np.array(v))),
        (
            lambda *v: torch.tensor(v, dtype=torch.float64, requires_grad=True),
            torch.nn.Module,
            lambda v: torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)),
        ),
    ):
        seen = []

        def hook(module, grad_input, grad_output, seen=seen):
            assert isinstance(grad_input, tuple)
            assert isinstance(grad_output, tuple)
            seen.append([[None if g is None else g.tolist() for g in gs] for gs in (grad_input, grad_output)])

        leaves = build(make, base, parameter, hook)
        results.append((seen, [None if x.grad is None else x.grad.tolist() for x in leaves]))
    return results


def scale_module(base, parameter):
    class Scale(base):
        def __init__(self):
            super().__init__()
            self.weight = parameter([2.0, 3.0])

        def forward(self, a, b, c=None):
            return a * self.weight, a * b

    return Scale()


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")
@pytest.mark.parametrize("use", ["both", "second", "scalar argument", "no input gradient"])
def test_backward_hooks_see_what_pytorchs_see(use):
    def build(make, base, parameter, hook):
        module = scale_module(base, parameter)
        module.register_full_backward_hook(hook)
        a, b = make(1.0, 2.0), make(3.0, 4.0)
        if use == "no input gradient":
            module(a.detach(), b.detach())[0].sum().backward()
            return a, b, module.weight
        y, z = module(a, 5.0 if use == "scalar argument" else b)
        (z if use == "second" else y * z).sum().backward()
        return a, b, module.weight

    ours, theirs = run_both(build)
    assert ours == theirs
    assert len(ours[0]) == 1


def test_an_argument_that_no_gradient_reaches_has_none():
    """PyTorch makes zeros of it, and thereby a gradient of zeros where there would be none without the hook."""
    seen = []
    module = Scale()
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    module(a, b)[0].sum().backward()
    ((grad_input, grad_output),) = seen
    assert grad_input[0].tolist() == [2.0, 3.0]
    assert grad_output[0].tolist() == [1.0, 1.0]
    assert grad_input[1] is grad_output[1] is b.grad is None


def test_backward_hooks_replace_gradients_in_turn():
    def build(make, base, parameter, hook):
        module = scale_module(base, parameter)
        module.register_full_backward_hook(hook)
        module.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10, None))
        module.register_full_backward_hook(hook)
        module.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1, gi[1]), prepend=True)
        a, b = make(1.0, 2.0), make(3.0, 4.0)
        y, z = module(a, b)
        (y.sum() + z.sum()).backward()
        return a, b, module.weight

    ours, theirs = run_both(build)
    assert ours == theirs


def test_a_backward_hook_works_under_create_graph_and_shares_no_gradient():
    module = nn.Identity()
    seen = []
    module.register_full_backward_hook(lambda m, gi, go: seen.append(gi[0]))
    x = leaf(1.0, 2.0)
    y = module(x)
    (y * y * y + x * x).sum().backward(create_graph=True)
    assert seen[0].tolist() == [3.0, 12.0]  # not added to afterwards
    gradient = x.grad
    x.grad = None
    gradient.sum().backward()
    assert x.grad.tolist() == [8.0, 14.0]  # the second derivative of x**3 + x**2


def test_what_a_backward_hook_saw_is_not_written_to_later():
    module = nn.Identity()
    seen = []
    module.register_full_backward_hook(lambda m, gi, go: seen.append(gi[0]))
    x = leaf(1.0, 2.0)
    z = x * 1.0
    before = z * 2.0  # its gradient comes to z after that of the hooked call
    (module(z) * 3.0 + before).sum().backward()
    assert seen[0].tolist() == [3.0, 3.0]
    assert x.grad.tolist() == [5.0, 5.0]


def test_a_module_with_a_backward_hook_may_work_in_place():
    module = nn.ReLU(inplace=True)
    module.register_full_backward_hook(lambda *_: None)
    x = leaf(1.0, -2.0)
    z = x * 2.0
    y = module(z)
    assert y.tolist() == [2.0, 0.0]
    (y * 3.0 + z * z).sum().backward()
    assert x.grad.tolist() == [2 * 3.0 + 2 * 2 * 2.0, 2 * 2 * -4.0]


def test_copies_for_backward_hooks_keep_the_memory_order():
    module = nn.Identity()
    module.register_full_backward_hook(lambda *_: None)
    x = Tensor(np.zeros((2, 4, 4, 3)).transpose(0, 3, 1, 2), requires_grad=True)
    assert module(x).array.strides == x.array.strides


def test_a_backward_hook_is_not_called_where_the_result_is_not_used():
    class Keeps(nn.Module):
        def forward(self, x):
            self.kept = x
            return x * 2.0

    module = Keeps()
    module.register_full_backward_hook(lambda *_: pytest.fail("called"))
    x = leaf(1.0, 2.0)
    module(x)
    module.kept.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_backward_hooks_cost_nothing_when_nothing_is_recorded():
    module = nn.Identity()
    module.register_full_backward_hook(lambda *_: pytest.fail("called"))
    x = Tensor(np.ones(2))
    assert module(x) is x


@pytest.mark.parametrize(
    ("inputs_need_gradient", "returned", "message"),
    [
        (True, (1, 2, 3), "backward hook: what it returns must be None or 2 gradients, got 3"),
        (False, (Tensor(np.ones(2)), None), "backward hook: what it returns must be None where no input requires a "
                                            "gradient, got a gradient"),
    ],
)  # fmt: skip
def test_what_a_backward_hook_may_return(inputs_need_gradient, returned, message):
    module = Scale()
    module.register_full_backward_hook(lambda *_: returned)
    a = Tensor(np.ones(2), requires_grad=inputs_need_gradient)
    y, _ = module(a, 1.0)
    with pytest.raises(ArgumentError) as raised:
        y.sum().backward()
    assert str(raised.value) == message


def test_a_backward_hook_returns_tensors():
    module = nn.Identity()
    module.register_full_backward_hook(lambda *_: 3.0)
    with pytest.raises(
        DTypeError, match=r"^backward hook: each gradient must be a Tensor or None, got float$"
    ):
        module(leaf(1.0)).sum().backward()


def test_hooks_go_with_a_deepcopy_and_belong_to_it():
    calls = []
    module = nn.Identity()
    module.register_forward_hook(lambda m, *_: calls.append(m))
    twin = copy.deepcopy(module)
    twin.register_forward_hook(lambda *_: calls.append("twin"))
    twin(1)
    module(1)
    assert calls == [twin, "twin", module]
