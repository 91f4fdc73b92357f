"""The hints of functions and classes as they were written. From Python 3.14 they are evaluated only when
asked for: then a name that is not there is a reference to it, and does not fail all of them.
"""

import functools
import inspect
import sys
from typing import Any, Callable, Dict, cast

signature_of: Callable[[Callable[..., Any]], inspect.Signature]

if sys.version_info >= (3, 14):
    from annotationlib import Format, get_annotations

    signature_of = functools.partial(inspect.signature, annotation_format=Format.FORWARDREF)

    def annotations_of(kind: Any) -> Dict[str, Any]:
        """Those that stand in the class itself, and not in its bases."""
        return get_annotations(kind, format=Format.FORWARDREF)
else:
    signature_of = inspect.signature

    def annotations_of(kind: Any) -> Dict[str, Any]:
        """Those that stand in the class itself, and not in its bases."""
        return cast("Dict[str, Any]", vars(kind)).get("__annotations__", {})
