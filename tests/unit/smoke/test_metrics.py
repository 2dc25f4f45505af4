from __future__ import annotations

import re
from pathlib import Path

from nox_pex.smoke.metrics import metrics_text
from nox_pex.smoke.report import BootResult, SmokeReport

COLD = BootResult(condition="cold", state="passed", check_count=1, ready_after=2.25, memory=60_000_000)
OFFLINE = BootResult(condition="offline", state="skipped", check_count=1, reason="no namespaces")
REPORT = SmokeReport(name="service", binary=Path("service.pex"), size=12_345_678, boot_results=(COLD, OFFLINE))

METRIC = re.compile(r'(?P<name>[a-z_]+)\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+\} [0-9.e+-]+')
"""A sample of OpenMetrics 1.0, with the part of its grammar that nox-pex uses."""


def test_the_numbers_of_a_smoke_test_are_gauges() -> None:
    assert metrics_text(REPORT, distributions=14).split("\n") == [
        "# TYPE nox_pex_size_bytes gauge",
        "# UNIT nox_pex_size_bytes bytes",
        "# HELP nox_pex_size_bytes The size of the binary.",
        'nox_pex_size_bytes{binary="service"} 12345678',
        "# TYPE nox_pex_boot_seconds gauge",
        "# UNIT nox_pex_boot_seconds seconds",
        "# HELP nox_pex_boot_seconds The time until the program was ready.",
        'nox_pex_boot_seconds{binary="service",condition="cold"} 2.25',
        "# TYPE nox_pex_memory_bytes gauge",
        "# UNIT nox_pex_memory_bytes bytes",
        "# HELP nox_pex_memory_bytes The highest resident memory of all processes.",
        'nox_pex_memory_bytes{binary="service",condition="cold"} 60000000',
        "# TYPE nox_pex_distributions gauge",
        "# HELP nox_pex_distributions The number of distributions in the binary.",
        'nox_pex_distributions{binary="service"} 14',
        "# EOF",
        "",
    ]


def test_what_is_not_known_is_not_there() -> None:
    text = metrics_text(SmokeReport(name="a", binary=Path("a.pex"), size=1, boot_results=(OFFLINE,)))
    assert [line for line in text.split("\n") if line.startswith("nox")] == ['nox_pex_size_bytes{binary="a"} 1']


def test_a_name_stays_in_its_label() -> None:
    text = metrics_text(SmokeReport(name='a"} 1\n\\x', binary=Path("a.pex"), size=1, boot_results=(COLD,)))
    samples = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert len(samples) == 3
    assert all(METRIC.fullmatch(line) for line in samples)
