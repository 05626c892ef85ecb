"""A real Chromium without a window, driven over its DevTools protocol, for what has to be clicked, drawn and looked at.

It reaches no host but this one: a page that asks for another is told that there is none, and `Tab.requests` says so.
"""

import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

TIMEOUT_S = 30.0
_OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0"),
]
_CODES = {"Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def has_browser() -> bool:
    """Whether Debian's chromium is installed."""
    return shutil.which("chromium") is not None


@contextlib.contextmanager
def browser(profile: Path) -> Iterator["Tab"]:
    """An empty tab of a browser of its own, which ends with the block."""
    process = subprocess.Popen(
        ["chromium", *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port, path = _address(profile / "DevToolsActivePort", process)
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as connection:
            yield Tab(connection)
    finally:
        process.kill()
        process.wait()


class Tab:
    """One page, and what it asked for and complained of."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._n_asked = 0
        self._session: str | None = None
        self.requests: list[str] = []
        """Addresses that the page asked for, in order."""
        self.complaints: list[str] = []
        """Errors of scripts, of the security policy and in the console; not of what the service refused."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for what it returns."""
        self._n_asked += 1
        message = {"id": self._n_asked, "method": method, "params": params}
        self._connection.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while True:
            answer = json.loads(self._connection.recv(TIMEOUT_S))
            if answer.get("id") == self._n_asked:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._hear(answer)

    def open(self, url: str, *, width: int = 1000, height: int = 800, scheme: str = "light") -> None:
        """Load a page into a window of this size, for a person who likes it light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Page.navigate", url=url)
        self.until(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def script(self, expression: str) -> Any:
        """What an expression gives in the page, as JSON has it."""
        done = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, f"{expression}: {done['exceptionDetails']}"
        return done["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + TIMEOUT_S
        while not self.script(expression):
            assert time.monotonic() < end, f"never came true: {expression}\n{self.text('body')}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """What a reader sees of an element; nothing where it is hidden."""
        found = f"document.querySelector({json.dumps(selector)})"
        return str(self.script(f"{found}.checkVisibility() ? {found}.innerText : ''"))

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element, which is brought into view."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.script(f"{found}.scrollIntoView({{block: 'center'}})")
        left, top, width, height = self.script(f"(r => [r.x, r.y, r.width, r.height])({found}.getBoundingClientRect())")
        return left, top, width, height

    def click(self, selector: str) -> None:
        """Press and release the left button on the middle of an element."""
        self.draw(selector, [(0.5, 0.5)])

    def draw(self, selector: str, stroke: Sequence[tuple[float, float]], *, finger: bool = False) -> None:
        """Drag the mouse, or a finger, over an element, through points in shares of its width and height."""
        left, top, width, height = self.box(selector)
        point = self._touch if finger else self._mouse
        (x, y), *others = [(left + width * across, top + height * down) for across, down in stroke]
        point("Pressed", x, y)
        for x, y in others:
            point("Moved", x, y)
        point("Released", x, y)

    def type(self, text: str) -> None:
        """Write into what has the focus, as from a keyboard."""
        self.ask("Input.insertText", text=text)

    def press(self, *keys: str) -> None:
        """Press keys together, and release them in reverse."""
        for key in keys:
            text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
            self.ask(
                "Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=_CODES.get(key, 0), **text
            )
        for key in reversed(keys):
            self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=_CODES.get(key, 0))

    def upload(self, selector: str, path: Path) -> None:
        """Choose a file."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def picture(self, *, whole: bool = False) -> bytes:
        """What the window shows, or the whole page, as a PNG."""
        return base64.b64decode(
            self.ask("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole))["data"]
        )

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {**size, "scale": 1}}

    def _mouse(self, kind: str, x: float, y: float) -> None:
        self.ask("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, button="left", buttons=1, clickCount=1)

    def _touch(self, kind: str, x: float, y: float) -> None:
        name = {"Pressed": "touchStart", "Moved": "touchMove", "Released": "touchEnd"}[kind]
        self.ask("Input.dispatchTouchEvent", type=name, touchPoints=[] if kind == "Released" else [{"x": x, "y": y}])

    def _hear(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        match event["method"]:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["source"] != "network" and params["entry"]["level"] == "error":
                self.complaints.append(params["entry"]["text"])


def _address(file: Path, process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Port and path, which the browser writes when it listens."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        if len(lines) == 2:
            return int(lines[0]), lines[1]
        time.sleep(0.05)
    raise AssertionError("chromium did not start to listen")
