"""Real pages under their content security policy: they keep to it, and it is in force."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Browser, Page, Playwright, Route, StorageState, expect

from tests.browser.conftest import ARGUMENTS, Visit
from tests.browser.visitor import Visitor
from tests.real_server import RealServer

LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(
  `${event.violatedDirective}: ${event.blockedURI} ${event.sample}`
));
"""
NEXT_FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
PAINTER = r"""
for base in 38 48; do
  for n in $(seq 0 255); do printf "\033[$base;5;${n}mx\033[0m"; done; printf "\r\n"
done
printf "\033[38;2;255;200;0;48;2;10;20;30mtrue colour\033[0m \033[1mbold\033[0m "
printf "\033[4;58;2;1;200;3munderlined\033[0m \033[3mitalic\033[0m \033[48;5;196m \033[0m\r\nready"
exec sleep 1000
"""
# The renderer that software gives its own name, taken for a graphics card.
PRETEND_CARD = """
const tell = WebGL2RenderingContext.prototype.getParameter;
WebGL2RenderingContext.prototype.getParameter = function (name) {
  return name === 0x9246 ? "A graphics card" : tell.call(this, name);
};
"""
SOFTWARE_CARD = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


class Watched:
    """A page that keeps what it violated, over all the addresses it goes to."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seen: list[str] = []
        self.violations: list[str] = []
        page.add_init_script(LISTEN)

    def look(self, address: str, settled: str = "") -> None:
        """Open a page, wait for what shows that it has settled, keep what it violated."""
        self.page.goto(address)
        if settled:
            expect(self.page.locator(settled)).to_be_attached()
        self.keep()

    def keep(self) -> None:
        """Keep what the page violated so far."""
        self.page.evaluate(NEXT_FRAME)
        self.seen.append(self.page.url)
        found = self.page.evaluate("window.violations")
        self.violations += [f"{self.page.url}: {violation}" for violation in found]


def paint(server: RealServer) -> str:
    """Start a session that shows every colour."""
    return server.launch("sh", "-c", PAINTER, name="Painter")


def ended(server: RealServer, visitor: Visitor) -> str:
    """A session that has ended."""
    session = server.launch("echo", "done", name="Done")
    visitor.awaits(lambda: server.session(session)["endedAt"], "the end")
    return session


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_violates_its_policy(visit: Visit, server: RealServer, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    live = '#connection[data-state="live"]'
    running, over = paint(server), ended(server, visitor)
    watched = Watched(visitor.page)
    for path, settled in {
        "/": f"body:has({live}) .preview:has-text('ready')",
        "/history": live,
        "/settings": live,
        f"/sessions/{running}": "#terminal .xterm-rows:has-text('ready')",
        f"/sessions/{over}": "#terminal .xterm-rows:has-text('done')",
        "/nowhere": "",
        "/login": "",
        "/api/schema?format=json": "",
        "/api/sessions": "",
        "/health": "",
        "/static/dashboard/img/mark.svg": "",
    }.items():
        watched.look(server.public_url + path, settled)
    assert watched.violations == []


def test_no_page_without_a_login_violates_its_policy(chromium: Browser, server: RealServer) -> None:
    session = paint(server)
    link = server.request("POST", f"/api/sessions/{session}/shares", {"hours": 1})["url"]
    with chromium.new_context() as context:
        visitor = Visitor(context.new_page(), server)
        watched = Watched(visitor.page)
        watched.look(server.public_url + "/login")
        visitor.page.get_by_text("Use a password").click()
        visitor.page.get_by_label("Username").fill("nobody")
        visitor.page.get_by_label("Password").fill("wrong")
        visitor.page.get_by_role("button", name="Log in").click()
        expect(visitor.page.get_by_role("alert")).to_be_visible()
        watched.keep()
        watched.look(link, "#terminal .xterm-rows:has-text('ready')")
        assert watched.seen[-1].endswith(session)
        assert (watched.violations, visitor.errors) == ([], [])


def administration(over: str) -> Iterator[str]:
    """The addresses of its pages: every list, and those that are not reached from a list."""
    yield reverse("admin:index")
    for model in admin.site._registry:
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for name in ("sessions_app_recovery", "auth_user_add", "auth_group_add", "password_change"):
        yield reverse(f"admin:{name}")
    yield reverse("admin:app_list", args=["sessions_app"])
    yield reverse("admin:auth_user_password_change", args=[1])
    for verb in ("delete", "history"):
        yield reverse(f"admin:sessions_app_session_{verb}", args=[over])
    yield reverse("admin:sessions_app_session_changelist") + "?q=x&activity=ended"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_the_administration_violates_its_policy(
    visit: Visit, server: RealServer, scheme: str
) -> None:
    visitor = visit(color_scheme=scheme)
    paint(server)
    over = ended(server, visitor)
    watched = Watched(visitor.page)
    for path in administration(over):
        watched.look(server.public_url + path)
        rows = visitor.page.locator("#result_list tbody th a")
        if rows.count():
            watched.look(server.public_url + str(rows.first.get_attribute("href")))
    assert len([url for url in watched.seen if url.endswith("/change/")]) >= 4
    assert watched.violations == []


def test_the_administration_s_own_scripts_work(visit: Visit, server: RealServer) -> None:
    visitor = visit()
    over = ended(server, visitor)
    watched = Watched(visitor.page)
    watched.look(server.public_url + reverse("admin:auth_group_add"))
    visitor.page.locator("#id_permissions_input").press_sequentially("change log entry")
    offered = visitor.page.locator("#id_permissions_from option")
    visitor.awaits(lambda: offered.count() == 1, "the one that fits the filter")
    visitor.page.get_by_role("button", name=re.compile("Choose all")).click()
    expect(visitor.page.locator("#id_permissions_to option")).to_have_count(1)
    watched.look(server.public_url + reverse("admin:sessions_app_session_changelist"))
    visitor.page.locator(f'input[value="{over}"]').check()
    expect(visitor.page.locator(".action-counter")).to_contain_text("1 of")
    visitor.page.locator('select[name="action"]').select_option("delete_selected")
    visitor.page.get_by_role("button", name="Go").click()
    expect(visitor.page.locator("h1")).to_have_text("Delete multiple objects")
    watched.keep()
    assert watched.violations == []


# Colours


def cell_style(page: Page, text: str, nth: int = 0) -> dict[str, str]:
    """How a cell that holds `text` is drawn."""
    cell = page.locator("#terminal .xterm-rows span", has_text=re.compile(f"^{text}")).nth(nth)
    style: dict[str, str] = cell.evaluate(
        """(cell) => {
          const { color, backgroundColor, fontWeight, textDecorationColor, fontStyle }
            = getComputedStyle(cell);
          return { color, backgroundColor, fontWeight, textDecorationColor, fontStyle };
        }"""
    )
    return style


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_terminal_drawn_with_elements_has_its_colours(
    visit: Visit, server: RealServer, scheme: str
) -> None:
    visitor = visit(color_scheme=scheme)
    visitor.open(paint(server))
    visitor.sees("ready")
    assert cell_style(visitor.page, "true colour") | {} == {
        "color": "rgb(255, 200, 0)",
        "backgroundColor": "rgb(10, 20, 30)",
        "fontWeight": "400",
        "textDecorationColor": "rgb(255, 200, 0)",
        "fontStyle": "normal",
    }
    assert cell_style(visitor.page, "bold")["fontWeight"] == "700"
    assert cell_style(visitor.page, "italic")["fontStyle"] == "italic"
    assert cell_style(visitor.page, "underlined")["textDecorationColor"] == "rgb(1, 200, 3)"
    grounds = visitor.page.locator("#terminal .xterm-rows span").evaluate_all(
        "(cells) => cells.map((cell) => getComputedStyle(cell).backgroundColor)"
    )
    # Of the 256: two of the cube, the darkest and the lightest grey.
    expected = {"rgb(255, 0, 0)", "rgb(0, 0, 95)", "rgb(8, 8, 8)", "rgb(238, 238, 238)"}
    assert expected <= set(grounds)


@pytest.fixture
def drawing_chromium(playwright: Playwright) -> Iterator[Browser]:
    """A browser with WebGL, drawn by software."""
    arguments = [one for one in ARGUMENTS if one != "--disable-gpu"]
    path = shutil.which("chromium")
    browser = playwright.chromium.launch(executable_path=path, args=arguments + SOFTWARE_CARD)
    yield browser
    browser.close()


def colours(browser: Browser, picture: bytes) -> set[tuple[int, ...]]:
    """The colours of a PNG."""
    decode = """async (encoded) => {
      const picture = await fetch(`data:image/png;base64,${encoded}`);
      const bitmap = await createImageBitmap(await picture.blob());
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      canvas.drawImage(bitmap, 0, 0);
      const { data: bytes } = canvas.getImageData(0, 0, bitmap.width, bitmap.height);
      return [...new Set(new Uint32Array(bytes.buffer))];
    }"""
    page = browser.new_page()
    found = page.evaluate(decode, base64.b64encode(picture).decode())
    page.close()
    return {tuple(number.to_bytes(4, "little")[:3]) for number in found}


def test_a_terminal_drawn_by_the_graphics_card_has_its_colours(
    drawing_chromium: Browser, server: RealServer, logged_in: StorageState
) -> None:
    session = paint(server)
    with drawing_chromium.new_context(storage_state=logged_in) as context:
        visitor = Visitor(context.new_page(), server)
        watched = Watched(visitor.page)
        visitor.page.add_init_script(PRETEND_CARD)
        visitor.go(f"/sessions/{session}")
        canvas = visitor.page.locator("#terminal .xterm-screen canvas")
        expect(canvas.first).to_be_attached()
        expected = {(255, 0, 0), (0, 0, 95), (238, 238, 238), (10, 20, 30)}
        place = visitor.page.locator("#terminal")
        visitor.awaits(
            lambda: expected <= colours(drawing_chromium, place.screenshot()), "the colours"
        )
        watched.keep()
        assert (watched.violations, visitor.errors) == ([], [])


# The policy is in force


INJECTED = {
    "a script": ("script-src-elem", "<script>window.hurt = 1</script>"),
    "a script with a nonce that is not the page's": (
        "script-src-elem",
        '<script nonce="x">window.hurt = 1</script>',
    ),
    "a script of this server": (
        "script-src-elem",
        '<script src="/static/dashboard/js/theme-first.js"></script>',
    ),
    "an event handler": ("script-src-attr", '<img src="x:" onerror="window.hurt = 1">'),
    "a style sheet": ("style-src-elem", "<style>main { display: none }</style>"),
    "a style": ("style-src-attr", '<p style="top: 0">x</p>'),
    "a picture from elsewhere": ("img-src", '<img src="http://127.0.0.1:9/x.png">'),
    "a picture in the address": (
        "img-src",
        '<img src="data:image/gif;base64,R0lGODlhAQABAAAAADs=">',
    ),
    "a frame": ("frame-src", '<iframe src="/health"></iframe>'),
    "a plug-in": ("object-src", '<object data="/health"></object>'),
    "another base for addresses": ("base-uri", '<base href="http://127.0.0.1:9/">'),
    "a sound": ("media-src", '<audio src="/health" autoplay></audio>'),
}
ATTEMPTED = {
    "text as code": ("require-trusted-types-for", "setTimeout('window.hurt = 1')"),
    "text as markup": ("require-trusted-types-for", "document.body.innerHTML = '<p>'"),
    "a worker": ("require-trusted-types-for", "new Worker('/static/x.js')"),
    "trusted types of its own": (
        "trusted-types",
        "trustedTypes.createPolicy('default', { createHTML: (text) => text })",
    ),
    "another script": ("script-src-elem", "import('http://127.0.0.1:9/x.js').catch(() => {})"),
    "another server": ("connect-src", "fetch('http://127.0.0.1:9/').catch(() => {})"),
    "another live stream": ("connect-src", "new WebSocket('ws://127.0.0.1:9/')"),
    "a form that is sent elsewhere": (
        "form-action",
        "const form = document.createElement('form'); form.action = 'http://127.0.0.1:9/'; "
        "document.body.append(form); form.submit()",
    ),
}


@pytest.fixture
def visitor(chromium: Browser, server: RealServer, logged_in: StorageState) -> Iterator[Visitor]:
    """Somebody logged in whose page may complain of what it is not allowed."""
    with chromium.new_context(storage_state=logged_in) as context:
        yield Visitor(context.new_page(), server)


def refused(visitor: Visitor, watched: Watched) -> str:
    """What the page was refused, as soon as it was."""
    visitor.awaits(lambda: visitor.page.evaluate("window.violations.length"), "a refusal")
    watched.keep()
    assert visitor.page.evaluate("window.hurt") is None
    return "\n".join(watched.violations)


@pytest.mark.parametrize("what", INJECTED)
def test_what_was_smuggled_into_a_page_does_nothing(what: str, visitor: Visitor) -> None:
    directive, markup = INJECTED[what]
    watched, public = Watched(visitor.page), visitor.server.public_url

    def smuggle(route: Route) -> None:
        # Only the browser itself finds names below .localhost.
        headers = route.request.all_headers() | {"host": public.removeprefix("http://")}
        answer = route.fetch(url=f"{visitor.server.url}/history", headers=headers)
        route.fulfill(response=answer, body=answer.text().replace("<title>", f"{markup}<title>", 1))

    visitor.page.route("**/history", smuggle)
    visitor.page.goto(f"{public}/history")
    assert f": {directive}: " in refused(visitor, watched)


@pytest.mark.parametrize("what", ATTEMPTED)
def test_a_script_that_was_led_astray_cannot_use(what: str, visitor: Visitor) -> None:
    directive, attempt = ATTEMPTED[what]
    watched = Watched(visitor.page)
    visitor.go("/history")
    visitor.page.evaluate(f"() => {{ try {{ {attempt} }} catch {{}} }}")
    assert f": {directive}: " in refused(visitor, watched)


def test_no_page_can_be_framed(chromium: Browser, server: RealServer) -> None:
    framing = f'<iframe src="{server.public_url}/login"></iframe>'
    with chromium.new_context() as context:
        context.route(
            "**/framing", lambda route: route.fulfill(body=framing, content_type="text/html")
        )
        page = context.new_page()
        page.goto(f"{server.public_url}/framing")
        assert page.frames[1].url == "chrome-error://chromewebdata/"
