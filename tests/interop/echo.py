"""A server of Python's that answers `echo` with the data it was sent; prints its address."""

import asyncio

from distributed.core import Server


async def echo(data):
    return data


async def main() -> None:
    async with Server({"echo": echo}) as server:
        await server.listen("tcp://127.0.0.1:0")
        print(f"at {server.address}", flush=True)
        await server.finished()


asyncio.run(main())
