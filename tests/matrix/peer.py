"""Python's end of the matrix's links: distributed's own comms and Security. Takes orders as agent.ts does."""

import asyncio
import json
import logging
import ssl
import sys

from distributed.comm import connect, listen
from distributed.comm.core import CommClosedError
from distributed.security import Security

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
listeners = {}


def tell(**happening):
    print(json.dumps(happening), flush=True)


class Refusals(logging.Handler):
    """Passes on what a listener logs about a handshake that failed."""

    def emit(self, record):
        message = record.getMessage()
        if "TLS handshake failed" not in message:
            return
        for address, (_, order) in list(listeners.items()):
            if address in message:
                tell(id=order, refused=message)


def security_of(order):
    role = order["role"]
    pair = {f"tls_{role}_cert": order.get("cert"), f"tls_{role}_key": order.get("key")}
    return Security(
        require_encryption=True,
        tls_ca_file=order["ca"],
        tls_min_version=VERSIONS[order["version"]],
        tls_max_version=VERSIONS[order["version"]],
        **{name: value for name, value in pair.items() if value is not None},
    )


async def serve(order):
    number = order["id"]

    async def on_comm(comm):
        try:
            await comm.read()
            tell(id=number, linked="python")
            await comm.write("pong")
            await comm.close()
        except (OSError, CommClosedError) as error:
            tell(id=number, refused=repr(error))

    args = security_of(order).get_listen_args(order["role"])
    listener = await listen("tls://127.0.0.1:0", on_comm, **args)
    greet = listener.on_connection

    async def on_connection(comm, *args):
        try:
            await greet(comm, *args)
        except CommClosedError as error:
            tell(id=number, refused=repr(error))
            raise

    listener.on_connection = on_connection
    address = listener.listen_address
    listeners[address] = (listener, number)
    tell(id=number, listening=int(address.rpartition(":")[2]))


async def dial(order):
    args = security_of(order).get_connection_args(order["role"])
    try:
        comm = await connect(f"tls://127.0.0.1:{order['port']}", timeout=1.5, **args)
        await comm.write("ping")
        await comm.read()
        await comm.close()
        tell(id=order["id"], linked="python")
    except (OSError, CommClosedError) as error:
        causes = []
        while error is not None:
            causes.append(repr(error))
            error = error.__cause__ or error.__context__
        tell(id=order["id"], refused=" <- ".join(causes))


async def obey(order):
    action = order["action"]
    try:
        if action == "listen":
            await serve(order)
        elif action == "dial":
            await dial(order)
        else:
            for address, (listener, number) in list(listeners.items()):
                if number == order["id"]:
                    del listeners[address]
                    listener.stop()
    except Exception as error:
        tell(id=order["id"], start=repr(error))


async def main():
    logging.getLogger("distributed.comm").addHandler(Refusals())
    logging.getLogger("distributed.comm").setLevel(logging.DEBUG)
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        asyncio.create_task(obey(json.loads(line)))


asyncio.run(main())
