"""Asks our schedulers who they are, then answers as schedulers of its own, with the certificates of a folder."""

import asyncio
import json
import pathlib
import ssl
import sys

from distributed import Scheduler
from distributed.core import connect
from distributed.security import Security

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def security_of(folder, name, role, **more):
    pair = {f"tls_{role}_cert": f"{folder}/{name}-{role}.pem", f"tls_{role}_key": f"{folder}/{name}-{role}.key"}
    return Security(require_encryption=True, tls_ca_file=f"{folder}/{name}-ca.pem", **pair, **more)


async def ask(folder, case):
    version = VERSIONS[case["version"]]
    security = security_of(folder, case["id"], "client", tls_min_version=version, tls_max_version=version)
    try:
        comm = await connect(case["address"], timeout=10, **security.get_connection_args("client"))
        await comm.write({"op": "identity", "reply": True})
        answer = (await comm.read())["type"]
        await comm.close()
        return answer
    except Exception as error:  # whatever it is, the test shows it
        return f"{type(error).__name__}: {error} <- {error.__cause__}"


async def main(folder):
    cases = json.loads(pathlib.Path(folder, "cases.json").read_text())
    answers = {f"{case['id']} {case['version']}": await ask(folder, case) for case in cases}
    print("asked", json.dumps(answers), flush=True)
    schedulers = {}
    for name in dict.fromkeys(case["id"] for case in cases):
        security = security_of(folder, name, "scheduler")
        schedulers[name] = await Scheduler(
            host="127.0.0.1", port=0, protocol="tls", security=security, dashboard=False
        )
    print("listening", json.dumps({name: scheduler.address for name, scheduler in schedulers.items()}), flush=True)
    await asyncio.gather(*(scheduler.finished() for scheduler in schedulers.values()))


asyncio.run(main(sys.argv[1]))
