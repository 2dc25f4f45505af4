from __future__ import annotations

import pytest

from nox_pex.registry import progress_lines


def test_a_line_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now, shown = [0.0], list[str]()
    monkeypatch.setattr("nox_pex.registry.progress_lines.time.monotonic", lambda: now[0])
    progress = progress_lines.spoken(shown.append, "sent")
    for second in range(13):
        now[0] = float(second)
        progress(second * 10**6, 12 * 10**6, "sha256:…")
    assert shown == ["5.0 MB of 12.0 MB sent", "10.0 MB of 12.0 MB sent"]
