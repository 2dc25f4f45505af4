"""The numbers of a smoke test in the text format of OpenMetrics, which GitLab compares in merge requests. Pure.

Fact source: OpenMetrics 1.0: a gauge's unit ends its name, a label's value
escapes backslash, double quote and line break, and `# EOF` ends the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nox_pex.smoke.report import SmokeReport
from nox_pex.system.outside_text import shown


class _Gauge(NamedTuple):
    """A gauge: its name, unit and help, and a value for each set of labels."""

    name: str
    unit: str
    help: str
    samples: Sequence[tuple[dict[str, str], float]]


def metrics_text(report: SmokeReport, *, distributions: int | None = None) -> str:
    """Return the content of `NAME.metrics.txt`. `distributions` is the number in the binary, None if it is unknown."""
    return "\n".join([*_lines(report, distributions), "# EOF", ""])


def _lines(report: SmokeReport, distributions: int | None) -> Iterator[str]:
    own = {"binary": report.name}
    count = [(own, float(distributions))] if distributions is not None else []
    boots = [({**own, "condition": boot.label}, boot) for boot in report.boot_results]
    ready = [(labels, boot.ready_after) for labels, boot in boots if boot.ready_after is not None]
    memory = [(labels, float(boot.memory)) for labels, boot in boots if boot.memory is not None]
    for gauge in (
        _Gauge("nox_pex_size_bytes", "bytes", "The size of the binary.", [(own, float(report.size))]),
        _Gauge("nox_pex_boot_seconds", "seconds", "The time until the program was ready.", ready),
        _Gauge("nox_pex_memory_bytes", "bytes", "The highest resident memory of all processes.", memory),
        _Gauge("nox_pex_distributions", "", "The number of distributions in the binary.", count),
    ):
        if gauge.samples:
            yield f"# TYPE {gauge.name} gauge"
            if gauge.unit:
                yield f"# UNIT {gauge.name} {gauge.unit}"
            yield f"# HELP {gauge.name} {gauge.help}"
            yield from (f"{gauge.name}{{{_labels(labels)}}} {value:.15g}" for labels, value in gauge.samples)


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return shown(value).replace("\\", "\\\\").replace('"', '\\"')
