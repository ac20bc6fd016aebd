"""Whether the tests would notice a mistake in the verifier: makes small ones, one at a time, and runs the tests.

    python -m tests.accounts.mutants                          accounts/cognito.py
    python -m tests.accounts.mutants accounts/keyset.py       another one of MODULES
    python -m tests.accounts.mutants --list                   only tells the mistakes

A mutant is killed where a test fails, hangs or cannot start. Only tests of functions run, in one process that is forked
for each mutant, so that nothing is imported or collected twice. Those in ``EQUIVALENT`` behave like the original; each
says why. Exits with 1 where fewer than ``LEAST`` of the others are killed.
"""

import argparse
import ast
import contextlib
import copy
import functools
import gc
import importlib
import io
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LEAST = 0.92
SECONDS = 60  # for the tests of one mutant, which take one where nothing is wrong
MODULES = {
    "accounts/cognito.py": (
        "test_cognito.py",
        "test_cognito_forgeries.py",
        "test_authorization_header.py",
        "test_remembered.py",
    ),
    "accounts/remembered.py": ("test_remembered.py",),
    "accounts/keyset.py": ("test_keyset.py", "test_keyset_fetch.py", "test_remembered.py"),
}
# The changed line and what was changed in it: why no test can tell.
EQUIVALENT = {
    ('not_before = max(identity.issued_at, claims.get("nbf", 0))', "0 → 1"): "Tokens were issued after 1970.",
    ("return False", "return None"): "Its callers ask whether it is true.",
    (
        'domain = "amazonaws.eu" if match[1].startswith("eusc-") else "amazonaws.com"',
        "1 → 0",
    ): "The whole match begins with the region, too.",
    ('credentials = (header or "").strip(" \\t")', "'' → 'X'"): "Neither is a token: no dots.",
    (
        'decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))',
        "without the sign",
    ): "Python's decoder takes more padding than is needed.",
    ('raise ValueError(f"{name} is not JSON")', "' is not JSON' → 'X is not JSON'"): "Nobody reads it.",
    ('raise ValueError(f"{name} is not JSON")', "' is not JSON' → ''"): "Nobody reads it.",
    (
        'address = "".join(c for c in value if c.isprintable()).strip() if isinstance(value, str) else ""',
        "'' → 'X'",
    ): "The last one: there is no @ in either.",
    ('Content = TypeVar("Content")', "'Content' → 'XContent'"): "A name for readers.",
    ('Content = TypeVar("Content")', "'Content' → ''"): "A name for readers.",
    (
        "return self._verified.get(_name(token)) if len(token) <= LONGEST_TOKEN else None",
        "always the first",
    ): "No longer token is ever kept; this saves its hash.",
}


class Mutant(NamedTuple):
    """One mistake, at the node with this number in ``ast.walk``."""

    text: str
    node: int
    line: int
    change: str
    instead: ast.AST

    @property
    def source(self) -> str:
        return self.text.splitlines()[self.line - 1].strip()

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.change

    def tree(self) -> ast.Module:
        """The whole module with it."""
        tree = ast.parse(self.text)
        if self.node < 0:  # none
            return tree
        old, new = list(ast.walk(tree))[self.node], self.instead

        class Exchange(ast.NodeTransformer):
            def visit(self, node: ast.AST) -> ast.AST:
                return ast.copy_location(new, node) if node is old else super().generic_visit(node)

        Exchange().visit(tree)
        return ast.fix_missing_locations(tree)


# --- mistakes

_COMPARED = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Mod: ast.Mult, ast.FloorDiv: ast.Mult}


def mutants(text: str) -> Iterator[Mutant]:
    """Every mistake that is known here. ``__all__`` is for readers: nothing is imported by it."""
    tree = ast.parse(text)
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    exported = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for part in ast.walk(node)
    }
    for number, node in enumerate(ast.walk(tree)):
        if id(node) not in exported:
            for change, instead in _changes(node, statements):
                yield Mutant(text, number, getattr(node, "lineno", 0), change, instead)


def _changes(node: ast.AST, statements: set[int]) -> Iterator[tuple[str, ast.AST]]:
    """What can go wrong at this place: a word for it, and what stands there then."""
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                for other in _COMPARED[type(op)]:
                    changed = copy.deepcopy(node)
                    changed.ops[place] = other()
                    yield f"{type(op).__name__} → {other.__name__}", changed
        case ast.BoolOp(op=op, values=values):
            turned: ast.boolop = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "and ↔ or", ast.BoolOp(turned, copy.deepcopy(values))
            for place in range(len(values)):
                left = [copy.deepcopy(value) for number, value in enumerate(values) if number != place]
                yield f"without part {place + 1}", ast.BoolOp(op, left) if len(left) > 1 else left[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield "without the sign", copy.deepcopy(operand)
        case ast.BinOp(left=first, op=operator, right=second) if type(operator) in _COMPUTED:
            instead = _COMPUTED[type(operator)]()
            change = f"{type(operator).__name__} → {type(instead).__name__}"
            yield change, ast.BinOp(copy.deepcopy(first), instead, copy.deepcopy(second))
        case ast.Constant(value=value) if id(node) not in statements:
            for instead_of_it in _constants(value):
                yield f"{value!r} → {instead_of_it!r}"[:80], ast.Constant(instead_of_it)
        case ast.IfExp(body=body, orelse=orelse):
            yield "always the first", copy.deepcopy(body)
            yield "always the second", copy.deepcopy(orelse)
        case ast.If():
            for always in (True, False):
                yield f"if {always}", ast.If(ast.Constant(always), copy.deepcopy(node.body), copy.deepcopy(node.orelse))
        case ast.Return(value=value) if value is not None:
            yield "return None", ast.Return(ast.Constant(None))
        case ast.Raise():
            yield "raises nothing", ast.Pass()
        case ast.Expr(value=value) if id(value) in statements and not isinstance(value, ast.Constant):
            yield "without the statement", ast.Pass()
        case ast.AugAssign() | ast.Delete():
            yield "without the statement", ast.Pass()


def _constants(value: object) -> Iterator[str | bytes | bool | int | float]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
        if value:
            yield value - 1
    elif isinstance(value, str):
        yield from (f"X{value}", "") if value else ("X",)
    elif isinstance(value, bytes):
        yield from (b"X" + value, b"") if value else (b"X",)


# --- runs


class Run:
    """A pytest plugin: runs the tests once as they are, and then in a fork for each mutant."""

    def __init__(self, module: str, judged: list[Mutant]) -> None:
        self.judged, self.alive, self.equivalent = judged, 0, 0
        self.trouble = "No test was run."
        self._module = importlib.import_module(module.removesuffix(".py").replace("/", "."))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not _all_pass(session):
            self.trouble = "The tests fail as they are: mend that first."
            return True
        gc.freeze()  # else the collector of each fork copies what it looks at
        unchanged = self.judged[0]._replace(node=-1)
        if not self._survives(unchanged, session):
            sys.exit(
                "The tests pass as they are, but not in a fork, so that they would kill everything: mend that first."
            )
        began = time.monotonic()
        for number, mutant in enumerate(self.judged, 1):
            if not self._survives(mutant, session):
                pass
            elif mutant.key in EQUIVALENT:
                self.equivalent += 1
            else:
                self.alive += 1
                tell(f"SURVIVES  line {mutant.line}  {mutant.change}\n          {mutant.source}")
            if number % 100 == 0:
                tell(f"{number} of {len(self.judged)}, {time.monotonic() - began:.0f} s")
        return True

    def _survives(self, mutant: Mutant, session: pytest.Session) -> bool:
        child = os.fork()
        if not child:
            signal.alarm(SECONDS)  # a test that hangs is one that fails
            try:
                transplant(mutant, self._module)
                os._exit(not _all_pass(session))
            except BaseException:  # noqa: BLE001 - the mistake may be one that nothing starts with
                os._exit(1)
        return os.waitpid(child, 0)[1] == 0


def _all_pass(session: pytest.Session) -> bool:
    for place, item in enumerate(session.items):
        following = session.items[place + 1] if place + 1 < len(session.items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return False
    return True


def transplant(mutant: Mutant, module: types.ModuleType) -> None:
    """Put the mistake into the functions that the tests have imported already."""
    made = types.ModuleType(module.__name__)
    made.__file__ = module.__file__
    exec(compile(mutant.tree(), str(module.__file__), "exec"), made.__dict__)
    _transplant(vars(made), vars(module), module.__name__, lambda name, value: setattr(module, name, value))


def _transplant(new: Any, old: Any, home: str, put: Callable[[str, Any], None]) -> None:
    for name, value in list(new.items()):
        if name.startswith("__") and not isinstance(value, types.FunctionType):
            continue
        known = old.get(name)
        if isinstance(value, types.FunctionType) and value.__module__ == home and isinstance(known, types.FunctionType):
            known.__code__, known.__defaults__, known.__kwdefaults__ = (
                value.__code__,
                value.__defaults__,
                value.__kwdefaults__,
            )
        elif isinstance(value, type) and value.__module__ == home and isinstance(known, type):
            _transplant(vars(value), vars(known), home, functools.partial(setattr, known))
        elif not isinstance(value, type | types.ModuleType | types.FunctionType) and not callable(value):
            put(name, value)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.accounts.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("module", nargs="?", choices=MODULES, default="accounts/cognito.py")
    parser.add_argument("--list", action="store_true", help="run nothing")
    options = parser.parse_args()
    found = sorted(mutants((ROOT / options.module).read_text("utf-8")), key=lambda mutant: mutant.line)
    if options.list:
        for mutant in found:
            tell(f"{mutant.line:4} {mutant.change:40} {mutant.source}")
        return 0
    began = time.monotonic()
    run = Run(options.module, found)
    hypothesis.settings.register_profile("mutants", max_examples=15, database=None, derandomize=True)
    hypothesis.settings.load_profile("mutants")
    plugins = [
        word for name in ("django", "randomly", "cacheprovider", "schemathesis") for word in ("-p", f"no:{name}")
    ]
    words = ["-q", "-q", "--noconftest", "--import-mode=importlib", f"--rootdir={ROOT}", "-c", os.devnull, *plugins]
    words += ["-k", "not threads and not heaviest", "--tb=no", "--show-capture=no", "-r", "N", "--no-summary"]
    tests = [str(HERE / name) for name in MODULES[options.module]]
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*words, *tests], plugins=[run])
    if run.trouble:
        sys.exit(run.trouble)
    judged = len(found) - run.equivalent
    tell(
        f"{options.module}: {judged - run.alive} of {judged} killed ({1 - run.alive / judged:.1%}), "
        f"{run.equivalent} more are equivalent; {time.monotonic() - began:.0f} s"
    )
    return int(judged - run.alive < LEAST * judged)


def tell(line: str) -> None:
    sys.__stdout__.write(f"{line}\n")
    sys.__stdout__.flush()


if __name__ == "__main__":
    sys.exit(main())
