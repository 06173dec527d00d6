# %%
import json

import ray

import mlk_jupyter


def start():
    """Starts a node on this machine. Ray gives it 30 s to do so, which a busy machine may not keep."""
    for tries_left in reversed(range(4)):
        try:
            ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=80_000_000)
            return
        except Exception as error:
            ray.shutdown()
            if not tries_left or "timed out during startup" not in str(error):
                raise


@ray.remote
def square(number):
    return number * number


# %%
start()
squares = ray.get([square.remote(number) for number in range(4)])
ray.shutdown()
print("REPORT", json.dumps({"rank": mlk_jupyter.rank(), "squares": squares}))
