"""What the default server offers without torch: functions under torch's names, implemented with numpy.

It has only functions that mean the same as torch's: numpy's own, and a few written out where numpy
has none or differs. dtypes follow numpy where the two differ (``div`` of two int32 is float64).
Importing this module imports numpy.
"""

import importlib
from typing import Any, Callable, Dict, Sequence, cast

np: Any = importlib.import_module("numpy")

# A name that both use, or torch's name = numpy's name. dim, dims and keepdim become numpy's keywords.
_WITH_AXIS = (
    "abs absolute acos=arccos acosh=arccosh add all allclose amax amin angle any arange arccos arccosh"
    " arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere asin=arcsin asinh=arcsinh"
    " atan2=arctan2 atan=arctan atanh=arctanh atleast_1d atleast_2d atleast_3d bitwise_and bitwise_not"
    " bitwise_or bitwise_xor bmm=matmul broadcast_to cat=concatenate ceil column_stack concat=concatenate"
    " concatenate conj copysign corrcoef cos cosh count_nonzero cov cumprod cumsum deg2rad det=linalg.det"
    " diag diff div=true_divide divide=true_divide dot dstack einsum eq=equal equal=array_equal exp exp2"
    " expm1 fix=trunc flip fliplr flipud float_power floor floor_divide fmax fmin fmod gcd"
    " ge=greater_equal greater greater_equal gt=greater hstack hypot imag inner inverse=linalg.inv isclose"
    " isfinite isin isinf isnan isneginf isposinf kron lcm ldexp le=less_equal less less_equal log log10"
    " log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor lt=less matmul"
    " maximum mean minimum mm=matmul moveaxis movedim=moveaxis mul=multiply multiply mv=matmul nan_to_num"
    " nanmean nansum ne=not_equal neg=negative negative nextafter nonzero=argwhere not_equal numel=size"
    " outer pinverse=linalg.pinv positive pow=power prod quantile rad2deg ravel real remainder roll round"
    " sign signbit sin sinc sinh sqrt square squeeze stack sub=subtract subtract sum swapaxes"
    " swapdims=swapaxes tan tanh tile trace transpose=swapaxes tril triu true_divide trunc unique"
    " unsqueeze=expand_dims vander vdot vstack where fft.fft fft.fftfreq fft.hfft fft.ifft fft.ihfft"
    " fft.irfft fft.rfft fft.rfftfreq linalg.cholesky linalg.cond linalg.det linalg.eig linalg.eigh"
    " linalg.eigvals linalg.eigvalsh linalg.inv linalg.matmul=matmul linalg.matrix_power"
    " linalg.matrix_rank linalg.multi_dot linalg.norm linalg.pinv linalg.qr linalg.slogdet linalg.solve"
    " linalg.svd linalg.tensorinv linalg.tensorsolve"
)
_WITH_AXES = (
    "permute=transpose rot90 t=transpose tensordot fft.fft2 fft.fftn fft.fftshift fft.ifft2 fft.ifftn"
    " fft.ifftshift fft.irfft2 fft.irfftn fft.rfft2 fft.rfftn"
)

# Names without a size mean something else in numpy.
_DTYPE_NAMES = {
    "byte": "uint8",
    "char": "int8",
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "int": "int32",
    "long": "int64",
    "short": "int16",
}


def dtype(name: str) -> Any:
    """The numpy.dtype for torch's name of a dtype. Raises ``ValueError`` for any other word."""
    try:
        found = np.dtype(_DTYPE_NAMES.get(name, name))
    except TypeError:
        found = np.dtype(object)
    if found.kind not in "biufc":
        raise ValueError(f"numpy has no dtype '{name}'")
    return found


def _of_numpy(path: str, axis: str) -> Callable[..., Any]:
    """A function of numpy that takes torch's keywords."""
    function = np
    for part in path.split("."):
        function = getattr(function, part)
    renamed = {"dim": axis, "dims": axis, "keepdim": "keepdims"}

    def call(*args: Any, **kwargs: Any) -> Any:
        keywords = {renamed.get(key, key): _tuple(value) for key, value in kwargs.items()}
        return function(*map(_tuple, args), **keywords)

    return call


def _tuple(value: Any) -> Any:
    """Turn a list into a tuple, because numpy takes several axes or a shape only as a tuple."""
    return tuple(cast("Sequence[Any]", value)) if isinstance(value, list) else value


def _table(words: str, axis: str) -> Dict[str, Callable[..., Any]]:
    pairs = (word.partition("=") for word in words.split())
    return {name: _of_numpy(path or name, axis) for name, _, path in pairs}


# ------------------------------------------------------------------------------------------ activations


def _relu(a: Any) -> Any:
    return np.maximum(a, 0)


def _leaky_relu(a: Any, negative_slope: float = 0.01) -> Any:
    return np.where(a >= 0, a, a * negative_slope)


def _elu(a: Any, alpha: float = 1.0) -> Any:
    return np.where(a > 0, a, alpha * np.expm1(np.minimum(a, 0)))


def _sigmoid(a: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * a))  # unlike 1 / (1 + exp(-x)) it never overflows


def _silu(a: Any) -> Any:
    return a * _sigmoid(a)


def _softplus(a: Any) -> Any:
    return np.logaddexp(a, 0)


def _softmax(a: Any, dim: int) -> Any:
    return np.exp(_log_softmax(a, dim))


def _log_softmax(a: Any, dim: int) -> Any:
    return a - _logsumexp(a, dim, keepdim=True)


def _logsumexp(a: Any, dim: int, keepdim: bool = False) -> Any:
    shift = np.amax(a, axis=dim, keepdims=True)
    result = shift + np.log(np.sum(np.exp(a - shift), axis=dim, keepdims=True))
    return result if keepdim else np.squeeze(result, axis=dim)


# -------------------------------------------------------------- where numpy means something else, or less


def _max(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return _extreme(np.amax, np.argmax, np.maximum, a, dim, keepdim)


def _min(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return _extreme(np.amin, np.argmin, np.minimum, a, dim, keepdim)


def _extreme(amax: Any, argmax: Any, maximum: Any, a: Any, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        return amax(a)
    if isinstance(dim, np.ndarray):
        return maximum(a, dim)
    indices = argmax(a, axis=dim)
    return amax(a, axis=dim, keepdims=keepdim), np.expand_dims(indices, dim) if keepdim else indices


def _sort(a: Any, dim: int = -1, descending: bool = False) -> Any:
    indices = np.argsort(a, axis=dim, kind="stable")
    indices = np.flip(indices, axis=dim) if descending else indices
    return np.take_along_axis(a, indices, axis=dim), indices


def _var(a: Any, dim: Any = None, correction: int = 1, keepdim: bool = False) -> Any:
    return np.var(a, axis=_tuple(dim), ddof=correction, keepdims=keepdim)


def _std(a: Any, dim: Any = None, correction: int = 1, keepdim: bool = False) -> Any:
    return np.sqrt(_var(a, dim, correction, keepdim))


def _clamp(a: Any, min: Any = None, max: Any = None) -> Any:  # noqa: A002 - torch's names
    return np.clip(a, min, max)


def _rsqrt(a: Any) -> Any:
    return 1 / np.sqrt(a)


def _reciprocal(a: Any) -> Any:
    return 1 / a


def _reshape(a: Any, *shape: Any) -> Any:
    return np.reshape(a, _shape(shape))


def _flatten(a: Any) -> Any:
    return np.reshape(a, -1)


def _size(a: Any) -> Any:
    return a.shape


def _to(a: Any, dtype: Any) -> Any:
    return a.astype(dtype)


def _item(a: Any) -> Any:
    return a.item()


def _tolist(a: Any) -> Any:
    return a.tolist()


# ------------------------------------------------------------------------------------------ new tensors


def _zeros(*shape: Any, dtype: Any = "float32") -> Any:
    return np.zeros(_shape(shape), dtype)


def _ones(*shape: Any, dtype: Any = "float32") -> Any:
    return np.ones(_shape(shape), dtype)


def _full(shape: Sequence[int], fill_value: Any, dtype: Any = None) -> Any:
    return np.full(shape, fill_value, dtype or ("float32" if isinstance(fill_value, float) else None))


def _eye(*shape: int, dtype: Any = "float32") -> Any:
    return np.eye(*shape, dtype=dtype)


def _rand(*shape: Any) -> Any:
    return np.random.random(_shape(shape)).astype("float32")


def _randn(*shape: Any) -> Any:
    return np.random.standard_normal(_shape(shape)).astype("float32")


def _linspace(start: float, end: float, steps: int) -> Any:
    return np.linspace(start, end, steps, dtype="float32")


def _tensor(data: Any, dtype: Any = None) -> Any:
    array = np.array(data, dtype)
    return array.astype("float32") if dtype is None and array.dtype == "float64" else array


def _shape(sizes: Sequence[Any]) -> Sequence[int]:
    """The sizes, which may be given one by one or as a list."""
    is_list = len(sizes) == 1 and isinstance(sizes[0], (list, tuple))
    return cast("Sequence[int]", sizes[0] if is_list else sizes)


_WRITTEN_OUT: Dict[str, Callable[..., Any]] = {
    "clamp": _clamp,
    "clip": _clamp,
    "elu": _elu,
    "eye": _eye,
    "flatten": _flatten,
    "full": _full,
    "item": _item,
    "leaky_relu": _leaky_relu,
    "linspace": _linspace,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "max": _max,
    "min": _min,
    "ones": _ones,
    "rand": _rand,
    "randn": _randn,
    "reciprocal": _reciprocal,
    "relu": _relu,
    "reshape": _reshape,
    "rsqrt": _rsqrt,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "size": _size,
    "softmax": _softmax,
    "softplus": _softplus,
    "sort": _sort,
    "std": _std,
    "tensor": _tensor,
    "to": _to,
    "tolist": _tolist,
    "var": _var,
    "zeros": _zeros,
}
_ACTIVATIONS = ("elu", "leaky_relu", "log_softmax", "relu", "sigmoid", "silu", "softmax", "softplus")

FUNCTIONS: Dict[str, Callable[..., Any]] = {
    **_table(_WITH_AXIS, "axis"),
    **_table(_WITH_AXES, "axes"),
    **_WRITTEN_OUT,
    **{f"nn.functional.{name}": _WRITTEN_OUT[name] for name in _ACTIVATIONS},
}
