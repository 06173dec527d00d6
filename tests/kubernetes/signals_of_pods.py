"""Signals of pods that have a node: what keeps their container from running, and how it ended."""

from __future__ import annotations

from clusterobjects import at, condition, ended, event, failed_job, job, objects, pod, spec, waiting
from signals import CLAIM, EMPTY_SHM, IMAGE, MOUNT, PULL, Told, disrupted, over, stuck, words

from mlk_jupyter.model import Phase

IMAGES = [
    ("image_not_found", f"{PULL}{IMAGE}: not found", "no such image or tag"),
    (
        "image_unauthorized",
        PULL + "pull access denied, repository does not exist or may require authorization",
        "needs a login",
    ),
    (
        "image_unauthorized",
        PULL + "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
        "login",
    ),
    (
        "image_rate_limited",
        PULL + "429 Too Many Requests - toomanyrequests: You have reached your pull rate limit",
        "too many",
    ),
    ("registry_unknown", PULL + "dial tcp: lookup registry.example on 10.0.0.53:53: no such host", "host name"),
    (
        "registry_certificate",
        PULL + "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "trust",
    ),
    ("registry_unreachable", PULL + "dial tcp 10.9.9.9:443: i/o timeout", "does not answer"),
    ("image_platform", PULL + "no match for platform in manifest: not in index", "processor"),
    ("image_no_space", "failed to extract layer: write /var/lib/x: no space left on device", "disk is full"),
    ("image_pull", "the registry sneezed", "the registry sneezed"),
]

CONTAINERS = [
    *(
        stuck(f"image: {code}: {text[-30:]}", waiting("ErrImagePull", text), code, IMAGE, words_)
        for code, text, words_ in IMAGES
    ),
    stuck(
        "image name",
        waiting("InvalidImageName", f'Failed to apply default image tag "{IMAGE}": invalid reference format'),
        "image_name_invalid",
        "no valid name",
    ),
    stuck(
        "image never pulled",
        waiting("ErrImageNeverPull", f'Container image "{IMAGE}" is not present with pull policy of Never'),
        "image_never_pulled",
        "policy Never",
    ),
    stuck("secret", waiting("CreateContainerConfigError", 'secret "hf" not found'), "secret_not_found", "Secret hf"),
    stuck(
        "config map",
        waiting("CreateContainerConfigError", 'configmap "paths" not found'),
        "config_map_not_found",
        "ConfigMap paths",
    ),
    stuck(
        "key of a secret",
        waiting("CreateContainerConfigError", "couldn't find key apikey in Secret ml-team/hf"),
        "key_not_found",
        "Secret hf has no key apikey",
    ),
    stuck(
        "root",
        waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root (pod: x)"),
        "runs_as_root",
        "run as root",
    ),
    stuck(
        "user by name",
        waiting("CreateContainerConfigError", "container has runAsNonRoot and image has non-numeric user (app)"),
        "runs_as_root",
        "a name, not a number",
    ),
    stuck(
        "odd config", waiting("CreateContainerError", "subPath is a file"), "container_not_created", "subPath is a file"
    ),
    stuck("crash loop", waiting("CrashLoopBackOff"), "crash_loop"),
    stuck(
        "volume used elsewhere",
        one := waiting("ContainerCreating"),
        "volume_in_use",
        "notebook-0",
        "ReadWriteOnce",
        events=[
            event(
                one,
                "FailedAttachVolume",
                'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) notebook-0',
            )
        ],
    ),
    stuck(
        "bundle not there yet",
        one,
        "bundle_missing",
        "digits-0123456789-bundle",
        events=[event(one, "FailedMount", MOUNT + '"bundle" : configmap "digits-0123456789-bundle" not found')],
    ),
    stuck(
        "secret as a volume",
        one,
        "secret_not_found",
        "Secret creds",
        events=[event(one, "FailedMount", MOUNT + '"creds" : secret "creds" not found')],
    ),
    stuck(
        "file server",
        one,
        "mount_failed",
        "data",
        "access denied by server",
        events=[event(one, "FailedMount", MOUNT + '"data" : mount failed: exit status 32: access denied by server')],
    ),
    stuck(
        "sandbox",
        one,
        "node_trouble",
        "node1",
        events=[event(one, "FailedCreatePodSandBox", "Failed to create pod sandbox: plugin type=calico failed")],
    ),
    stuck("pulling", one, "pulling_image", IMAGE, "50 s", events=[event(one, "Pulling", f'Pulling image "{IMAGE}"')]),
    stuck("creating", one, "creating", "node1"),
    stuck("mounting", pod(state={"waiting": {"reason": "ContainerCreating"}}, volumes=CLAIM), "mounting", "data"),
    stuck(
        "staging",
        pod(init={"running": {"startedAt": at(20)}}),
        "staging",
        "`dvc pull` has run for 40 s",
        staging=["dvc", "pull"],
    ),
    stuck(
        "init container of somebody else",
        pod(init={"running": {"startedAt": at(20)}}, init_name="vault-agent"),
        "staging",
        "init container vault-agent has run for 40 s",
    ),
    stuck(
        "init container that crashes and is tried again",
        pod(
            init={
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed"}},
                "lastState": {"terminated": {"exitCode": 4, "message": "no token"}},
            },
            init_name="vault-agent",
        ),
        "crash_loop",
        "vault-agent",
        "exit code 4: no token",
    ),
    stuck("gated", pod(), "creating"),
]

ENDS = [
    over(
        "memory",
        ended(exit_code=137, reason="OOMKilled", limits={"memory": "16Gi"}, volumes=[EMPTY_SHM]),
        "out_of_memory",
        "limit of 16 GiB",
        "/dev/shm (2 GiB), not GPU memory",
    ),
    over("memory of the node", ended(exit_code=137, reason="OOMKilled"), "out_of_memory", "its node could give"),
    over("killed by nobody known", ended(exit_code=137), "killed", "SIGKILL"),
    over("segmentation fault", ended(exit_code=139), "segmentation_fault", "Rank 0 crashed"),
    over(
        "bus error",
        ended(exit_code=135, volumes=[EMPTY_SHM]),
        "shared_memory_full",
        "/dev/shm is probably full (2 GiB)",
    ),
    over("abort", ended(exit_code=134), "aborted"),
    over("illegal instruction", ended(exit_code=132), "wrong_processor"),
    over("asked to end", ended(exit_code=143), "terminated", "SIGTERM"),
    over("another signal", ended(exit_code=128 + 10), "killed", "SIGUSR1"),
    over("no such program", ended(exit_code=127), "bad_command", "exit code 127"),
    over("no right to execute", ended(exit_code=126), "bad_command", "could not be executed"),
    over("an exit code", ended(exit_code=3), "rank_failed", "Rank 0 ended with exit code 3."),
    over("a worker of several ranks", ended(exit_code=3), "rank_failed", "Worker 0 ended", ranks_per_worker=2),
    over("an exception", ended(exit_code=1, message=words()), "cell_failed", "Rank 0, cell 4: KeyError: 'train'"),
    over(
        "an exception outside of cells",
        ended(exit_code=1, message=words(number=None)),
        "cell_failed",
        "Rank 0: KeyError",
    ),
    over(
        "a signal that the rank's keeper saw",
        ended(exit_code=139, message=words(ename="SIGSEGV", evalue="The process crashed.", death="signal")),
        "segmentation_fault",
        "Rank 0, cell 4: The process crashed.",
    ),
    over(
        "memory, as the keeper saw it",
        ended(
            exit_code=137,
            message=words(ename="SIGKILL", evalue="The process was killed.", death="memory"),
        ),
        "out_of_memory",
    ),
    over(
        "cannot start",
        ended(
            exit_code=128,
            reason="StartError",
            message='runc create failed: exec: "python3": executable file not found in $PATH',
        ),
        "bad_command",
        "python3 is not in the image",
    ),
    over(
        "wrong architecture",
        ended(exit_code=128, reason="StartError", message='exec "/usr/bin/python3": exec format error'),
        "bad_command",
        "another processor",
    ),
    over(
        "a shell for another processor",
        ended(exit_code=1, reason="Error", message="exec /usr/bin/sh: exec format error\n"),
        "bad_command",
        "another processor",
    ),
    over(
        "a library that Python needs is missing",
        ended(exit_code=127, reason="Error", message="python3: error while loading shared libraries: libpython3.so\n"),
        "bad_command",
        "exit code 127: python3: error while loading shared libraries",
    ),
    over(
        "the last words of several",
        ended(exit_code=1, reason="Error", message="hello\nsh: cannot fork\n\n"),
        "rank_failed",
        "exit code 1: sh: cannot fork",
    ),
    over(
        "what a rank printed is no reason",
        ended(exit_code=1, reason="Error", message='@mlk:0123456789abcdef 0 7 1/1 {"kind":"log"}\nbye\n'),
        "rank_failed",
        "exit code 1.",
    ),
    over(
        "GPU driver",
        ended(exit_code=128, reason="StartError", message="nvidia-container-cli: initialization error: nvml error"),
        "gpu_driver",
    ),
    over(
        "staging fails",
        pod(phase="Failed", init={"terminated": {"exitCode": 1, "message": "no remote", "finishedAt": at(9)}}),
        "staging_failed",
        "exit code 1: no remote",
    ),
    over(
        "init container of somebody else fails",
        pod(phase="Failed", init={"terminated": {"exitCode": 3, "message": "no token"}}, init_name="vault-agent"),
        "init_failed",
        "The init container vault-agent of rank 0 ended with exit code 3: no token.",
    ),
    over(
        "init container of somebody else without memory",
        pod(phase="Failed", init={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, init_name="vault-agent"),
        "out_of_memory",
        "The init container vault-agent of rank 0",
    ),
    over("without a word", pod(phase="Failed", message="Pod was rejected"), "pod_failed", "Pod was rejected"),
    over(
        "preempted",
        disrupted("PreemptionByScheduler", "default-scheduler: preempting"),
        "preempted",
        "higher priority",
        "node1",
    ),
    over(
        "node not taking it",
        disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
        "node_tainted",
    ),
    over("drained", disrupted("EvictionByEvictionAPI", "Eviction API: evicting"), "drained", "drained"),
    over("node gone", disrupted("DeletionByPodGC", "PodGC: node no longer exists"), "node_gone"),
    over(
        "node shut down",
        disrupted("TerminationByKubelet", "Pod was terminated in response to imminent node shutdown."),
        "node_shutdown",
    ),
    over("node ends it", disrupted("TerminationByKubelet", "the node said so"), "evicted", "the node said so"),
    over("a new disruption", disrupted("DeletionByWeather", "it rains"), "disrupted", "it rains"),
    over("node lost", pod(phase="Failed", reason="NodeLost"), "node_lost"),
    over(
        "devices gone",
        pod(phase="Failed", reason="OutOfnvidia.com/gpu", message="Node didn't have enough"),
        "node_refused",
    ),
    over(
        "devices that the node cannot give",
        pod(phase="Failed", reason="UnexpectedAdmissionError", message="Pod was rejected: Allocate failed due to rpc"),
        "node_refused",
        "was refused by its node: Pod was rejected: Allocate failed due to rpc",
    ),
    over(
        "own disk limit",
        pod(phase="Failed", reason="Evicted", message='Usage of EmptyDir volume "work" exceeds the limit "1Gi". '),
        "disk_limit",
        "1Gi",
        "the volume work",
    ),
    over(
        "node's disk",
        pod(phase="Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage. Threshold"),
        "evicted_disk",
    ),
    over(
        "node's memory",
        pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
        "evicted_memory",
    ),
    Told(
        "time limit",
        objects(
            failed_job(reason="DeadlineExceeded", deadline_s=7200, startTime=at(-240)),
            pods=[ended(exit_code=137, deleted=70)],
        ),
        "time_limit",
        ["time limit of 2 h", "waited 4 min 5 s"],
        Phase.FAILED,
    ),
    Told(
        "time limit that passed in waiting",
        objects(failed_job(reason="DeadlineExceeded", deadline_s=600), pods=[pod(node=None)]),
        "time_limit",
        ["10 min", "before all of its ranks ran"],
        Phase.FAILED,
    ),
    Told("pod deleted", objects(failed_job(2), pods=[ended(0, 0)]), "pod_deleted", ["rank 1"], Phase.FAILED, spec(2)),
    Told(
        "nothing known",
        objects(job(conditions=[condition("Failed", "PodFailurePolicy", "by rule 2")])),
        "failed",
        ["by rule 2"],
        Phase.FAILED,
    ),
]
