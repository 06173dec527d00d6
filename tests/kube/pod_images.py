"""A kubelet's pulls: an image is waited for until it is there, in the real one's words and with its back-off.

Imitates: kubernetes.io/docs/concepts/containers/images (pull policies, ImagePullBackOff): ErrImagePull, then
ImagePullBackOff with a wait that doubles from 10 s to 300 s.
Leaves out: pulls one after the other, and credentials: `Image.refuses` says what a registry answers.
Held by: image-pull-error; an image that nodes lack by test_fake_pods.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from . import images, pod_status
from .store import Object

FIRST_BACKOFF_S, LAST_BACKOFF_S = 10.0, 300.0


@dataclass(frozen=True)
class Puller:
    """Waits for the images of one pod."""

    find: Callable[[str], images.Image | None]
    """The image of that name, if it exists."""
    event: Callable[[str, str, str, str, bool], None]
    """Tells of the pod: type, reason, words, container, whether that is an init container."""
    wait: Callable[[str, str, str], None]
    """Says why a container waits: its name, reason, words."""
    sleep: Callable[[float], Awaitable[None]]
    """For so many seconds of a real cluster. Raises when the pod is stopped meanwhile."""

    async def pull(self, container: Object, init: bool) -> images.Image:
        """Wait until the image is there."""
        name, wanted = container["name"], container["image"]
        backoff_s = FIRST_BACKOFF_S
        while not images.is_valid(wanted):
            words = f'Failed to apply default image tag "{wanted}": couldn\'t parse image name "{wanted}": '
            words += "invalid reference format"
            self.event("Warning", "InspectFailed", words, name, init)
            self.event("Warning", "Failed", "Error: InvalidImageName", name, init)
            self.wait(name, "InvalidImageName", words)
            await self.sleep(FIRST_BACKOFF_S)
        while True:
            image = self.find(wanted)
            usable = image is not None and not image.refuses
            if image is not None and usable and not pod_status.image_is_pulled(image, container):
                if image.present:
                    words = f'Container image "{wanted}" already present on machine and can be accessed by the pod'
                    self.event("Normal", "Pulled", words, name, init)
                    return image
                usable = False
            if container.get("imagePullPolicy") == "Never":
                words = f'Container image "{wanted}" is not present with pull policy of Never'
                self.event("Warning", "ErrImageNeverPull", words, name, init)
                self.event("Warning", "Failed", "Error: ErrImageNeverPull", name, init)
                self.wait(name, "ErrImageNeverPull", words)
                await self.sleep(FIRST_BACKOFF_S)
                continue
            self.event("Normal", "Pulling", f'Pulling image "{wanted}"', name, init)
            if image is not None and usable:
                await self.sleep(1.0)
                words = f'Successfully pulled image "{wanted}" in 1.002s (1.002s including waiting). '
                self.event("Normal", "Pulled", words + "Image size: 123456789 bytes.", name, init)
                return image
            error = images.pull_error(wanted, image)
            self.event("Warning", "Failed", f'Failed to pull image "{wanted}": {error}', name, init)
            self.event("Warning", "Failed", "Error: ErrImagePull", name, init)
            self.wait(name, "ErrImagePull", error)
            await self.sleep(0.2)
            self.event("Normal", "BackOff", f'Back-off pulling image "{wanted}"', name, init)
            self.event("Warning", "Failed", "Error: ImagePullBackOff", name, init)
            await self.sleep(backoff_s)
            self.wait(name, "ImagePullBackOff", f'Back-off pulling image "{wanted}": ErrImagePull: {error}')
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
