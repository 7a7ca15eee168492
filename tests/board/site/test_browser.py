"""The site in a real browser, from a folder: what readers do with it works, and what strangers wrote does nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from site_examples import AUTHOR, DESCRIPTION, NAMES, POLICY, boards

from dlth_bench.board.site.build import site_pages, write_site

pytestmark = pytest.mark.slow

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip

_PAGES = (
    "index.html",
    "compare.html#p=tiny@1&s=best,hostile,worst",
    "protocols/tiny@1.html",
    "protocols/empty@1.html",
    "submissions/tiny@1/hostile.html",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium with a log of its console and of every request."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[dev]'")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the site's folder."""
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, site_pages(boards(tmp_path_factory.mktemp("submissions"))))
    return folder.as_uri()


@pytest.fixture
def show(browser: Any, site: str) -> Iterator[Callable[..., Any]]:
    """Opens a page afresh on a screen of a size; afterwards its console must be empty and all its requests local."""

    def open_page(path: str, width: int = 1280, scheme: str = "light") -> Any:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get("about:blank")
        browser.get(f"{site}/{path}")
        return browser

    browser.get_log("browser")
    browser.get_log("performance")
    yield open_page
    assert browser.get_log("browser") == []
    requests = [
        entry["message"] for entry in browser.get_log("performance") if 'requestWillBeSent"' in entry["message"]
    ]
    assert not [text for text in requests if '"url":"http' in text or '"url":"ws' in text]


def _names(driver: Any) -> list[str]:
    """The submissions that the table shows, from top to bottom."""
    rows = driver.find_elements("css selector", "table.board tbody tr:not(.group)")
    return [row.find_element("css selector", "th.name").text for row in rows if row.is_displayed()]


def _heading(driver: Any, key: str) -> Any:
    return driver.find_element("css selector", f"th[data-key={key}]")


def _until(condition: Callable[[], bool]) -> None:
    """Wait for the page to follow a change of its address."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_sorting(show: Callable[..., Any]) -> None:
    """A heading sorts by its column and back, says so to a screen reader, and rank brings the tie groups back."""
    driver = show("index.html")
    ranked = _names(driver)
    assert _heading(driver, "rank").get_attribute("aria-sort") == "ascending"
    name = _heading(driver, "name")
    name.find_element("tag name", "button").click()
    assert _names(driver) == sorted(NAMES)
    assert name.get_attribute("aria-sort") == "ascending"
    assert _heading(driver, "rank").get_attribute("aria-sort") is None
    assert not driver.find_element("css selector", "tr.group").is_displayed()
    name.find_element("tag name", "button").click()
    assert _names(driver) == sorted(NAMES, reverse=True)
    _heading(driver, "spearman").find_element("tag name", "button").click()
    assert _names(driver)[-1] == "worst"
    _heading(driver, "rank").find_element("tag name", "button").click()
    assert _names(driver) == ranked
    assert driver.find_element("css selector", "tr.group").is_displayed()


def test_filtering(show: Callable[..., Any]) -> None:
    """Search finds name, policy, author and description; filters narrow it; the count is told."""
    driver = show("index.html")
    search = driver.find_element("css selector", "input[type=search]")
    search.send_keys("MALLORY")
    assert _names(driver) == ["hostile"]
    assert driver.find_element("css selector", "[role=status]").text == "1 of 6 submissions"
    assert len([row for row in driver.find_elements("css selector", "tr.group") if row.is_displayed()]) == 1
    search.clear()
    search.send_keys(" ")
    driver.find_element("css selector", "select[name=policy] option[value=RS]").click()
    assert sorted(_names(driver)) == ["rs-0", "rs-1"]
    search.send_keys("rs-1")
    assert _names(driver) == ["rs-1"]


def test_keyboard_alone(show: Callable[..., Any]) -> None:
    """Skip link, sorting and choosing need no mouse, and the focus is seen."""
    from selenium.webdriver.common.keys import Keys

    driver = show("index.html")
    body = driver.find_element("tag name", "body")
    body.send_keys(Keys.TAB)
    assert driver.switch_to.active_element.text == "Skip to the content"
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    for _ in range(40):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        if driver.switch_to.active_element.text == "Submission":
            break
    button = driver.switch_to.active_element
    assert driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", button) == "solid"
    button.send_keys(Keys.SPACE)
    assert _heading(driver, "name").get_attribute("aria-sort") == "ascending"
    for box in driver.find_elements("css selector", "table.board input[type=checkbox]")[:2]:
        box.send_keys(Keys.SPACE)
    driver.find_element("css selector", "[data-compare]").send_keys(Keys.ENTER)
    assert next(heading.text for heading in driver.find_elements("css selector", "h2")) == "Accuracy trend"


def test_compare_follows_its_address(show: Callable[..., Any]) -> None:
    """The address holds the choice: it opens with it, and a choice changes it; at most five, at least two."""
    driver = show("compare.html#p=tiny@1&s=best,worst,nobody")
    assert [item.text for item in driver.find_elements("css selector", ".legend li")] == ["full data", "best", "worst"]
    assert "best is above worst" in driver.find_element("id", "output").text
    assert "LATIN CAPITAL LETTER A" in driver.find_element("id", "output").text
    for name in ("constructor", "rs-0", "rs-1"):
        driver.find_element("css selector", f"input[value={name}]").click()
        _until(lambda name=name: name in driver.current_url and name in driver.find_element("id", "output").text)
        assert driver.switch_to.active_element.get_attribute("value") == name
    assert driver.current_url.endswith("#p=tiny@1&s=best,constructor,rs-0,rs-1,worst")
    assert not driver.find_element("css selector", "input[value=hostile]").is_enabled()
    driver.execute_script("location.hash = 'p=tiny@1&s=best'")
    _until(lambda: driver.find_element("id", "output").text == "")
    assert driver.find_element("id", "told").text == "Choose 2 to 5 submissions; 1 chosen."


@pytest.mark.parametrize(
    "address",
    ["", "#", "#p=__proto__&s=toString,__proto__", "#p=tiny@1&s=%3Cimg%20src=x%20onerror=alert(1)%3E,toString"],
)
def test_compare_of_nonsense(show: Callable[..., Any], address: str) -> None:
    """A made-up address shows the empty choice."""
    driver = show(f"compare.html{address}")
    assert "0 chosen" in driver.find_element("id", "told").text
    assert driver.find_elements("css selector", "main img") == []


def test_links_are_followed(show: Callable[..., Any]) -> None:
    """From the board to a submission, on to its protocol and back, from a folder without a server."""
    driver = show("index.html")
    driver.find_element("link text", "rs-1").click()
    assert driver.title == "rs-1 under tiny@1 · dlth-bench"
    driver.find_element("css selector", ".crumbs").find_element("link text", "tiny@1").click()
    assert driver.title == "tiny@1 · dlth-bench"
    driver.find_element("link text", "Boards").click()
    assert len(_names(driver)) == len(NAMES)


@pytest.mark.parametrize("path", _PAGES)
def test_hostile_text_does_nothing(show: Callable[..., Any], path: str) -> None:
    """No dialog opens, no element or request comes of a stranger's text, on any page that holds it."""
    driver = show(path)
    assert driver.execute_script("return document.querySelectorAll('main img, main b[x], iframe, object').length") == 0
    scripts = "return [...document.scripts].filter((one) => one.type !== 'application/json').length"
    assert driver.execute_script(scripts) <= 1
    if "hostile.html" in path:
        shown = driver.find_element("tag name", "main").text
        assert all(text in shown for text in (POLICY, AUTHOR, DESCRIPTION))


@pytest.mark.parametrize("path", _PAGES)
def test_phone_needs_no_sideways_scrolling(show: Callable[..., Any], path: str) -> None:
    """On a narrow screen wide tables scroll in their own frames, never the page."""
    for width in (320, 390):
        driver = show(path, width=width)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_dark_scheme(show: Callable[..., Any]) -> None:
    """Who asks for dark gets light text on dark, in the drawings, too."""

    def brightness(scheme: str, selector: str, of: str) -> int:
        driver = show("submissions/tiny@1/best.html", scheme=scheme)
        colour = driver.execute_script(
            "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, of
        )
        return sum(int(part) for part in colour.strip("rgb()").split(","))

    assert brightness("light", "body", "backgroundColor") > 600 > 300 > brightness("dark", "body", "backgroundColor")
    assert brightness("light", "path.full", "stroke") < 300 < 600 < brightness("dark", "path.full", "stroke")


def test_page_without_script_is_complete(show: Callable[..., Any], browser: Any) -> None:
    """Who blocks scripts sees the whole board, and no control that would do nothing."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver = show("index.html")
        assert sorted(_names(driver)) == sorted(NAMES)
        assert not driver.find_element("css selector", ".tools").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
