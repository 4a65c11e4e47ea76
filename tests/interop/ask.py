"""Asks a scheduler for its identity, once through a comm and once through rpc, and prints both as JSON."""

import asyncio
import json
import sys

from distributed.core import connect, rpc
from distributed.security import Security


def security_of(folder: str | None) -> Security | None:
    if folder is None:
        return None
    return Security(
        require_encryption=True,
        tls_ca_file=f"{folder}/ca.pem",
        tls_client_cert=f"{folder}/cert.pem",
        tls_client_key=f"{folder}/key.pem",
    )


async def main(address: str, folder: str | None) -> None:
    security = security_of(folder)
    kwargs = {} if security is None else security.get_connection_args("client")
    comm = await connect(address, timeout=10, **kwargs)
    await comm.write({"op": "identity", "reply": True})
    by_comm = await comm.read()
    await comm.write({"op": "identity", "reply": True})
    again = await comm.read()
    await comm.close()
    async with rpc(address, connection_args=kwargs) as scheduler:
        by_rpc = await scheduler.identity()
    print(json.dumps({"comm": by_comm, "again": again, "rpc": by_rpc}, default=str))


asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
