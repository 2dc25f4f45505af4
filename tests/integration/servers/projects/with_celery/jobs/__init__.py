"""A Celery application with one task, a schedule, and a command that waits for a result."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from celery import Celery

SPOOL = Path(os.environ.get("JOBS_SPOOL", "spool"))
FOLDERS = {name: SPOOL / name for name in ("messages", "control", "results")}
for folder in FOLDERS.values():
    folder.mkdir(parents=True, exist_ok=True)

app = Celery("jobs", broker="filesystem://", backend=f"file://{FOLDERS['results']}")
app.conf.update(
    beat_schedule={"tick": {"task": "jobs.add", "schedule": 0.2, "args": (1, 1)}},
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "control_folder": FOLDERS["control"],
        "data_folder_in": FOLDERS["messages"],
        "data_folder_out": FOLDERS["messages"],
        "polling_interval": 0.1,
    },
)


@app.task
def add(left: int, right: int) -> int:
    return left + right


def enqueue() -> None:
    """Put a job on the queue, and print what the worker has made of it: `enqueue LEFT RIGHT`."""
    result = add.delay(*map(int, sys.argv[1:]))
    sys.stdout.write(f"the worker says {result.get(timeout=10, interval=0.05)}\n")
