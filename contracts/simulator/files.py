"""The two kinds of file that a provider hands out."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from csv import writer
from typing import Any

from contracts.simulator.wire import Answer


def csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Answer:
    text = io.StringIO()
    sheet = writer(text, lineterminator="\n")
    sheet.writerow(columns)
    sheet.writerows([row.get(column) for column in columns] for row in rows)
    headers = {"content-disposition": 'attachment; filename="payouts.csv"'}
    return Answer(200, text.getvalue().encode(), "text/csv", headers)


def pdf(lines: Sequence[str]) -> Answer:
    """One page, as small as a valid PDF can be."""
    shown = " T* ".join(f"({_escaped(line)}) Tj" for line in lines)
    stream = f"BT /F1 14 Tf 18 TL 50 780 Td {shown} ET".encode("latin-1", "replace")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    return Answer(200, _assembled(objects), "application/pdf")


def _assembled(objects: Sequence[bytes]) -> bytes:
    body = bytearray(b"%PDF-1.4\n")
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return (
        bytes(body)
        + b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, table)
        + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, len(body))
    )


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
