"""How a process of Lambda gets ready fast: what no call of the API uses is not loaded, and nothing is tidied up.

Libraries import much at their top that they need for something else. Those of ``LATE`` are loaded by Python's own
``LazyLoader``: whoever imports one gets it at once, and it is read and run as soon as something of it is asked for
(https://docs.python.org/3/library/importlib.html#importlib.util.LazyLoader). So everything works as ever, only later.
``from module import name`` asks for something; only what is imported as a whole is worth a line here.
"""

import gc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

LATE = frozenset(
    {
        "cryptography.x509",  # PyJWT: keys in certificates
        "uritemplate",  # REST framework: schemas, as the next one
        "yaml",
    }
)


def begin() -> None:
    """Before anything else is imported. Garbage is not looked for: what is loaded stays, and is looked at in vain."""
    gc.disable()
    sys.meta_path.insert(0, _LATE_FINDER)


def end() -> None:
    """When everything is loaded, which is then never looked at for garbage again."""
    sys.meta_path.remove(_LATE_FINDER)
    gc.freeze()
    gc.enable()


class _LateFinder:
    """Asked for every module before Python's own finders."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Where the module is, with a loader that waits; None for those that are not ``LATE``."""
        if name not in LATE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


_LATE_FINDER = _LateFinder()
