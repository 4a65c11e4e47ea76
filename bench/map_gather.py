"""The same program as map_gather.ts, for Python: prints the seconds of each round as JSON."""

import json
import sys
import time

from distributed import Client
from distributed.security import Security


def inc(x):
    return x + 1


def main():
    address, ca, cert, key, tasks, rounds = sys.argv[1:7]
    count = int(tasks)
    security = None
    if ca:
        security = Security(
            tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True
        )
    seconds = []
    with Client(address, security=security) as client:
        client.wait_for_workers(2)
        for round in range(int(rounds)):
            inputs = range(round * count, (round + 1) * count)
            start = time.perf_counter()
            futures = client.map(inc, inputs)
            values = client.gather(futures)
            seconds.append(time.perf_counter() - start)
            assert values == [x + 1 for x in inputs]
            del futures
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
