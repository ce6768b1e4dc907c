"""minidl: a deep learning engine that one person can read from end to end."""

from minidl import autograd, data, errors, kernels, nn, optim
from minidl.anomaly import detect_anomaly
from minidl.autograd import grad
from minidl.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    tensor,
    zeros,
    zeros_like,
)
from minidl.dtypes import (
    bool_ as bool,
)
from minidl.dtypes import (
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    result_type,
    set_default_dtype,
    uint8,
)
from minidl.dtypes import float16 as half
from minidl.dtypes import float32 as float
from minidl.dtypes import float64 as double
from minidl.dtypes import int16 as short
from minidl.dtypes import int32 as int
from minidl.dtypes import int64 as long
from minidl.errors import MinidlError
from minidl.grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from minidl.kernels.memory import keep_freed_memory
from minidl.ops.activation import log_softmax, softmax
from minidl.ops.comparison import (
    allclose,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    eq,
    equal,
    ge,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from minidl.ops.elementwise import (
    abs,
    add,
    clamp,
    div,
    exp,
    floor_divide,
    fmod,
    log,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    relu,
    remainder,
    sigmoid,
    sign,
    sqrt,
    square,
    sub,
    tanh,
    where,
)
from minidl.ops.indexing import gather, index_select, masked_fill, masked_select, nonzero, take_along_dim
from minidl.ops.joining import cat, chunk, split, stack, unbind
from minidl.ops.linalg import bmm, dot, matmul, mm, mv, outer
from minidl.ops.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    logsumexp,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from minidl.ops.shape import (
    broadcast_to,
    clone,
    flatten,
    flip,
    movedim,
    narrow,
    permute,
    reshape,
    roll,
    select,
    squeeze,
    t,
    tile,
    transpose,
    unflatten,
    unsqueeze,
)
from minidl.random import Generator, default_generator, initial_seed, manual_seed
from minidl.serialization import load, save
from minidl.tensor import Tensor, from_numpy
from minidl.tape import Op

__version__ = "0.1.0"

concat = concatenate = cat
swapaxes = transpose
clip, divide, multiply, subtract, negative, true_divide = clamp, div, mul, sub, neg, div

keep_freed_memory()
