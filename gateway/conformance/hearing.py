"""What is logged while cases run: a secret in a log record is a leak, too."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def heard(logged: list[str]) -> Iterator[None]:
    """Collects every log record, of any level; httpx is as quiet as in production, where its lines would hold URLs."""
    root, handler, level = logging.getLogger(), _Hearing(logged), logging.getLogger().level
    logging.getLogger("httpx").setLevel(logging.WARNING)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


class _Hearing(logging.Handler):
    def __init__(self, logged: list[str]) -> None:
        super().__init__()
        self._logged = logged

    def emit(self, record: logging.LogRecord) -> None:
        self._logged.append(record.getMessage())
