"""The page in a real headless Chromium: sorting, filtering, slider, theme; quiet; hostile names stay text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from mock_run import TYPICAL, Model
from people_run import make
from rich.console import Console

from bench.cli.report import More, make_report

pytest.importorskip("vl_convert", reason="vl-convert is not installed: pip install 'mobility-bench[figures]'")
pytest.importorskip("selenium", reason="selenium is not installed: pip install 'mobility-bench[dev]'")

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
HOSTILE = '<img src=x onerror="window.hacked=1"></script><script>window.hacked=1</script>'
MODELS = (*TYPICAL[:6], TYPICAL[12], Model(HOSTILE, 0.25, 50), Model("{{7*7}}${alert(1)}", 0.2, 60), TYPICAL[15])
FLAGS = ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
         "disable-component-update", "disable-sync")  # fmt: skip

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver is here")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    folder = tmp_path_factory.mktemp("browser")
    run = make(folder, MODELS)
    make_report(run, Console(quiet=True), None, More(html=True))
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"user-data-dir={folder / 'profile'}", "window-size=1280,900"):
        options.add_argument(f"--{flag}")
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.get("about:blank")
    driver.get_log("performance")  # what the browser's own first tab asked for
    driver.get((run / "report.html").as_uri())
    until(driver, "return document.documentElement.dataset.ready === 'yes'")
    until(driver, "return document.querySelectorAll('#ranking-table .tabulator-row').length > 0")
    yield driver
    driver.quit()


def until(driver: webdriver.Chrome, script: str) -> None:
    WebDriverWait(driver, 120).until(lambda browser: browser.execute_script(script))


def ranked(driver: webdriver.Chrome) -> list[str]:
    return [cell.text for cell in driver.find_elements(By.CSS_SELECTOR, "#ranking-table .model .link")]


def pick(driver: webdriver.Chrome, where: str, text: str) -> None:
    for element in driver.find_elements(By.CSS_SELECTOR, f"{where} select"):
        if text in [option.text for option in Select(element).options]:
            Select(element).select_by_visible_text(text)
            return
    raise AssertionError(text)


def test_a_head_sorts_by_key_and_by_click(browser: webdriver.Chrome) -> None:
    before = ranked(browser)
    head = browser.find_element(By.CSS_SELECTOR, "#ranking-table .tabulator-col[tabulator-field='value']")
    head.click()
    until(browser, "return document.querySelector('#ranking-table [aria-sort=descending]') !== null")
    best_first = ranked(browser)
    head.send_keys(Keys.ENTER)
    until(
        browser, "return document.querySelector('#ranking-table [tabulator-field=value][aria-sort=ascending]') !== null"
    )
    assert ranked(browser) == best_first[::-1]
    assert set(before) == set(best_first)


def test_families_cities_and_metrics_filter(browser: webdriver.Chrome) -> None:
    everyone = len(ranked(browser))
    box = browser.find_element(By.CSS_SELECTOR, "#filters input[value='per-user statistic']")
    box.click()
    until(browser, f"return document.querySelectorAll('#ranking-table .model').length < {everyone}")
    assert "kernel_vote" not in ranked(browser)
    box.click()
    pick(browser, "#filters", "DTW (true)")
    until(browser, "return document.querySelector('#ranking-table').textContent.includes('DTW (true)')")
    pick(browser, "#filters", "C")
    until(browser, "return document.querySelector('#ranking-table').textContent.includes('City C')")
    pick(browser, "#filters", "all cities")
    until(browser, f"return document.querySelectorAll('#ranking-table .model').length === {everyone}")


def test_differences_are_to_the_chosen_model(browser: webdriver.Chrome) -> None:
    pick(browser, "#differences", "kernel_vote")
    until(browser, "return document.querySelector('#differences .notes').textContent.includes('minus kernel_vote')")
    until(browser, "return document.querySelectorAll('#differences .tabulator-row').length > 3")
    assert "kernel_vote" not in browser.find_element(By.CSS_SELECTOR, "#differences .grid").text


def test_parts_show_scores_or_differences_to_the_chosen_model(browser: webdriver.Chrome) -> None:
    browser.execute_script("document.getElementById('fails').scrollIntoView()")
    until(browser, "return document.querySelector('#fails .chart svg') !== null")
    scores = browser.find_element(By.CSS_SELECTOR, "#fails .chart").text
    Select(browser.find_element(By.CSS_SELECTOR, "#fails select")).select_by_value("yes")
    until(browser, "return document.querySelector('#fails .notes').textContent.startsWith('Blue: better')")
    browser.execute_script("document.getElementById('fails').scrollIntoView()")
    until(browser, "return document.querySelector('#fails .chart svg') !== null")
    apart = browser.find_element(By.CSS_SELECTOR, "#fails .chart").text
    assert apart != scores
    assert "+" in apart or "−" in apart
    Select(browser.find_element(By.CSS_SELECTOR, "#fails select")).select_by_value("")


def test_a_name_opens_its_records(browser: webdriver.Chrome) -> None:
    browser.execute_script("document.querySelector('#ranking-table .model .link').click()")
    until(browser, "return document.getElementById('dialog').open")
    text = browser.find_element(By.ID, "dialog").text
    assert "commit abc123" in text
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    until(browser, "return !document.getElementById('dialog').open")


def test_the_slider_moves_through_the_days_and_users_are_a_click_away(browser: webdriver.Chrome) -> None:
    browser.execute_script("document.getElementById('users').scrollIntoView()")
    until(browser, "return document.getElementById('day') !== null")
    day = browser.find_element(By.ID, "day-name").text
    browser.find_element(By.ID, "day").send_keys(Keys.ARROW_RIGHT)
    until(browser, f"return document.getElementById('day-name').textContent !== {json.dumps(day)}")
    assert browser.switch_to.active_element.get_attribute("id") == "day", "the keyboard stays on the slider"
    who = browser.find_element(By.ID, "who").text
    browser.find_elements(By.CSS_SELECTOR, ".users button")[-1].click()
    until(browser, f"return document.getElementById('who').textContent !== {json.dumps(who)}")
    assert browser.find_elements(By.CSS_SELECTOR, ".map .truth-dot")
    assert browser.find_elements(By.CSS_SELECTOR, ".strip td")


def test_the_theme_changes(browser: webdriver.Chrome) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(ground)
    browser.find_element(By.ID, "theme").click()
    assert browser.execute_script(ground) != before


def test_it_fits_a_phone(browser: webdriver.Chrome) -> None:
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    until(browser, "return window.innerWidth === 390 && document.querySelectorAll('#ranking-table .model').length > 3")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    until(browser, "return window.innerWidth > 1000 && document.querySelectorAll('#ranking-table .model').length > 3")


def test_charts_are_drawn_it_is_quiet_and_hostile_names_are_text(browser: webdriver.Chrome) -> None:
    browser.execute_script(
        "document.querySelectorAll('.chart, .grid').forEach((box) => box.childElementCount || box.draw())"
    )
    until(browser, "return [...document.querySelectorAll('.chart')].every((box) => box.querySelector('svg'))")
    assert HOSTILE in ranked(browser)
    assert not browser.execute_script("return window.hacked || document.querySelector('img') !== null")
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
