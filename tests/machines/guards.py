"""Which way every decision went: the synchronous functions of a module run with their tests wrapped."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any

Seen = dict[str, set[bool]]
"""decision, as `Class.function: expression` -> the ways it went"""

WITNESS = "__witness__"


class _Wrap(ast.NodeTransformer):
    """Wraps the test of each `if`, `while` and conditional expression, and each operand of `and` and `or`."""

    def __init__(self, decisions: set[str]) -> None:
        self._path: list[str] = []
        self._decisions = decisions

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node  # tasks do not run in the world

    def visit_If(self, node: ast.If) -> ast.AST:
        return self._test(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._test(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return self._test(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        names = [ast.unparse(value) for value in node.values]
        self.generic_visit(node)
        node.values = [self._wrapped(name, value) for name, value in zip(names, node.values, strict=True)]
        return node

    def _inside(self, node: ast.ClassDef | ast.FunctionDef) -> ast.AST:
        self._path.append(node.name)
        self.generic_visit(node)
        self._path.pop()
        return node

    def _test(self, node: Any) -> ast.AST:
        name = ast.unparse(node.test)
        simple = not isinstance(node.test, ast.BoolOp)
        self.generic_visit(node)
        if simple:
            node.test = self._wrapped(name, node.test)
        return node  # type: ignore[no-any-return]

    def _wrapped(self, name: str, value: ast.expr) -> ast.expr:
        key = f"{'.'.join(self._path)}: {name}"
        self._decisions.add(key)
        call = ast.Call(ast.Name(WITNESS, ast.Load()), [ast.Constant(key), value], [])
        return ast.fix_missing_locations(ast.copy_location(call, value))


@contextmanager
def witnessed(*modules: ModuleType) -> Iterator[Seen]:
    """Every decision of these modules with the ways it goes meanwhile."""
    decisions: set[str] = set()
    seen: Seen = {}

    def note(key: str, value: object) -> object:
        seen[key].add(bool(value))
        return value

    originals: list[tuple[FunctionType, CodeType]] = []
    for module in modules:
        tree = _Wrap(decisions).visit(ast.parse(inspect.getsource(module)))
        codes = dict(_codes(compile(tree, str(module.__file__), "exec", dont_inherit=True, flags=_FLAGS)))
        vars(module)[WITNESS] = note
        for function in _functions(module):
            originals.append((function, function.__code__))
            function.__code__ = codes[function.__qualname__]
    seen.update((key, set()) for key in decisions)
    try:
        yield seen
    finally:
        for function, code in originals:
            function.__code__ = code
        for module in modules:
            del vars(module)[WITNESS]


_FLAGS = 0x1000000  # annotations stay text, as the modules have it


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _codes(constant)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """The synchronous functions and properties that are defined in a module."""
    owners = [module, *(c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__)]
    for owner in owners:
        for value in list(vars(owner).values()):
            function = value.fget if isinstance(value, property) else value
            own = inspect.isfunction(function) and function.__code__.co_filename == module.__file__
            if own and not inspect.iscoroutinefunction(function):
                yield function
