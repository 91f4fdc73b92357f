"""The hints of functions and classes as they were written. From Python 3.14 they are evaluated only when
asked for: then a name that is not there is a reference to it, and does not fail all of them.
"""

import functools
import inspect
import operator
import sys
from typing import Any, Callable, Dict

signature_of: Callable[[Callable[..., Any]], inspect.Signature]
annotations_of: Callable[[Any], Dict[str, Any]]

if sys.version_info >= (3, 14):
    from annotationlib import Format, get_annotations

    signature_of = functools.partial(inspect.signature, annotation_format=Format.FORWARDREF)
    annotations_of = functools.partial(get_annotations, format=Format.FORWARDREF)
else:
    signature_of = inspect.signature
    annotations_of = operator.attrgetter("__annotations__")
