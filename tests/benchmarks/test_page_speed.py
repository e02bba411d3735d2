"""How large a page is, and how long it takes to build and to open: 300 users, 15 models, 15 days; aims: 8 MB, 2 s.

``pytest -m bench -n 0 -s tests/benchmarks/test_page_speed.py`` prints the figures.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mock_run import TYPICAL
from people_run import make
from pytest_benchmark.fixture import BenchmarkFixture

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WATCH = """new MutationObserver((_, watch) => {
  if (!document.querySelector('#ranking-table .tabulator-row')) return;
  window.opened = performance.now();
  watch.disconnect();
}).observe(document, { childList: true, subtree: true });"""

pytestmark = [pytest.mark.bench, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("large"), TYPICAL[:15], ("C",), users=300, horizon=(60, 74))


def test_build(benchmark: BenchmarkFixture, run: Path) -> None:
    command = [sys.executable, "-m", "bench.cli.app", "report", str(run), "--html"]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=1)
    size = (run / "report.html").stat().st_size
    print(f"\npage: {size / 1e6:.2f} MB")
    assert size < 8e6


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver is here")
def test_open(benchmark: BenchmarkFixture, run: Path) -> None:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "no-first-run"):
        options.add_argument(f"--{flag}")
    options.binary_location = str(CHROMIUM)
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    seconds = []

    def once() -> None:
        driver.get((run / "report.html").as_uri())
        seconds.append(WebDriverWait(driver, 120).until(lambda d: d.execute_script("return window.opened")) / 1000)

    try:
        benchmark.pedantic(once, rounds=5, warmup_rounds=1)
    finally:
        driver.quit()
    print(f"\nto the first ranked row: {min(seconds):.2f} s, median {sorted(seconds)[3]:.2f} s")
