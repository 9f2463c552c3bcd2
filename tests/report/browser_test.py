"""The report in a real browser: no message on the console, no request, nothing wider than a narrow window, slider and
keyboard work. Skipped where there is no Chromium (CP_CHROMIUM names another one)."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import browser

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("CP_BUILD_DIR", SOURCE / "build/dev"), "changepilot")

# Elements that stick out of the window and are in no box that scrolls by itself.
OVERFLOWING = """Array.from(document.body.querySelectorAll("*")).filter(function (e) {
  if (e.closest(".scroll, pre, svg")  && !e.matches("svg, .scroll, pre")) return false;
  var box = e.getBoundingClientRect();
  return box.width > 0 && (box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5);
}).map(function (e) { return e.tagName + "." + e.className + " " + e.textContent.slice(0, 40); })"""


@unittest.skipUnless(browser.find_chromium(), "no Chromium on the PATH")
class ReportInABrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        at = pathlib.Path(cls.folder.name)

        def run(*words):
            subprocess.run([PROGRAM, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)

        model = SOURCE / "models/nano"
        run("synth", "--out", at / "data", "--pairs", 16, "--seed", 5)
        for name in ("first", "second"):
            run("validate", "--data", at / "data", "--split", "train", "--model", model, "--out", at / name, "--seed", len(name))
        (at / "a-run-with-a-rather-long-name-that-has-no-space-in-it").mkdir()
        log = (SOURCE / "docs/results/nano-seed0-metrics.jsonl").read_text()
        (at / "a-run-with-a-rather-long-name-that-has-no-space-in-it/metrics.jsonl").write_text(log)
        cls.pages = []
        for language in ("en", "zh"):
            page = at / f"{language}.html"
            run("report", at / "first", at / "second", at / "a-run-with-a-rather-long-name-that-has-no-space-in-it", "--compare",
                "--data", at / "data", "--lang", language, "--out", page)
            cls.pages.append(page)
        cls.browser = browser.Browser().__enter__()
        cls.addClassCleanup(cls.browser.__exit__)

    def test_no_message_no_request_no_overflow(self):
        seen = 0
        for path in self.pages:
            for width in (400, 760, 1280):
                for dark in (False, True):
                    with self.subTest(page=path.name, width=width, dark=dark):
                        page = self.browser.open(path, width, dark=dark)
                        self.assertEqual(page.errors, [])
                        self.assertEqual([url[:60] for url in page.requests if not url.startswith(("data:", path.as_uri()))], [])
                        self.assertEqual(page.evaluate("document.documentElement.scrollWidth"), width)
                        self.assertEqual(page.evaluate(OVERFLOWING), [])
                        seen += 1
        self.assertEqual(seen, 12)

    def test_a_planted_fault_is_seen(self):
        path = self.pages[0].with_name("fault.html")
        path.write_text(self.pages[0].read_text().replace("</main>", "<div style='width:900px'>wide</div></main><script>missing()</script>"))
        page = self.browser.open(path, 400)
        self.assertTrue(page.errors)
        self.assertTrue(page.evaluate(OVERFLOWING))

    def test_dark_and_light_differ(self):
        background = "getComputedStyle(document.body).backgroundColor"
        colours = {self.browser.open(self.pages[0], 800, dark=dark).evaluate(background) for dark in (False, True)}
        self.assertEqual(len(colours), 2)

    def test_the_slider_moves_the_samples(self):
        page = self.browser.open(self.pages[0], 1280)
        place = "(function () { var f = document.querySelector('.film'); var c = document.getElementById(f.dataset.dots).children[0];" \
                "return c.getAttribute('cx') + ',' + c.getAttribute('cy'); })()"
        self.assertFalse(page.evaluate("document.querySelector('.film').hidden"))
        last = page.evaluate(place)
        page.evaluate("document.querySelector('.film input').focus()")
        for kind in ("keyDown", "keyUp"):  # Home: to the noise
            page.call("Input.dispatchKeyEvent", {"type": kind, "key": "Home", "code": "Home", "windowsVirtualKeyCode": 36})
        self.assertEqual(page.evaluate("document.querySelector('.film input').value"), "0")
        self.assertNotEqual(page.evaluate(place), last)
        page.evaluate("document.querySelector('.film button').click()")
        self.assertEqual(page.evaluate("document.querySelector('.film button').textContent"), "Stop")
        self.assertEqual(page.errors, [])

    def test_everything_that_acts_can_be_reached_and_has_a_name(self):
        page = self.browser.open(self.pages[1], 1280)
        nameless = """Array.from(document.querySelectorAll("a, button, input, [tabindex], svg[role=img]")).filter(function (e) {
          return e.tabIndex < 0 && !e.matches("svg") || !(e.getAttribute("aria-label") || e.textContent.trim()); }).map(function (e) { return e.outerHTML.slice(0, 80); })"""
        self.assertEqual(page.evaluate(nameless), [])
        self.assertEqual(page.evaluate("Array.from(document.querySelectorAll('nav a')).filter(function (a) { return !document.querySelector(a.getAttribute('href')); }).length"), 0)


if __name__ == "__main__":
    unittest.main()
