"""`pex`: build each binary, unless nothing that it is made from has changed."""

from __future__ import annotations

import os

from msgspec.structs import replace

from nox_pex.build.builder import Builder
from nox_pex.build.target import Target
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary
from nox_pex.tools import pinned


def run(context: Context) -> None:
    """Build each binary, several at a time. Raises `NoxPexError` with the first failure, after all have been tried."""
    jobs = context.arguments.jobs or (1 if context.parallel else _processors())
    at_once, shell = min(len(context.targets), jobs), context.provisioner.shell
    builder = Builder(provisioner=context.provisioner, force=context.arguments.force)

    def build(target: Target) -> None:
        own = builder
        if at_once > 1:
            named = replace(shell, say=lambda line: context.say(f"{target.name} | {line}"))
            own = replace(builder, provisioner=replace(context.provisioner, shell=named))
        own.build(target, context.installed(target))

    each_binary(context, build, at_once=at_once)


def prepare(context: Context) -> None:
    """Install the pex that would build each binary. Raises `NoxPexError`."""
    for target in context.targets:
        interpreter = context.installed(target).interpreter
        pinned.provide_pex(context.provisioner, context.settings.pex_version, interpreter=interpreter)


def _processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
