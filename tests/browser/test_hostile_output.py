"""What programs print and how they are named, against the real page: it is shown, no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, StorageState, expect

from tests.browser.visitor import Visitor
from tests.real_server import RealServer
from tests.waiting_for import until

ESC = "\x1b"
ST = ESC + "\\"
PICTURE = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
# Just below what the terminal's parser takes for one sequence.
MANY = 9_000_000

# Name: what is printed. None of it is seen, nor moves the cursor further than within its line.
SEQUENCES = {
    "clipboard, set": f"{ESC}]52;c;aGFja2Vk\a",
    "clipboard, set the selection": f"{ESC}]52;ps0;aGFja2Vk{ST}",
    "clipboard, ask": f"{ESC}]52;c;?\a",
    "clipboard, as iTerm2 has it": f"{ESC}]1337;Copy=:aGFja2Vk\a",
    "clipboard, as kitty has it": f"{ESC}]5522;type=read;Lg=={ST}",
    "title": f"{ESC}]0;hacked\a{ESC}]1;hacked\a{ESC}]2;hacked{ST}",
    "title that turns around": f"{ESC}]2;\u202ehacked\u2066{ST}",
    "title, ask": f"{ESC}[20t{ESC}[21t",
    "title, push and pop": f"{ESC}[22t{ESC}]2;hacked\a{ESC}[23t{ESC}[21t",
    "window, ask for sizes": f"{ESC}[14t{ESC}[15t{ESC}[16t{ESC}[18t{ESC}[19t",
    "window, ask for its state": f"{ESC}[11t{ESC}[13t",
    "window, move and resize": f"{ESC}[2t{ESC}[1t{ESC}[3;0;0t{ESC}[4;9;9t{ESC}[8;9;9t{ESC}[9;1t",
    "answer back": "\x05",
    "device attributes": f"{ESC}[c{ESC}[0c{ESC}[>c{ESC}[=c{ESC}Z",
    "status": f"{ESC}[5n{ESC}[?15n{ESC}[?25n{ESC}[?26n",
    "cursor": f"{ESC}[6n{ESC}[?6n",
    "modes": f"{ESC}[?1$p{ESC}[?2004$p{ESC}[4$p",
    "parameters": f"{ESC}[x{ESC}[1x",
    "version": f"{ESC}[>q{ESC}[>0q",
    "checksum of the screen": f"{ESC}[1;1;1;1;1;1*y",
    "keyboard": f"{ESC}[?u{ESC}[?4m",
    "settings": f'{ESC}P$qm{ST}{ESC}P$q"p{ST}{ESC}P$qr{ST}',
    "capabilities": f"{ESC}P+q544e;436f{ST}",
    "colours": f"{ESC}]4;1;?\a{ESC}]10;?\a{ESC}]11;?{ST}{ESC}]12;?{ST}",
    "font": f"{ESC}]50;?\a",
    "picture, as iTerm2 has it": f"{ESC}]1337;File=inline=1;name=eA==:{PICTURE}\a",
    "download, as iTerm2 has it": f"{ESC}]1337;File=inline=0;name=eA==:{PICTURE}\a",
    "other wishes, as iTerm2 has them": f"{ESC}]1337;StealFocus\a{ESC}]1337;RequestAttention=yes\a"
    f"{ESC}]1337;ReportCellSize\a{ESC}]1337;ReportVariable=bmFtZQ==\a{ESC}]1337;OpenURL=:eA==\a",
    "picture, as sixels": f'{ESC}Pq"1;1;9;9#0;2;99;0;0#0!9~-{ST}',
    "picture, as ReGIS": f"{ESC}P0pS(E)P[0,0]V[9,9]{ST}",
    "picture, as kitty has it": f"{ESC}_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA{ST}",
    "keys that are defined": f"{ESC}P0;1|17/6861636b65640d{ST}",
    "notification": f"{ESC}]9;hacked\a{ESC}]777;notify;hacked;hacked\a{ESC}]99;;hacked{ST}",
    "printer": f"{ESC}[5i{ESC}[4i{ESC}[i",
    "bells": "\a" * 100,
    "strings for others": f"{ESC}^hacked{ST}{ESC}Xhacked{ST}{ESC}_hacked{ST}",
}
# Prints what its first argument holds, item by item, after each line typed to it; keeps in its
# second everything that is typed. `CSI 5 n` is answered after all that was asked before it.
PRINTER = r"""
import json, os, sys, tty

tty.setraw(0)
sequences, answers = json.load(open(sys.argv[1])), {}

def until(end):
    got = b""
    while not got.endswith(end):
        got += os.read(0, 1)
    return got

def say(text):
    while text:
        text = text[os.write(1, text):]

say(b"ready\r\n")
for number, (name, text) in enumerate(sequences.items()):
    until(b"GO")
    say(text.encode() + b"\x1b[5n")
    got = until(b"\x1b[0n")
    say(b"\x1b[H\x1b[Jshown %d\r\n" % number)
    answers[name] = (got + until(b"END")).decode("latin-1")
with open(sys.argv[2] + ".part", "w") as kept:
    json.dump(answers, kept)
os.rename(sys.argv[2] + ".part", sys.argv[2])
"""
# Counts what makes a page heard, and keeps what it opens.
LISTEN = """
window.sounds = 0;
window.opened = [];
const open = window.open;
window.open = (...how) => { window.opened.push(how); return open(...how); };
for (const name of ["AudioContext", "Audio"]) {
  window[name] = new Proxy(window[name], { construct: () => { window.sounds += 1; return {}; } });
}
HTMLMediaElement.prototype.play = async () => { window.sounds += 1; };
"""
# The dialog tells in a task of its own that it was closed.
NEXT_TASKS = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


class Printer:
    """A session of the program above, and what it was typed."""

    def __init__(
        self, server: RealServer, folder: Path, sequences: dict[str, str], **size: int
    ) -> None:
        self.server = server
        folder.mkdir(exist_ok=True)
        self.answers = folder / "answers.json"
        self.names = list(sequences)
        (folder / "sequences.json").write_text(json.dumps(sequences))
        command = ["python3", "-c", PRINTER, str(folder / "sequences.json"), str(self.answers)]
        self.session = server.launch(*command, name="Printer", **size)

    def typed(self) -> dict[str, str]:
        """What came after each sequence, once all were printed."""
        until(self.answers.exists, timeout=10)
        answers: dict[str, str] = json.loads(self.answers.read_text())
        return answers

    def press(self, keys: str) -> None:
        """Type without a browser."""
        self.server.request("POST", f"/api/sessions/{self.session}/input", {"data": keys})

    def has_shown(self, line: str) -> bool:
        """Whether the line is on the server's own screen."""
        screen = self.server.request("GET", f"/api/sessions/{self.session}/screen")
        return line in [shown.rstrip() for shown in screen["lines"]]

    def print_all(self) -> dict[str, str]:
        """Print everything with no browser attached."""
        until(lambda: self.has_shown("ready"), timeout=10)
        for number, _ in enumerate(self.names):
            self.press("GO")
            until(lambda line=f"shown {number}": self.has_shown(line), timeout=10)  # type: ignore[misc]  # the line of this turn
            self.press("END")
        return self.typed()


class Witness:
    """Keeps what a page does besides showing a session and asking the server about it."""

    def __init__(self, page: Page, server: RealServer) -> None:
        self.done: list[str] = []
        self.own = f"{server.public_url}/api/"
        page.add_init_script(LISTEN)
        page.on("dialog", lambda dialog: self._note("dialog", dialog.message, dialog.dismiss))
        page.on("download", lambda download: self._note("download", download.url))
        page.on("framenavigated", lambda frame: self._note("navigation", frame.url))
        page.on("request", lambda request: self._requested(request.url))
        page.context.on("page", lambda opened: self._note("page", opened.url))

    def _requested(self, url: str) -> None:
        if not url.startswith(self.own):
            self._note("request", url)

    def _note(self, what: str, which: str, then: Any = lambda: None) -> None:
        self.done.append(f"{what}: {which}")
        then()


@pytest.fixture
def visitor(chromium: Browser, server: RealServer, logged_in: StorageState) -> Iterator[Visitor]:
    """Somebody logged in whose clipboard holds something."""
    with chromium.new_context(storage_state=logged_in) as context:
        yield Visitor(context.new_page(), server)


def test_nothing_that_is_printed_does_more_than_draw(
    visitor: Visitor, server: RealServer, tmp_path: Path
) -> None:
    printer, witness = (
        Printer(server, tmp_path / "watched", SEQUENCES),
        Witness(visitor.page, server),
    )
    visitor.open(printer.session)
    keep_in_clipboard(visitor, "my own text")
    title = visitor.page.title()
    witness.done.clear()
    for number, name in enumerate(SEQUENCES):
        # What the page would answer goes before what is typed on it later.
        visitor.type("GO")
        visitor.sees(f"shown {number}")
        assert (name, visitor.page.title()) == (name, title)
        visitor.type("END")
    cols, rows = visitor.size()
    alone = Printer(server, tmp_path / "alone", SEQUENCES, cols=cols, rows=rows)
    assert printer.typed() == alone.print_all()
    assert witness.done == []
    assert visitor.page.evaluate("window.sounds") == 0
    assert visitor.page.locator("#terminal img, #terminal canvas, #terminal iframe").count() == 0
    assert in_clipboard(visitor) == "my own text"
    assert visitor.errors == []


def keep_in_clipboard(visitor: Visitor, text: str) -> None:
    """Copy text as a user would."""
    field = visitor.page.locator("#find-text")
    visitor.page.locator("#find-open").click()
    field.fill(text)
    field.press("Control+A")
    field.press("Control+C")
    field.press("Escape")


def in_clipboard(visitor: Visitor) -> str:
    """Paste as a user would; what came."""
    visitor.page.locator("#find-open").click()
    field = visitor.page.locator("#find-text")
    field.fill("")
    field.press("Control+V")
    return field.input_value()


def test_the_server_alone_knows_whether_anybody_looks(
    visitor: Visitor, server: RealServer, tmp_path: Path
) -> None:
    printer = Printer(server, tmp_path, {"focus": f"{ESC}[?1004h"})
    visitor.open(printer.session)
    visitor.type("GO")
    visitor.sees("shown 0")
    for _ in range(3):
        visitor.page.locator("#panel-toggle").focus()
        visitor.page.locator("#terminal textarea").focus()
    visitor.type("END")
    assert printer.typed() == {"focus": f"{ESC}[0nEND"}


def heap(page: Page) -> int:
    """The bytes that the page's objects hold."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used: int = session.send("Runtime.getHeapUsage")["usedSize"]
    return used


def test_endless_titles_and_addresses_leave_nothing_behind(
    visitor: Visitor, server: RealServer, tmp_path: Path
) -> None:
    endless = {
        "title": f"{ESC}]2;{'x' * MANY}\a",
        "unknown string": f"{ESC}]7777;{'x' * MANY}\a",
        "address": f"{ESC}]8;;https://x.example/{'y' * MANY}{ST}link{ESC}]8;;{ST}",
        "addresses": "".join(
            f"{ESC}]8;;https://x.example/{number}{'z' * 1900}{ST}x{ESC}]8;;{ST}"
            for number in range(MANY // 2000)
        ),
    }
    printer = Printer(server, tmp_path, endless)
    visitor.open(printer.session)
    before = heap(visitor.page)
    for number, _ in enumerate(endless):
        visitor.type("GO")
        visitor.sees(f"shown {number}")
        visitor.type("END")
    printer.typed()
    assert heap(visitor.page) - before < 2 * MANY
    assert visitor.errors == []


def test_marks_upon_marks_do_not_hold_up_the_page(visitor: Visitor, server: RealServer) -> None:
    heap_of_marks = r"input(); print('e' + '\u0301' * 40_000); print('after'); input()"
    visitor.open_without_output(server.launch("python3", "-c", heap_of_marks))
    visitor.type("\n")
    visitor.sees("after")


# Links

LINKS = {
    "script": "javascript:document.title='hacked'",
    "file": "file:///etc/passwd",
    "data": "data:text/html,hacked",
    "page": "https://docs.example/page?a=b#c",
    "user": "https://bank.example@evil.example/",
    "letters": "https://b\u0430nk.example/\u202egpj.exe",
}


@contextmanager
def links(visitor: Visitor, server: RealServer, folder: Path) -> Iterator[Witness]:
    """A page with a terminal that has a link in each line, and one more that is the text itself."""
    lines = [f"{ESC}]8;;{address}{ST}{name}{ESC}]8;;{ST}" for name, address in LINKS.items()]
    text = "\r\n".join([*lines, "see http://plain.example/path for more", ""])
    command = 'read go; cat "$0"; exec sleep 1000'
    (folder / "links").write_text(text)
    session = server.launch("sh", "-c", command, str(folder / "links"))
    witness = Witness(visitor.page, server)
    visitor.open_without_output(session)
    visitor.type("\n")
    visitor.sees("see http://plain.example/path for more")
    witness.done.clear()
    yield witness
    assert visitor.page.title() != "hacked"


def press_on(visitor: Visitor, word: str) -> None:
    """Click on a word in the terminal, as soon as the pointer has found it."""
    row = visitor.page.locator("#terminal .xterm-rows > div", has_text=word)
    column = row.inner_text().index(word)
    box = row.bounding_box()
    assert box
    cell = (
        visitor.page.evaluate("() => document.querySelector('.xterm-screen').offsetWidth")
        / visitor.size()[0]
    )
    visitor.page.mouse.move(box["x"] + 400, box["y"] + 300)
    visitor.page.mouse.move(box["x"] + cell * (column + 1.5), box["y"] + box["height"] / 2)
    visitor.page.mouse.down()
    visitor.page.mouse.up()


def opened(visitor: Visitor) -> list[list[str]]:
    """With what the page has called `window.open`."""
    calls: list[list[str]] = visitor.page.evaluate("window.opened")
    return calls


@pytest.mark.parametrize("word", ["script", "file", "data"])
def test_a_link_that_is_not_of_the_web_does_nothing(
    word: str, visitor: Visitor, server: RealServer, tmp_path: Path
) -> None:
    with links(visitor, server, tmp_path) as witness:
        press_on(visitor, word)
        # The next that works shows that the pointer is where it was meant to be.
        press_on(visitor, "page")
        expect(visitor.page.locator("#confirm-detail")).to_have_text(LINKS["page"])
        assert (opened(visitor), witness.done) == ([], [])


@pytest.mark.parametrize(
    ("word", "address", "site"),
    [
        ("page", LINKS["page"], "docs.example"),
        ("user", LINKS["user"], "evil.example"),
        ("letters", "https://xn--bnk-6cd.example/%E2%80%AEgpj.exe", "xn--bnk-6cd.example"),
        ("http:", "http://plain.example/path", "plain.example"),
    ],
)
def test_a_link_shows_its_real_address_before_it_opens(
    word: str, address: str, site: str, visitor: Visitor, server: RealServer, tmp_path: Path
) -> None:
    with links(visitor, server, tmp_path) as witness:
        press_on(visitor, word)
        expect(visitor.page.locator("#confirm-detail")).to_have_text(address)
        expect(visitor.page.locator("#confirm-detail strong")).to_have_text(site)
        visitor.press("Enter")
        expect(visitor.page.locator("#confirm-dialog")).to_be_hidden()
        visitor.page.evaluate(NEXT_TASKS)
        assert (opened(visitor), witness.done) == ([], [])


def test_a_page_that_was_opened_learns_nothing_of_this_one(
    visitor: Visitor, server: RealServer, tmp_path: Path
) -> None:
    asked: list[dict[str, str]] = []

    def answer(route: Route) -> None:
        asked.append(route.request.all_headers())
        route.fulfill(body="<title>there</title>", content_type="text/html")

    visitor.page.context.route("https://docs.example/**", answer)
    with links(visitor, server, tmp_path):
        press_on(visitor, "page")
        with visitor.page.context.expect_page() as expected:
            visitor.page.get_by_role("button", name="Open in a new tab").click()
        there = expected.value
        there.wait_for_load_state()
        assert there.url == LINKS["page"]
        assert there.evaluate("[window.opener, document.referrer]") == [None, ""]
        assert "referer" not in asked[0]
        assert opened(visitor) == [[LINKS["page"], "_blank", "noopener,noreferrer"]]
        assert visitor.page.url.startswith(server.public_url)


# Names and questions

TURNED = "gnp\u202e.\u2066sh\u200b"
SHOWN_TEXT = """() => {
  const attributes = ["title", "value", "placeholder", "alt", "aria-label", "label"];
  const said = [document.title, document.body.innerText];
  for (const element of document.querySelectorAll("*")) {
    said.push(...attributes.map((name) => element.getAttribute(name) ?? ""), element.value ?? "");
    for (const child of element.childNodes) if (child.nodeType === 3) said.push(child.data);
  }
  return said.join("\\n");
}"""


def test_names_and_questions_are_shown_without_what_is_unseen(
    visitor: Visitor, server: RealServer
) -> None:
    session = server.launch("sh", "-c", f"sleep 1000 # {TURNED}", name=f"{TURNED} name")
    ended = server.launch("sh", "-c", f": {TURNED}", name=f"{TURNED} ended")
    visitor.awaits(lambda: server.session(ended)["endedAt"], "the end")
    options = [{"id": TURNED, "name": f"{TURNED} one", "pros": TURNED}]
    question = {"type": "decision", "decision": f"{TURNED}?", "context": TURNED, "options": options}
    server.request("POST", f"/api/sessions/{session}/checkpoint", question)
    for path in ("/", "/history", f"/sessions/{session}", f"/sessions/{ended}"):
        visitor.go(path)
        visitor.awaits(lambda: "gnp.sh" in visitor.page.evaluate(SHOWN_TEXT), "the name")
        if path.endswith(session):
            expect(visitor.page.locator("#ask-answers")).to_contain_text("gnp.sh one")
            expect(visitor.page).to_have_title("(1) gnp.sh name · Session harness")
        visitor.page.locator("#new-session").click()
        expect(visitor.page.locator("#start-dialog")).to_be_visible()
        shown = visitor.page.evaluate(SHOWN_TEXT)
        assert [sign for sign in "\u202e\u2066\u200b" if sign in shown] == [], path
    assert visitor.errors == []


def test_starting_again_fills_in_what_is_seen(visitor: Visitor, server: RealServer) -> None:
    ended = server.launch("echo", TURNED, name=TURNED)
    visitor.awaits(lambda: server.session(ended)["endedAt"], "the end")
    visitor.go(f"/sessions/{ended}")
    visitor.page.get_by_role("button", name="Start again").click()
    expect(visitor.page.locator("#start-command")).to_have_value("echo 'gnp.sh'")
    expect(visitor.page.locator("#start-name")).to_have_value("gnp.sh")
