"""`python -m tests.kube`: a cluster as a process, until it is interrupted.

SIGUSR1 closes its door, as an API server that is killed: connections are cut, nobody listens. SIGUSR2 opens it again.
"""

from __future__ import annotations

import argparse
import queue
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from .cluster import JOB_SET_CRDS, KUEUE_CRDS, FakeCluster


def main() -> int:
    """Serve; says on stdout where, once it does."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--kubeconfig", type=Path, help="file to write the administrator's kubeconfig to")
    parser.add_argument("--namespace", action="append", default=[], help="a namespace to make (repeatable)")
    parser.add_argument("--nodes", type=int, default=2, help="number of nodes (default: 2)")
    parser.add_argument("--gpus", type=int, default=4, help="GPUs of each node (default: 4)")
    parser.add_argument("--cpu", default="16", help="CPUs of each node (default: 16)")
    parser.add_argument("--memory", default="64Gi", help="memory of each node (default: 64Gi)")
    parser.add_argument("--gpu-product", default="NVIDIA-A100-SXM4-80GB", help="the GPUs' label")
    parser.add_argument("--jobset", action="store_true", help="serve JobSets")
    parser.add_argument("--kueue", action="store_true", help="serve Kueue's kinds")
    parser.add_argument("--no-controllers", action="store_true", help="only the API server: nothing runs")
    parser.add_argument("--speed", type=float, default=20.0, help="times faster than a real cluster (default: 20)")
    asked = parser.parse_args()
    product = asked.gpu_product if asked.gpus else None
    nodes = [
        {"name": f"node-{number}", "gpus": asked.gpus, "gpu_product": product, "cpu": asked.cpu,
         "memory": asked.memory}
        for number in range(asked.nodes)
    ]  # fmt: skip
    asked_for: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put is safe in a signal handler
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, _: asked_for.put(number))
    with FakeCluster(
        port=asked.port,
        crds=[*(JOB_SET_CRDS if asked.jobset else ()), *(KUEUE_CRDS if asked.kueue else ())],
        nodes=nodes,
        controllers=not asked.no_controllers,
        speed=asked.speed,
        kubeconfig=asked.kubeconfig,
    ) as cluster:
        for namespace in asked.namespace:
            cluster.namespace(namespace)
        print(f"{cluster.url} {cluster.kubeconfig}", flush=True)
        serve(cluster, asked_for)
    return 0


def serve(cluster: FakeCluster, asked_for: queue.SimpleQueue[int]) -> None:
    """Opens and closes the door as signals ask, until one asks to end."""
    with ExitStack() as closed:
        while (number := asked_for.get()) in (signal.SIGUSR1, signal.SIGUSR2):
            closed.close()
            if number == signal.SIGUSR1:
                closed.enter_context(cluster.refusing())


if __name__ == "__main__":
    sys.exit(main())
