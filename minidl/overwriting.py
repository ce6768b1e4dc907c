"""The in-place methods that PyTorch has as functions too: ``minidl.exp_(x)`` is ``x.exp_()``."""

from minidl.tensor import Tensor

__all__ = [
    "abs_", "acos_", "acosh_", "arccos_", "arccosh_", "arcsin_", "arcsinh_", "arctan_", "arctanh_", "asin_", "asinh_",
    "atan_", "atanh_", "ceil_", "clamp_", "clamp_max_", "clamp_min_", "clip_", "cos_", "cosh_", "detach_", "erf_",
    "exp2_", "exp_", "expm1_", "fill_", "fix_", "floor_", "frac_", "log10_", "log1p_", "log2_", "log_", "nan_to_num_",
    "neg_", "negative_", "reciprocal_", "relu_", "round_", "rsqrt_", "sigmoid_", "sin_", "sinh_", "sqrt_", "square_",
    "tan_", "tanh_", "trunc_", "zero_",
]  # fmt: skip

abs_, neg_, negative_ = Tensor.abs_, Tensor.neg_, Tensor.negative_
square_, sqrt_, rsqrt_, reciprocal_ = Tensor.square_, Tensor.sqrt_, Tensor.rsqrt_, Tensor.reciprocal_
exp_, exp2_, expm1_, erf_ = Tensor.exp_, Tensor.exp2_, Tensor.expm1_, Tensor.erf_
log_, log2_, log10_, log1p_ = Tensor.log_, Tensor.log2_, Tensor.log10_, Tensor.log1p_
sigmoid_, tanh_, relu_ = Tensor.sigmoid_, Tensor.tanh_, Tensor.relu_
sin_, cos_, tan_ = Tensor.sin_, Tensor.cos_, Tensor.tan_
asin_ = arcsin_ = Tensor.asin_
acos_ = arccos_ = Tensor.acos_
atan_ = arctan_ = Tensor.atan_
sinh_, cosh_ = Tensor.sinh_, Tensor.cosh_
asinh_ = arcsinh_ = Tensor.asinh_
acosh_ = arccosh_ = Tensor.acosh_
atanh_ = arctanh_ = Tensor.atanh_
floor_, ceil_, round_, frac_ = Tensor.floor_, Tensor.ceil_, Tensor.round_, Tensor.frac_
trunc_ = fix_ = Tensor.trunc_
clamp_ = clip_ = Tensor.clamp_
clamp_min_, clamp_max_ = Tensor.clamp_min_, Tensor.clamp_max_
fill_, zero_, nan_to_num_, detach_ = Tensor.fill_, Tensor.zero_, Tensor.nan_to_num_, Tensor.detach_
