"""The same program as workloads.ts, for Python. Its client is asynchronous, which is Dask's quickest way."""

import asyncio
import itertools
import json
import sys
import time

from distributed import Client, wait
from distributed.security import Security


def inc(x):
    return x + 1


def add(x, y):
    return x + y


def make_bytes(nbytes, seed):
    return bytes([seed % 251]) * nbytes


def measure(a, b):
    return len(a) + len(b) + a[-1] + b[-1]


class Program:
    def __init__(self, client, sizes):
        self.client = client
        self.sizes = sizes
        self.counter = itertools.count()

    def distinct(self, count):
        """Arguments that no task had before."""
        return list(itertools.islice(self.counter, count))

    async def map_gather(self):
        for _ in range(self.sizes["rounds"]):
            inputs = self.distinct(self.sizes["tasks"])
            start = time.perf_counter()
            futures = self.client.map(inc, inputs)
            values = await self.client.gather(futures)
            yield time.perf_counter() - start
            assert values == [x + 1 for x in inputs]
            del futures

    async def tree(self):
        for _ in range(self.sizes["rounds"]):
            inputs = self.distinct(self.sizes["leaves"])
            start = time.perf_counter()
            kept = []
            level = self.client.map(inc, inputs)
            while len(level) > 1:
                kept.append(level)
                level = self.client.map(add, level[::2], level[1::2])
            total = await level[0]
            yield time.perf_counter() - start
            assert total == sum(inputs) + len(inputs)
            del kept, level

    async def latency(self):
        for x in self.distinct(self.sizes["submits"]):
            start = time.perf_counter()
            future = self.client.submit(inc, x)
            value = await future
            yield time.perf_counter() - start
            assert value == x + 1
            del future

    async def rpc(self):
        future = self.client.submit(inc, *self.distinct(1))
        await future
        for _ in range(self.sizes["calls"]):
            start = time.perf_counter()
            holders = await self.client.scheduler.who_has(keys=[future.key])
            yield time.perf_counter() - start
            assert len(holders[future.key]) == 1

    async def gather_bulk(self):
        nbytes = self.sizes["nbytes"]
        for seed in self.distinct(self.sizes["transfers"]):
            future = self.client.submit(make_bytes, nbytes, seed)
            await wait(future)
            start = time.perf_counter()
            value = await future
            yield time.perf_counter() - start
            assert len(value) == nbytes and value[-1] == seed % 251
            del future, value

    async def worker_to_worker(self):
        nbytes = self.sizes["nbytes"]
        for _ in range(self.sizes["transfers"]):
            one, two = self.distinct(2)
            left = self.client.submit(make_bytes, nbytes, one)
            right = self.client.submit(make_bytes, nbytes, two)
            await wait([left, right])
            holders = await self.client.scheduler.who_has(keys=[left.key, right.key])
            assert holders[left.key] != holders[right.key], "nothing is to be transferred"
            start = time.perf_counter()
            total = self.client.submit(measure, left, right)
            value = await total
            yield time.perf_counter() - start
            assert value == 2 * nbytes + one % 251 + two % 251
            del left, right, total


async def main():
    address, ca, cert, key, sizes = sys.argv[1:6]
    security = None
    if ca:
        security = Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True)
    async with Client(address, security=security, asynchronous=True) as client:
        await client.wait_for_workers(2)
        program = Program(client, json.loads(sizes))
        workloads = {
            "mapGather": program.map_gather,
            "tree": program.tree,
            "latency": program.latency,
            "rpc": program.rpc,
            "gatherBulk": program.gather_bulk,
            "workerToWorker": program.worker_to_worker,
        }
        results = {name: [seconds async for seconds in run()] for name, run in workloads.items()}
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main())
