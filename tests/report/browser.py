"""A headless Chromium driven over its debugging pipe; standard library only.

    with Browser() as browser:
        page = browser.open(path, width=400, dark=True)
        page.errors; page.evaluate("1 + 1"); page.screenshot("page.png")
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium():
    return os.environ.get("CP_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                 "--disable-background-networking", f"--user-data-dir={self.profile.name}", "--remote-debugging-pipe"]
        # The pipe is file descriptors 3 (commands) and 4 (answers) of the browser.
        command = 'exec 3<&$1 4>&$2; shift 2; exec "$@"'
        self.process = subprocess.Popen(["bash", "-c", command, "-", str(to_read), str(from_write), find_chromium(), *flags],
                                        pass_fds=(to_read, from_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.number, self.buffer, self.events = 0, b"", []
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        os.close(self.to_write)
        os.close(self.from_read)
        self.profile.cleanup()

    def message(self):
        while b"\0" not in self.buffer:
            chunk = os.read(self.from_read, 1 << 16)
            if not chunk:
                raise RuntimeError("the browser has ended")
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, params=None, session=None):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params or {}}
        if session:
            request["sessionId"] = session
        os.write(self.to_write, json.dumps(request).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, path, width, height=900, dark=False):
        return Page(self, pathlib.Path(path).resolve().as_uri(), width, height, dark)


class Page:
    def __init__(self, browser, address, width, height, dark):
        self.browser = browser
        target = browser.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = browser.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        browser.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        self.call("Page.navigate", {"url": address})
        end = time.monotonic() + 60
        while self.evaluate("document.readyState") != "complete" and time.monotonic() < end:
            time.sleep(0.05)

    def call(self, method, params=None):
        return self.browser.call(method, params, self.session)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def of(self, *methods):
        self.evaluate("0")  # what was said until now has arrived
        return [event["params"] for event in self.browser.events if event.get("method") in methods]

    @property
    def errors(self):
        """Exceptions, console errors and warnings, refused and failed resources."""
        found = [str(event) for event in self.of("Runtime.exceptionThrown", "Network.loadingFailed")]
        found += [str(event) for event in self.of("Runtime.consoleAPICalled") if event["type"] in ("error", "warning", "assert")]
        return found + [str(event) for event in self.of("Log.entryAdded") if event["entry"]["level"] in ("error", "warning")]

    @property
    def requests(self):
        return [event["request"]["url"] for event in self.of("Network.requestWillBeSent")]

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", {"captureBeyondViewport": True,
                                                    "clip": {**self.size(), "x": 0, "y": 0, "scale": 1}})["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def size(self):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"width": size["width"], "height": size["height"]}
