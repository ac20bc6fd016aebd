"""Whether the tests would notice a mistake in the verifier: makes small ones, one at a time, and runs the tests.

    python -m tests.accounts.mutants                          accounts/cognito.py
    python -m tests.accounts.mutants accounts/keyset.py       another one of MODULES
    python -m tests.accounts.mutants --list                   only tells the mistakes

A mutant is killed where a test fails, hangs or cannot start. Only tests of functions run, in one process that is forked
for each mutant, so that nothing is imported twice. Those in ``EQUIVALENT`` behave like the original, and say why.
Exits with 1 where fewer than ``LEAST`` of the others are killed.
"""

import argparse
import ast
import copy
import io
import os
import random
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import hypothesis
import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LEAST = 0.92
SECONDS = 60  # for the tests of one mutant, which take two where nothing is wrong
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
PRELOADED = (hypothesis, jwt, trustme)  # what a test imports, imported once for all mutants
KEYS: list[rsa.RSAPrivateKey] = []

# The changed line and what was changed in it: why no test can tell.
EQUIVALENT: dict[tuple[str, str], str] = {}


class Mutant(NamedTuple):
    """A module with one mistake."""

    line: int
    source: str
    change: str
    tree: ast.Module

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.change


# --- mistakes

_COMPARED = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot, ast.Eq),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Mod: ast.Mult, ast.FloorDiv: ast.Mult}


def mutants(source: str) -> Iterator[Mutant]:
    """Every mistake that is known here, in the order of the lines."""
    lines = source.splitlines()
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno") and not isinstance(node, ast.Import)]
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    exported = [
        node.lineno for node in nodes if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    for index, node in enumerate(nodes):
        for change, mutated in _changes(node, docstrings) if node.lineno not in exported else ():
            other = copy.deepcopy(tree)
            found = [one for one in ast.walk(other) if hasattr(one, "lineno") and not isinstance(one, ast.Import)]
            _replace(other, found[index], mutated)
            yield Mutant(node.lineno, lines[node.lineno - 1].strip(), change, ast.fix_missing_locations(other))


def _replace(tree: ast.Module, old: ast.AST, new: ast.AST) -> None:
    class Exchange(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return ast.copy_location(new, node) if node is old else super().generic_visit(node)

    Exchange().visit(tree)


def _changes(node: ast.AST, docstrings: set[int]) -> Iterator[tuple[str, ast.AST]]:
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
        case ast.Constant(value=value) if id(node) not in docstrings:
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
        case ast.Expr(value=value) if id(value) in docstrings and not isinstance(value, ast.Constant):
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


def survives(mutant: Mutant, module: str, tests: list[str]) -> bool:
    """Whether all tests pass with the mistake in place, in a fork of this process."""
    child = os.fork()
    if not child:
        os._exit(_tested(mutant, module, tests))
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _tested(mutant: Mutant, module: str, tests: list[str]) -> int:
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(io.StringIO()):
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            random.seed(1)
            rsa.generate_private_key = _ready_made(iter(KEYS))  # made before, once for all
            _install(mutant, module)
            hypothesis.settings.register_profile("mutants", max_examples=15, database=None, derandomize=True)
            hypothesis.settings.load_profile("mutants")
            plugins = [word for name in ("django", "randomly", "cacheprovider", "cov") for word in ("-p", f"no:{name}")]
            options = [
                "-x",
                "-q",
                "-k",
                "not threads and not heaviest",
                "--noconftest",
                "--import-mode=importlib",
                f"--rootdir={ROOT}",
                "-c",
                os.devnull,
            ]
            return int(pytest.main([*options, *plugins, "-p", "no:schemathesis", *tests]))
    except BaseException:  # noqa: BLE001 - the mistake may be one that nothing starts with
        return 1


def _ready_made(keys: Iterator[rsa.RSAPrivateKey]) -> Callable[..., rsa.RSAPrivateKey]:
    return lambda **_: next(keys)


def _install(mutant: Mutant, module: str) -> None:
    name = module.removesuffix(".py").replace("/", ".")
    package, _, last = name.rpartition(".")
    made = types.ModuleType(name)
    made.__file__ = str(ROOT / module)
    sys.modules[name] = made
    setattr(sys.modules.setdefault(package, __import__(package)), last, made)
    exec(compile(mutant.tree, made.__file__, "exec"), made.__dict__)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.accounts.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("module", nargs="?", choices=MODULES, default="accounts/cognito.py")
    parser.add_argument("--list", action="store_true", help="run nothing")
    options = parser.parse_args()
    source = (ROOT / options.module).read_text("utf-8")
    found = sorted(mutants(source), key=lambda mutant: mutant.line)
    if options.list:
        for mutant in found:
            tell(f"{mutant.line:4} {mutant.change:40} {mutant.source}")
        return 0
    tests = [str(HERE / name) for name in MODULES[options.module]]
    KEYS.extend(rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(8))
    unchanged = Mutant(0, "", "", ast.parse(source))
    if not survives(unchanged, options.module, tests):
        sys.exit("The tests fail as they are: mend that first.")
    began = time.monotonic()
    judged = [mutant for mutant in found if mutant.key not in EQUIVALENT]
    alive = 0
    for number, mutant in enumerate(judged, 1):
        if survives(mutant, options.module, tests):
            alive += 1
            tell(f"SURVIVES  {options.module}:{mutant.line}  {mutant.change}\n          {mutant.source}")
        if number % 50 == 0:
            tell(f"{number} of {len(judged)}, {time.monotonic() - began:.0f} s")
    killed = len(judged) - alive
    tell(
        f"{options.module}: {killed} of {len(judged)} killed ({killed / len(judged):.1%}), "
        f"{len(found) - len(judged)} more are equivalent; {time.monotonic() - began:.0f} s"
    )
    return int(killed < LEAST * len(judged))


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
