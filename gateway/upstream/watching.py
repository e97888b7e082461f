"""Compares what providers answer with what they document, and counts the departures. It changes no outcome."""

from __future__ import annotations

import logging
from collections.abc import Callable

from contracts.departures import Checker
from contracts.document import Document
from gateway import metrics
from providers.sdk import Reply

# Is told the contract's operationId and what came back.
Watch = Callable[[str, Reply], None]

_logger = logging.getLogger(__name__)


def counting(provider: str, document: Document | None) -> Watch:
    """Without a document nothing can be compared, and nothing is counted."""
    if document is None:
        return unwatched
    checker = Checker(document)

    def count(operation: str, reply: Reply) -> None:
        for departure in checker.departures(operation, reply):
            metrics.contract_violation.labels(provider, operation, departure.pointer, departure.keyword).inc()

    return count


def unwatched(operation: str, reply: Reply) -> None:
    """Looks at nothing."""


def watched(watch: Watch, operation: str, reply: Reply) -> None:
    """A watch that fails must not cost us an answer about money. Its message may hold values: only its type is told."""
    try:
        watch(operation, reply)
    except Exception as error:
        _logger.error("a reply to %s could not be compared with its contract: %s", operation, type(error).__name__)
