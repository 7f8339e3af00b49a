from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.validate.report.manifest_document import make_document
from tests.validate.report.report_cases import every_part, render, validation_record

PROBE = """<script>addEventListener('load', () => {
  const all = (what, kept) => [...document.querySelectorAll(what)].filter(kept).length;
  const size = e => e.getBoundingClientRect();
  parent.postMessage({
    page: document.documentElement.scrollWidth,
    window: innerWidth,
    charts: all('svg', e => size(e).width > 0 && size(e).height > 0),
    pictures: all('.maps img', e => size(e).height > 0 && e.naturalWidth > 0),
    outside: all('section > *, svg, img', e => size(e).right > innerWidth + 1),
    requests: performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length,
    fill: getComputedStyle(document.body).backgroundColor}, '*') })</script>"""
FRAMES = """<script>const found = []; addEventListener('message', event => {
  found.push(event.data); document.title = 'PROBE ' + JSON.stringify(found) })</script>"""


def probe(text: str, folder: Path, widths: list[int], dark: bool) -> list[dict[str, Any]]:
    """What headless Chromium makes of a page in frames of these widths; its own windows have 500 or more."""
    page, frames = folder / "report.html", folder / "frames.html"
    policy = '<meta http-equiv="Content-Security-Policy"[^>]*>'
    page.write_text(re.sub(policy, lambda _: PROBE, text), encoding="utf-8")
    shown = "".join(
        f"<iframe src=report.html style='width:{w}px;height:900px;border:0'></iframe>" for w in widths
    )
    frames.write_text(f"<title>none</title>{FRAMES}{shown}", encoding="utf-8")
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--virtual-time-budget=5000",
        f"--user-data-dir={folder / 'profile'}",
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        "--dump-dom",
        frames.as_uri(),
    ]
    written = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r"<title>PROBE (\[.*?\])</title>", written)
    assert found, written[:500]
    return sorted(json.loads(found[1]), key=lambda each: each["window"])


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_browser_shows_it_without_sideways_scrolling(tmp_path, dark):
    """The page fits its window, every chart and merge map has a size, and dark mode is dark."""
    document = make_document()
    sections = every_part(document)
    skipped = [{"what": "r8", "reason": f"{'/a-long-name' * 12}.tab can't be had"}]
    validation = validation_record(
        verdict="fail", reason=f"accuracy: {skipped[0]['reason']}", skipped=skipped
    )
    page = render(document, **sections, validation=validation)
    narrow, wide = probe(page, tmp_path, [390, 1280], dark)
    assert (narrow["window"], wide["window"]) == (390, 1280)
    for found in (narrow, wide):
        assert found["page"] <= found["window"]
        assert found["outside"] == 0
        assert found["charts"] == 10
        assert found["pictures"] == 3
        assert found["requests"] == 0
        assert found["fill"] == ("rgb(14, 17, 22)" if dark else "rgb(245, 246, 248)")
