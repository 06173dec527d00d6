# %%
import json

import ray

import mlk_jupyter

ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=80_000_000)


@ray.remote
def square(number):
    return number * number


# %%
print("REPORT", json.dumps({"rank": mlk_jupyter.rank(), "squares": ray.get([square.remote(n) for n in range(4)])}))
ray.shutdown()
