"""mutmut's operators, applied to every function of a plugin's module, one change at a time.

mutmut itself leaves decorated functions out, because it copies them; here only a function's code is exchanged, and the
capabilities, which are all decorated, are mutated too. What stands outside of functions is left to the table mutants.
"""

from __future__ import annotations
import __future__

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

import libcst
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import Mutation, MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

from gateway.conformance.strength.mutant import Applied, Family, Mutant, Plugin
from gateway.conformance.strength.reach import reached


def source_mutants(plugin: Plugin) -> Iterator[Mutant]:
    """In the order of the source. A name says the function, the lines before and the lines after."""
    module = sys.modules[plugin.__module__]
    source = inspect.getsource(module)
    tree, mutations = _mutations(source)
    owners, capabilities = _owners(tree), reached(source, plugin.__name__)
    seen: dict[str, int] = {}
    for mutation in mutations:
        original: Any = mutation.contained_by_top_level_function
        if original in owners:
            mutated = original.deep_replace(mutation.original_node, mutation.mutated_node)
            difference = _difference(tree.code_for_node(original), tree.code_for_node(mutated))
            owner = owners[original]
            name = f"{'.'.join(owner)}: {difference}"
            seen[name] = seen.get(name, 0) + 1
            numbered = name if seen[name] == 1 else f"{name} ({seen[name]})"
            yield Mutant(Family.SOURCE, numbered, _exchanged(module, owner, mutated), capabilities.get(owner))


class _Visitor(MutationVisitor):  # type: ignore[misc, unused-ignore]  # untyped where mutmut is not installed
    def _skip_node_and_children(self, node: libcst.CSTNode) -> bool:
        decorated = isinstance(node, libcst.FunctionDef) and bool(node.decorators)
        return not decorated and bool(super()._skip_node_and_children(node))


def _mutations(source: str) -> tuple[libcst.Module, list[Mutation]]:
    visitor = _Visitor(mutation_operators, IgnoredCode(set(), set(), set()))
    tree = MetadataWrapper(libcst.parse_module(source)).visit(visitor)
    return tree, visitor.mutations


def _owners(tree: libcst.Module) -> dict[Any, tuple[str, ...]]:
    """Each function at the top of the module or of one of its classes: ("Class", "method") or ("function",)."""
    found: dict[Any, tuple[str, ...]] = {}
    for statement in tree.body:
        if isinstance(statement, libcst.FunctionDef):
            found[statement] = (statement.name.value,)
        elif isinstance(statement, libcst.ClassDef):
            methods = (each for each in statement.body.body if isinstance(each, libcst.FunctionDef))
            found |= {method: (statement.name.value, method.name.value) for method in methods}
    return found


def _difference(before: str, after: str) -> str:
    """The lines that differ, each run of blanks as one: "before → after"."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return " → ".join(" ".join(" ".join(lines).split()) or "(nothing)" for lines in (old, new))


def _exchanged(module: Any, owner: tuple[str, ...], mutated: libcst.FunctionDef) -> Applied:
    @contextmanager
    def applied(plugin: Plugin) -> Iterator[Plugin]:
        function, forget = _function(module, owner)
        original = function.__code__
        function.__code__ = _code(owner, mutated)
        forget()
        try:
            yield plugin
        finally:
            function.__code__ = original
            forget()

    return applied


def _function(module: Any, owner: tuple[str, ...]) -> tuple[FunctionType, Callable[[], object]]:
    """The function beneath its decorators, and what empties its cache."""
    *classes, name = owner
    holder = vars(getattr(module, classes[0])) if classes else vars(module)
    outer = getattr(holder[name], "__func__", holder[name])
    function: Any = inspect.unwrap(outer)
    return function, getattr(outer, "cache_clear", lambda: None)


def _code(owner: tuple[str, ...], mutated: libcst.FunctionDef) -> CodeType:
    """The code of one function; a method's is compiled inside of a class, so that `super()` works."""
    bare = mutated.with_changes(decorators=(), leading_lines=())
    body: Any = bare
    if len(owner) == 2:
        body = libcst.ClassDef(libcst.Name(owner[0]), libcst.IndentedBlock([bare]))
    text = libcst.Module([body]).code
    name_of_file = f"<mutant of {'.'.join(owner)}>"
    code: CodeType = compile(text, name_of_file, "exec", __future__.annotations.compiler_flag, True)
    for name in owner:
        code = next(each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name)
    return code
