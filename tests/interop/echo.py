"""A server of Python's that answers `echo` with the data it was sent; prints its address and the compression in use."""

import asyncio
import sys

import dask
from distributed.core import Server


async def echo(data):
    return data


async def compression(comm):
    return comm.handshake_options["compression"]


async def main(host: str, wanted: str | bool) -> None:
    dask.config.set({"distributed.comm.compression": wanted})
    async with Server({"echo": echo, "compression": compression}) as server:
        await server.listen(f"tcp://{host}:0")
        print(f"at {server.address}", flush=True)
        await server.finished()


asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else False))
