# %%
import json
import os

from distributed import Client, Scheduler, Worker

import mlk_jupyter

rank, ranks = mlk_jupyter.rank(), mlk_jupyter.world_size()
host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])


def square(number):
    return number * number


# %%
if rank == 0:
    scheduler = await Scheduler(host=host, port=port, dashboard=False)
worker = await Worker(f"tcp://{host}:{port}", nthreads=1, name=f"rank {rank}", dashboard=False)

# %%
report = {"rank": rank}
if rank == 0:
    async with Client(scheduler.address, asynchronous=True) as client:
        await client.wait_for_workers(ranks)
        report["workers"] = sorted(info["name"] for info in client.scheduler_info()["workers"].values())
        report["squares"] = await client.gather(client.map(square, range(4)))
    await worker.close()
    await scheduler.close()
else:
    await worker.finished()
print("REPORT", json.dumps(report))
