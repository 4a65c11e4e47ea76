"""What a client of Dask's may do on a scheduler: prints as JSON what became of each attempt."""

import json
import sys

from distributed import Client
from distributed.security import Security


def attempt(what):
    try:
        return what()
    except Exception as error:  # whatever it is, the test looks at it
        return f"{type(error).__name__}: {error}"


def main(address: str, ca: str, pair: str) -> None:
    security = Security(require_encryption=True, tls_ca_file=ca, tls_client_cert=pair, tls_client_key=pair)
    client = attempt(lambda: Client(address, security=security, timeout=5))
    if isinstance(client, str):
        print(json.dumps({"connect": client}))
        return
    info = client.scheduler_info()
    print(
        json.dumps(
            {
                "connect": "OK",
                "workers": len(info["workers"]),
                "refused": info["security"]["refused"],
                "days": [worker["metrics"]["certificate_days_left"] for worker in info["workers"].values()],
                "who_has": attempt(lambda: dict(client.who_has())),
                "retire": attempt(lambda: client.retire_workers(["nobody"])),
            },
            default=str,
        )
    )
    client.close()


main(*sys.argv[1:])
