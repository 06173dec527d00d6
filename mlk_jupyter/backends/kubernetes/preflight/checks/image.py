"""The image: that there is one, that it stays the same, and that it can be pulled."""

from __future__ import annotations

from .....model.api import Finding
from .....text import listed
from .case import Case, error, note, warning


def check(case: Case) -> list[Finding]:
    image, options = image_of(case), case.options
    if image is None:
        hint = "Give an image with Python 3.9 or later and what the notebook imports, for example pytorch/pytorch."
        return [error("no_image", "No container image is named, and there is no default.", hint, "cluster.image")]
    findings = [*_moving(image, "cluster.image")]
    named = next((name for name in ("python", "kernel") if getattr(case.spec, name) is not None), None)
    if named:
        text = f"The job runs in the Python of {image}: the {named} that is named counts on this machine only."
        findings.append(note(f"{named}_of_machine", text, None, named))
    if options.staging and options.staging_image:
        findings += _moving(options.staging_image, "cluster.staging_image")
    if options.image_pull_policy == "Never":
        text = f"{image} is never pulled: it has to be on every node already."
        findings.append(warning("image_never_pulled", text, "Leave the pull policy out.", "cluster.image_pull_policy"))
    if options.image_pull_policy == "Always":
        text = "The registry is asked each time a pod starts: without it, or past its rate limit, no pod starts."
        hint = "IfNotPresent does with what the node has."
        findings.append(note("image_always_pulled", text, hint, "cluster.image_pull_policy"))
    if options.image_pull_secrets:
        text = (
            f"Pull secret {listed(options.image_pull_secrets)}: whether it exists is not checked, "
            "as that would take the right to read Secrets."
        )
        findings.append(note("pull_secret_unchecked", text, None, "cluster.image_pull_secrets"))
    elif case.facts.account_pull_secrets:
        text = f"Images are pulled with {listed(case.facts.account_pull_secrets)} of the service account."
        findings.append(note("pull_secret_of_account", text, None, "cluster.image_pull_secrets"))
    return findings


def image_of(case: Case) -> str | None:
    """The image that the ranks run in; the rendered one may come from a server-wide default."""
    rendered = case.pod.main.get("image")
    return str(rendered) if rendered else case.options.image


def _moving(image: str, field: str) -> list[Finding]:
    name = image.rpartition("/")[2]
    if "@" in name:
        return []
    tag = name.partition(":")[2]
    if tag and tag != "latest":
        return []
    text = f"{image} has {'the tag latest' if tag else 'no tag, which means latest'}: what it holds may change any day."
    hint = "Name a version, or the digest as IMAGE@sha256:…, so that the job can be repeated."
    return [warning("image_moves", text, hint, field)]
