"""Where a list goes on, by the kinds of paging that a mapping may name."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from contracts.cases.case import Case
from contracts.reading import at, text, whole


def next_page(case: Case, following: Any, body: Any, count: int) -> str | None:
    """The cursor of the next page; None at the end. `count` items stand on this one. Raises Unreadable."""
    match following["kind"]:
        case "page number":
            page, last = whole(at(body, following["current_at"])), whole(at(body, following["last_at"]))
            return str(page + 1) if page < last else None
        case "offset token":
            limit = min(case.intent.arguments["query"].limit, following["max_size"])
            return text(at(body, following["read"])) or None if count >= limit else None
        case "link_header":
            return _linked(case.header(following["header"]), following)
        case _:
            return None


def _linked(header: str, following: Any) -> str | None:
    """The page that a Link header names (RFC 8288)."""
    for target, parameters in re.findall(r"<([^<>]*)>([^<,]*)", header):
        if re.search(rf';\s*rel="?{following["rel"]}"?\s*(?:;|$)', parameters):
            name = following["query"].removeprefix("query ")
            page = parse_qs(urlsplit(target).query).get(name, [""])[0]
            return page if re.fullmatch(r"[1-9][0-9]{0,8}", page) else None
    return None
