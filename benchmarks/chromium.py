"""Drives a Chromium that is installed, over a pair of pipes: no library, no port, no network.

Debian: `apt-get install chromium`. What is spoken is the DevTools protocol, one JSON message after another, each ended
by a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_LISTEN = """
window.told ??= new PerformanceObserver(list => list.getEntries().forEach(one => told.durations.push(one.duration)));
told.durations = []; told.observe({type: 'event', durationThreshold: 16});
"""
_TOLD = """
new Promise(done => setTimeout(() => {
  told.takeRecords().forEach(one => told.durations.push(one.duration)); done(Math.max(0, ...told.durations)); }, 250))
"""

NAMES = ("chromium", "chromium-browser", "google-chrome")


class PageError(Exception):
    """The page's own program failed, or the browser refused."""


class Chromium:
    """One browser with one page.

    Args:
        width: Pixels of the window.
        height: Likewise.

    Attributes:
        requests: Addresses the page asked for, its own among them.
        complaints: What its program wrote to the console as an error, or threw.
    """

    def __init__(self, width: int = 1400, height: int = 1000) -> None:
        program = next((found for name in NAMES if (found := shutil.which(name))), None)
        if program is None:
            raise SystemExit(f"no browser: none of {', '.join(NAMES)} is installed")
        self._home = tempfile.TemporaryDirectory(prefix="chromium-")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        arguments = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
            "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={self._home.name}", "about:blank",
        ]  # fmt: skip

        def pipes() -> None:
            # The browser reads from 3 and writes to 4. They are moved out of the way first: one may be the other.
            read, write = os.dup(to_browser), os.dup(from_browser)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(arguments, preexec_fn=pipes, close_fds=False, stderr=subprocess.DEVNULL)  # noqa: PLW1509
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._number = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send("Performance.enable", timeDomain="threadTicks")
        self.size(width, height)

    _session: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._in)
        os.close(self._out)
        self._home.cleanup()

    def send(self, method: str, **parameters: Any) -> Any:
        """One command and its answer; what the page reports meanwhile is noted."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        for answer in self._messages():
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise PageError(f"{method}: {answer['error']['message']}")
                return answer["result"]
        raise PageError("the browser ended")

    def _messages(self) -> Iterator[dict[str, Any]]:
        while True:
            *whole, self._rest = self._rest.split(b"\0")
            for number, message in enumerate(whole):
                read = json.loads(message)
                self._note(read)
                if "id" in read:
                    self._rest = b"\0".join([*whole[number + 1 :], self._rest])
                    yield read
                    break
            else:
                chunk = os.read(self._in, 1 << 20)
                if not chunk:
                    return
                self._rest += chunk

    def _note(self, message: dict[str, Any]) -> None:
        about = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.complaints.append(about["entry"]["text"])

    def size(self, width: int, height: int) -> None:
        """Sets the window's size in pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def dark(self, dark: bool) -> None:
        """Makes the system say that it is dark, or light."""
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )

    def spent(self) -> float:
        """Milliseconds of processor time of all the browser's processes so far."""
        parents: dict[int, int] = {}
        times: dict[int, float] = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            number = int(entry.parent.name)
            parents[number] = int(fields[1])
            times[number] = 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        own = {self._process.pid}
        while more := {number for number, parent in parents.items() if parent in own} - own:
            own |= more
        return sum(times[number] for number in own if number in times)

    def open(self, path: Path) -> tuple[float, float]:
        """Opens a file; gives milliseconds to two frames after its program drew: by the clock, of the processor."""
        before = self.spent()
        self.send("Page.navigate", url=path.resolve().as_uri())
        wall = float(
            self.run(
                "new Promise(done => { const frames = () => requestAnimationFrame(() => requestAnimationFrame("
                "() => done(performance.now()))); document.readyState === 'complete' ? frames() : "
                "addEventListener('load', frames); })"
            )
        )
        return wall, self.spent() - before

    def run(self, code: str) -> Any:
        """The value of an expression on the page, waited for.

        Raises:
            PageError: It threw.
        """
        answer = self.send("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def busy(self) -> float:
        """Milliseconds of processor time of the page's main thread so far."""
        metrics = {one["name"]: one["value"] for one in self.send("Performance.getMetrics")["metrics"]}
        return 1000 * float(metrics["TaskDuration"])

    def felt(self, act: Callable[[], None]) -> tuple[float, float]:
        """Milliseconds somebody waits for what an input does: by the clock, and of the page's main thread.

        The clock is Chromium's own, as its Event Timing tells it (of which Interaction to Next Paint is made): from
        the time stamp of the input to the presentation of the first frame after what the page did about it, laid out,
        painted and rastered; the longest of the input's events. It comes in steps of 8 ms, and what is done within
        16 is not told: that counts as 16. The way of a command from this program to the browser is no part of it.

        Args:
            act: Presses, clicks or writes, by `key`, `click`, `mouse` or `write`: nothing else has events to be timed.
        """
        self.run(_LISTEN)
        before = self.busy()
        act()
        # What was presented is told with the frame after; the main thread's time is asked for before that.
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        busy = self.busy() - before
        return max(16.0, float(self.run(_TOLD))), busy

    def key(self, key: str, code: int = 0) -> None:
        """Presses a key, as a person would."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, text=text if kind == "keyDown" else "",
                windowsVirtualKeyCode=code or (ord(key.upper()) if len(key) == 1 else 0),
            )  # fmt: skip

    def write(self, text: str) -> None:
        """Types a text into what has the focus."""
        self.send("Input.insertText", text=text)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """One event of the mouse: `mousePressed`, `mouseMoved`, `mouseReleased`, `mouseWheel`."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click_at(self, x: float, y: float) -> None:
        """Clicks at a point of the screen."""
        self.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)

    def click(self, selector: str, clicks: int = 1) -> None:
        """Clicks in the middle of the first element that a selector finds."""
        x, y = self.run(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for number in range(1, clicks + 1):
            self.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=number)
            self.mouse("mouseReleased", x, y, button="left", clickCount=number)

    def shoot(self, path: Path) -> None:
        """Saves what is seen as a PNG; a small one where `pngquant` is installed."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))
        smaller = shutil.which("pngquant")
        if smaller:
            subprocess.run([smaller, "--force", "--ext", ".png", "64", path], check=True)


@contextmanager
def browser(width: int = 1400, height: int = 1000) -> Iterator[Chromium]:
    """A browser that is ended whatever happens."""
    with Chromium(width, height) as found:
        yield found
