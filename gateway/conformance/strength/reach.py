"""Which capabilities can come to which functions of a plugin's module, so that a changed one is tried with those only.

It errs on the side of more: a function is reached by whoever names it, or anything of the same name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from providers.sdk import CAPABILITIES, Provider

Owner = tuple[str, ...]  # ("Class", "method") or ("function",)


def reached(source: str, plugin: str) -> Mapping[Owner, frozenset[str]]:
    """Function to capabilities. What is missing here may be reached by any: the gateway itself calls it."""
    functions = dict(_functions(ast.parse(source)))
    named = {owner: _names(function) for owner, function in functions.items()}
    by_capability = {name: _closure((plugin, name), named) for name in CAPABILITIES if (plugin, name) in named}
    theirs = {owner for found in by_capability.values() for owner in found}
    entries = {owner for owner in named if owner not in theirs or _is_entry(owner)}
    called = {each for owner in entries for each in _closure(owner, named)}
    return {
        owner: frozenset(name for name, found in by_capability.items() if owner in found) for owner in theirs - called
    }


def _is_entry(owner: Owner) -> bool:
    """What the gateway calls beside the capabilities: `authorize`, `problem`, `reference`."""
    return hasattr(Provider, owner[-1]) and owner[-1] not in CAPABILITIES


def _functions(tree: ast.Module) -> Iterator[tuple[Owner, ast.FunctionDef]]:
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            yield (statement.name,), statement
        elif isinstance(statement, ast.ClassDef):
            methods = (each for each in statement.body if isinstance(each, ast.FunctionDef))
            yield from (((statement.name, each.name), each) for each in methods)


def _names(function: ast.FunctionDef) -> frozenset[str]:
    nodes = list(ast.walk(function))
    plain = {node.id for node in nodes if isinstance(node, ast.Name)}
    return frozenset(plain | {node.attr for node in nodes if isinstance(node, ast.Attribute)})


def _closure(start: Owner, named: Mapping[Owner, frozenset[str]]) -> set[Owner]:
    found, waiting = {start}, [start]
    while waiting:
        names = named[waiting.pop()]
        more = {owner for owner in named if owner[-1] in names} - found
        found |= more
        waiting += more
    return found
