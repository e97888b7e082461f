"""A process that a test kills: it accepts operations and names each on standard output once it is acknowledged.

python writer.py URL FIRST_NUMBER
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count

from gateway.store.opening import open_store
from tests.store.records import operation, put


async def main(url: str, first: int) -> None:
    store = open_store(url)
    numbers = count(first)

    async def client() -> None:
        for number in numbers:
            wanted = operation(id=f"op_{number:032x}", key=f"key-{number}", reference=f"invoice-{number}")
            await put(store, wanted)
            os.write(1, f"{wanted.id}\n".encode())

    await asyncio.gather(*(client() for _ in range(16)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
