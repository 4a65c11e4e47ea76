"""Python's ends of the matrix's links: distributed's own roles. Takes orders as agent.ts does.

A worker, and a client of workers, has a scheduler on inproc://, so that the odd certificates are used on the one link
only; they dial by their own pools of connections, as for heartbeats and results.
"""

import asyncio
import json
import logging
import ssl
import sys

import dask
from distributed import Client, Scheduler, Worker
from distributed.comm.core import CommClosedError
from distributed.security import Security
from distributed.worker import get_data_from_worker

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
LOCAL = {"host": "127.0.0.1", "protocol": "tls"}
LENGTH = 2000
servers = {}
closers = {}
background = set()


def tell(**happening):
    print(json.dumps(happening), flush=True)


class Refusals(logging.Handler):
    """Passes on what a listener logs about a handshake that failed."""

    def emit(self, record):
        message = record.getMessage()
        if "TLS handshake failed" not in message:
            return
        for order, server in list(servers.items()):
            if f"'{server.address}'" in message:
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


def version_of(comms):
    versions = [comm.stream.socket.version() for comm in comms if comm.peer_address.startswith("tls:")]
    return versions[0] if versions else None


def size_of(value):
    """Characters, or bytes where a scheduler leaves a value as it came."""
    return len(value) if isinstance(value, str) else sum(map(len, value.frames))


async def around():
    """A scheduler for a worker or a client that the case is about."""
    return await Scheduler(protocol="inproc", dashboard=False)


async def start_worker(order, scheduler):
    return await Worker(
        scheduler.address, **LOCAL, nthreads=1, security=security_of(order), dashboard=False, nanny=None
    )


async def start_inside(order):
    """A role whose cluster the case is not about."""
    number = order["id"]
    if order["role"] == "scheduler":
        role = await Scheduler(protocol="inproc", security=security_of(order), dashboard=False)
        closers[number] = [role]
        return role
    scheduler = await around()
    closers[number] = [scheduler]
    if order["role"] == "client":
        role = await Client(scheduler.address, security=security_of(order), asynchronous=True)
    else:
        role = await start_worker(order, scheduler)
    closers[number].insert(0, role)
    return role


async def serve(order):
    number = order["id"]
    if order["role"] == "scheduler":
        server = await Scheduler(**LOCAL, port=0, security=security_of(order), dashboard=False)
        closers[number] = [server]
    else:
        scheduler = await around()
        server = await start_worker(order, scheduler)
        server.update_data({order["value"]: "v" * LENGTH})
        closers[number] = [server, scheduler]
    servers[number] = server
    listener = server.listeners[0]
    greet = listener.on_connection

    async def on_connection(comm, *args):
        try:
            await greet(comm, *args)
        except CommClosedError as error:
            tell(id=number, refused=repr(error))
            raise

    listener.on_connection = on_connection
    tell(id=number, listening=int(server.address.rpartition(":")[2]))


async def dial(order):
    number, value, address = order["id"], order["value"], f"tls://127.0.0.1:{order['port']}"
    try:
        if order["role"] == "client" and order["whom"] == "scheduler":
            client = await Client(address, security=security_of(order), asynchronous=True)
            closers[number] = [client]
            comms = [client.scheduler_comm.comm]
        else:
            role = await start_inside(order)
            if order["whom"] == "worker":
                answer = await get_data_from_worker(role.rpc, [value], address, who=None)
                assert size_of(answer["data"][value]) >= LENGTH, answer
            else:
                answer = await role.rpc(address).identity()
                assert answer["type"] == "Scheduler", answer
            comms = role.rpc.available[address] | set(role.rpc.occupied[address])
        tell(id=number, linked=version_of(comms))
    except (OSError, CommClosedError) as error:
        causes = []
        while error is not None:
            causes.append(repr(error))
            error = error.__cause__ or error.__context__
        tell(id=number, refused=" <- ".join(causes))


async def obey(order):
    action, number = order["action"], order["id"]
    try:
        if action == "listen":
            await serve(order)
        elif action == "dial":
            await dial(order)
        elif action == "look":
            tell(id=number, found=version_of(servers[number]._comms) or "none")
        else:
            servers.pop(number, None)
            for role in closers.pop(number, ()):
                await role.close()
    except Exception as error:
        tell(id=number, start=repr(error))


async def main():
    dask.config.set({"distributed.comm.timeouts.connect": "10s"})
    logging.getLogger("distributed").setLevel(logging.ERROR)
    logging.getLogger("distributed.comm").addHandler(Refusals())
    logging.getLogger("distributed.comm").setLevel(logging.DEBUG)
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        task = asyncio.create_task(obey(json.loads(line)))
        background.add(task)
        task.add_done_callback(background.discard)


asyncio.run(main())
