"""A scheduler of Python's, on a port of its own choice; prints its address and stays."""

import asyncio
import sys

from distributed import Scheduler
from distributed.security import Security


async def main(folder: str | None) -> None:
    security = None
    if folder is not None:
        security = Security(
            require_encryption=True,
            tls_ca_file=f"{folder}/ca.pem",
            tls_scheduler_cert=f"{folder}/cert.pem",
            tls_scheduler_key=f"{folder}/key.pem",
        )
    protocol = "tcp" if folder is None else "tls"
    async with Scheduler(host="127.0.0.1", port=0, protocol=protocol, security=security, dashboard=False) as scheduler:
        print(f"at {scheduler.address}", flush=True)
        await scheduler.finished()


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
