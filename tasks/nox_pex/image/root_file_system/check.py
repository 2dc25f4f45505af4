"""Check an image in a root file system made of its layers, with the smoke test."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nox_pex.image import smoke_settings
from nox_pex.image.job import Job
from nox_pex.image.root_file_system import directories, foreign
from nox_pex.image.root_file_system.image import ContainerImage
from nox_pex.image.root_file_system.runner import RootRunner
from nox_pex.image.root_file_system.user import image_user
from nox_pex.oci import root_tree
from nox_pex.settings.smoke import Budget, Smoke
from nox_pex.smoke import plan
from nox_pex.smoke.plan import Endpoint, Options
from nox_pex.smoke.process import ports
from nox_pex.smoke.report import SmokeReport
from nox_pex.smoke.run import Subject, run_with
from nox_pex.smoke.runner import Runner
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.messages import Say


def check_root_file_system(
    job: Job,
    image: ContainerImage,
    *,
    file: Path,
    smoke: Smoke,
    environ: Mapping[str, str],
    options: Options,
    say: Say,
    platform_name: str = "",
) -> SmokeReport:
    """Run the image as its user, on a read-only root with a tmpfs, and make all checks of `smoke`.

    `file` is the layout that is reported, with the `platform_name` of an image for several. The result is that of
    `check_container`. It is a skip if the image is for another machine, or if the kernel refuses to confine the
    program. Raises `NoxPexError`: `config`, `usage`, `image-base` if the layers cannot be unpacked.
    """
    caches, base, added = job.provisioner.caches, image.layers[: image.base_layers], image.layers[image.base_layers :]
    inner = smoke_settings.inner_port(job.image)
    reason = foreign.reason(image.config.platform, machine=platform.machine())
    if reason is not None:
        return smoke_settings.skipped(
            *(job, smoke),
            file=file,
            size=image.added_bytes,
            reason=reason,
            remedy="run it on such a machine",
            say=say,
            platform=platform_name,
        )
    tree = root_tree.tree_of(image.layers, image=image.identity, caches=caches)
    user = image_user(tree, image.config)
    if user.user == 0:
        say("container: the image's user is root")
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(directories.unpacked(base, added, image=image.identity, caches=caches, say=say))
        is_private = inner is not None and not options.serve and not stack.enter_context(ports.usable(inner))
        if is_private:
            say(f"container: port {inner} cannot be used on this machine, so the container gets a private network")
        elif inner is not None and options.port is None and "{port}" in smoke.url:
            options = msgspec.structs.replace(options, port=inner)

        def create_runner(space: Workspace, filled: Smoke, address: Endpoint) -> Runner:
            return RootRunner(
                image=image,
                user=user,
                tree=tree,
                directories=root,
                workspace=space,
                published=smoke_settings.published_ports(filled, address, inner),
                smoke_args=not job.image.args,
                shares_tmp=plan.mentions_tmp(smoke),
                environ=environ,
                pass_env=filled.pass_env,
                private_network=is_private,
                keep=options.keep,
            )

        return run_with(
            create_runner,
            subject=Subject(
                target=job.target,
                file=file,
                size=image.added_bytes,
                boots=(smoke_settings.BOOT,),
                platform=platform_name,
            ),
            smoke=smoke_settings.fill_tokens(smoke, inner),
            budget=Budget(),
            environ=environ,
            secrets=job.shell.secrets,
            options=options,
            say=say,
        )
