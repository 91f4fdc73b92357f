"""The torch functions that the default server offers, by name. Importing this module imports torch.

What a function is decides whether it may be called, not only where it is found: it must be in one of a few
namespaces, and be an operation on tensors, that is

- a built-in of torch's generated operator tables, or
- a Python function that torch.functional, torch.nn.functional or torch._lowrank defines.

So nothing that loads, saves, compiles, runs code or changes global state (``torch.load``, ``torch.hub``,
``torch.compile``, ``torch.ops``, ``torch.set_num_threads``), and no module, class or imported helper, gets
into the table; a name is only ever looked up there.
"""

import importlib
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Callable, Dict

torch: Any = importlib.import_module("torch")

_bindings: Any = importlib.import_module("torch._C")
_OPERATOR_TABLES = [
    getattr(_bindings, name) for name in ("_VariableFunctions", "_nn", "_linalg", "_fft", "_special")
]
_DEFINING_MODULES = ("torch.functional", "torch.nn.functional", "torch._lowrank")

# Useful operations that exist only as methods of a tensor.
_METHODS = ("contiguous", "dim", "expand", "item", "repeat", "size", "to", "tolist", "type_as", "view")

# Operations by the rule above that are not offered all the same: a name or the beginning of one, and why.
DENIED = {
    "_": "private to torch",
    "from_file": "maps any file of the machine, also for writing",
    "cudnn_": "entry point of one backend; arguments are not checked",
    "fbgemm_": "entry point of one backend; arguments are not checked",
    "miopen_": "entry point of one backend; arguments are not checked",
    "mkldnn_": "entry point of one backend; arguments are not checked",
    "quantized_": "needs quantized tensors, which cannot be sent",
    "sym_": "for the compiler's symbolic shapes",
}


def is_operation(function: object) -> bool:
    """Whether this object is an operation on tensors, by the rule above."""
    if isinstance(function, FunctionType):
        return function.__module__ in _DEFINING_MODULES
    if isinstance(function, BuiltinFunctionType):
        return any(getattr(table, function.__name__, None) is function for table in _OPERATOR_TABLES)
    return False


def _operations(namespace: ModuleType, prefix: str = "") -> Dict[str, Callable[..., Any]]:
    contents: Dict[str, Any] = vars(namespace)
    return {
        prefix + name: value
        for name, value in contents.items()
        if is_operation(value) and not name.startswith(tuple(DENIED))
    }


# A plain name means torch's function, else nn.functional's, else a method.
FUNCTIONS: Dict[str, Callable[..., Any]] = {
    **{name: getattr(torch.Tensor, name) for name in _METHODS},
    **_operations(torch.nn.functional),
    **_operations(torch),
    **_operations(torch.nn.functional, "nn.functional."),
    **_operations(torch.linalg, "linalg."),
    **_operations(torch.fft, "fft."),
    **_operations(torch.special, "special."),
}


def dtype(name: str) -> Any:
    """The torch.dtype of this name. Raises ``ValueError`` for any other word."""
    found = torch.__dict__.get(name)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"torch has no dtype '{name}'")  # noqa: TRY004 - the word is wrong, not its type
    return found
