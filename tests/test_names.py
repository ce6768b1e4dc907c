"""The names of the operations: where PyTorch has a function, a method or an in-place form of one, so has minidl."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from both import check, normal, torch

import minidl

OPERATIONS = """
abs absolute acos arccos acosh add addcdiv addcmul addmm all allclose amax amin arange argmax argmin argsort asin atan
atan2 baddbmm bernoulli bincount bmm broadcast_to cat ceil chunk clamp clamp_max clamp_min clip clone column_stack
contiguous copy_ cos cosh cross cummax cummin cumprod cumsum diag diagonal diff div divide dot einsum empty eq equal
erf exp exp2 expand expm1 eye fill flatten flip floor floor_divide fmod full full_like gather ge greater greater_equal
gt hstack index_add index_select isclose isfinite isinf isnan kthvalue le lerp less less_equal linspace log log10
log1p log2 logaddexp logical_and logical_not logical_or logical_xor logsumexp lt masked_fill masked_select matmul max
maximum mean median meshgrid min minimum mm moveaxis movedim mul multinomial multiply mv nan_to_num narrow ne neg
negative nonzero norm normal not_equal numel ones ones_like outer permute pow prod quantile rand rand_like randint
randn randn_like randperm ravel reciprocal relu remainder repeat repeat_interleave reshape roll round rsqrt scatter
scatter_add searchsorted select sigmoid sign sin sinh softmax log_softmax sort split sqrt square squeeze stack std
std_mean sub subtract sum swapaxes swapdims t take_along_dim tan tanh tensordot tile topk trace transpose tril triu
true_divide trunc unbind unflatten unique unsqueeze var var_mean view vstack where zero_ zeros zeros_like from_numpy
as_tensor tensor manual_seed initial_seed to type type_as float double long half int short byte char bool size dim
ndimension numpy item tolist stride data T mT new_zeros new_ones new_full new_empty new_tensor uniform_ random_
exponential_ log_normal_ cauchy_ geometric_ is_floating_point is_complex is_signed element_size itemsize nbytes
data_ptr is_cuda is_cpu requires_grad grad grad_fn is_leaf backward retain_grad register_hook prelu conv1d conv2d
conv_transpose1d conv_transpose2d avg_pool1d adaptive_avg_pool1d pixel_shuffle cosine_similarity pairwise_distance
"""

FUNCTIONAL = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d avg_pool1d avg_pool2d batch_norm binary_cross_entropy
binary_cross_entropy_with_logits conv1d conv2d conv_transpose1d conv_transpose2d cosine_similarity cross_entropy
dropout dropout2d elu embedding gelu glu group_norm hardsigmoid hardswish hardtanh huber_loss instance_norm
interpolate kl_div l1_loss layer_norm leaky_relu linear logsigmoid max_pool1d max_pool2d mish mse_loss nll_loss
normalize one_hot pad pixel_shuffle prelu relu relu6 rms_norm scaled_dot_product_attention selu silu smooth_l1_loss
softmin softplus softsign threshold triplet_margin_loss unfold fold cosine_embedding_loss margin_ranking_loss
gaussian_nll_loss poisson_nll_loss ctc_loss softmax log_softmax sigmoid tanh pairwise_distance pixel_unshuffle
"""


@pytest.mark.parametrize("name", OPERATIONS.split())
def test_functions_methods_and_in_place_forms(name: str) -> None:
    for ours, theirs in ((minidl, torch), (minidl.Tensor, torch.Tensor)):
        for form in (name, f"{name}_"):
            assert hasattr(ours, form) or not hasattr(theirs, form), f"{theirs.__name__}.{form}"
    assert hasattr(minidl, name) or hasattr(minidl.Tensor, name)


@pytest.mark.parametrize("name", FUNCTIONAL.split())
def test_functional(name: str) -> None:
    for form in (name, f"{name}_"):
        assert hasattr(minidl.nn.functional, form) or not hasattr(torch.nn.functional, form), form
    ours, theirs = (getattr(library.nn.functional, name) for library in (minidl, torch))
    try:
        expected = list(inspect.signature(theirs).parameters.values())
    except ValueError:  # a builtin: its documentation begins with its signature
        return
    if [p.name for p in expected] != ["args", "kwargs"]:
        found = list(inspect.signature(ours).parameters.values())
        assert [(p.name, p.kind, p.default) for p in found] == [(p.name, p.kind, p.default) for p in expected]


CALLS = """
x.absolute(), x.clone().absolute_()
x.greater(y), x.greater_equal(y), x.less(y), x.less_equal(y), x.not_equal(y)
T.greater(x, 0), T.greater_equal(x, 0), T.less(x, 0), T.less_equal(x, 0), T.not_equal(x, 0)
z = x.detach(); z.clone().greater_(y.detach()), z.clone().less_equal_(1), z.clone().not_equal_(0)
z = x.detach(); z.clone().less_(0), z.clone().greater_equal_(0)
x.clamp_min(0.1), x.clamp_max(max=0.1), T.clamp_min(x, 0.2), T.clamp_max(x, max=0.3)
x.clamp_min(y), x.clamp_max(y)
x.clone().clamp_min_(0.1), x.clone().clamp_max_(0.1)
x.prelu(y[0, :1]), T.prelu(x, y[0])
x.byte(), x.char(), x.short()
x.ndimension(), x.itemsize, x.nbytes, x.is_cuda, x.is_cpu, x.is_complex(), x.is_signed(), x.byte().is_signed()
x.stride(), x.t().stride(), x.stride(0), x.t().stride(-1), x[:, 1:].stride()
x.data_ptr() == x[:1].data_ptr(), x.data_ptr() == x.clone().data_ptr(), x[0, 1:].data_ptr() - x.data_ptr()
F.elu_(x.clone(), 0.5), F.hardtanh_(x.clone(), -0.5, 0.5), F.leaky_relu_(x.clone(), 0.2), F.selu_(x.clone())
F.threshold_(x.clone(), 0.1, 20.0), F.relu_(x.clone())
T.conv1d(x[None], y[:, :, None]), T.avg_pool1d(x[None], 2), T.cosine_similarity(x, y), T.pairwise_distance(x, y)
"""


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("call", CALLS.strip().splitlines())
def test_second_names(call: str) -> None:
    y = normal(3, 3, seed=1)
    check(call, x=normal(3, 3) * 2 if "byte" not in call else np.abs(normal(3, 3)) * 2, y=y)


@pytest.mark.parametrize("name", minidl.overwriting.__all__)
def test_in_place_functions(name: str) -> None:
    arguments: tuple[Any, ...] = {
        "clamp_": (-0.1, 0.2), "clip_": (-0.1, 0.2), "clamp_min_": (0.1,), "clamp_max_": (0.1,), "fill_": (3,),
    }.get(name, ())  # fmt: skip
    x = (
        np.array([0.2, 0.7, math.nan])
        if "acosh" not in name and "arccosh" not in name
        else np.array([1.5, 2.0])
    )
    ours, theirs = minidl.from_numpy(x.copy()), torch.from_numpy(x.copy())
    assert getattr(minidl, name)(ours, *arguments) is ours
    getattr(torch, name)(theirs, *arguments)
    np.testing.assert_allclose(ours.array, theirs.numpy(), rtol=1e-12)
