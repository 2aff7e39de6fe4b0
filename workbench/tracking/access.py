"""Who may use the UI: whoever has the token of the printed address, which becomes a cookie as in Jupyter."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

OPEN = "/health"
"""The one route without a token: it says that the server is up, and nothing of the study."""
PARAMETER = "token"
"""Of the printed address."""

SAME_SITE = {"", "none", "same-origin", "same-site"}
"""Of ``Sec-Fetch-Site``: who led the browser here; a cookie that is strict is not sent on from elsewhere."""

REFUSED = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Token needed</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1.2rem; }
code { background: color-mix(in srgb, currentColor 12%, transparent); padding: .1rem .35rem; border-radius: .3rem;
  white-space: nowrap; }
</style>
</head>
<body>
<h1>This page needs its token</h1>
<p>Open the address that <code>workbench ui</code> printed in the terminal: it ends in <code>?token=</code> and a long
word, and is new each time the server starts. If the terminal is gone, stop the server and start
<code>workbench ui</code> again.</p>
<p>If you came from a link on another site and have opened the printed address before, reload this page.</p>
</body>
</html>
"""

ONWARD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={address}">
<title>Opening</title></head><body><a href="{address}">Open the study</a></body></html>
"""
"""A redirect that begins here, so that the browser sends a strict cookie along."""

BARE = b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Guard:
    """An ASGI app that lets requests through to another one if they carry the token, its cookie or a bearer header.

    Parameters
    ----------
    app : ASGI app
    token : str
        Secret of this start of the server.
    port : int
        Names the cookie, since browsers send cookies of one port of a host to all its ports.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._cookie = hmac.new(self._token, b"cookie", hashlib.sha256).hexdigest().encode()
        self.cookie_name = f"workbench-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] == OPEN):
            return await self._app(scope, receive, send)
        offered = _take_token(scope)
        headers = _of(scope)
        if scope["type"] != "http":
            return await self._websocket(scope, receive, send, headers)
        if offered is not None and _same(offered, self._token):
            return await self._let_in(scope, send, headers)
        if not self._known(headers) or not _same_origin(scope, headers):
            return await _answer(send, 403, REFUSED)
        if offered is not None:
            return await _answer(send, 303, "", [(b"location", _here(scope).encode())])
        await self._app(scope, receive, _without_referrer(send))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, bytes]) -> None:
        if self._known(headers) and _same_origin(scope, headers):
            return await self._app(scope, receive, send)
        await receive()
        await send({"type": "websocket.close", "code": 1008})

    def _known(self, headers: dict[str, bytes]) -> bool:
        scheme, _, given = headers.get("authorization", b"").partition(b" ")
        bearer = scheme.lower() == b"bearer" and _same(given.strip(), self._token)
        return bearer or _same(_cookie(headers.get("cookie", b""), self.cookie_name), self._cookie)

    async def _let_in(self, scope: Scope, send: Send, headers: dict[str, bytes]) -> None:
        """Hand out the cookie and go on to the same address without the token."""
        address = _here(scope)
        cookie = f"{self.cookie_name}={self._cookie.decode()}; HttpOnly; SameSite=Strict; Path=/".encode()
        if headers.get("sec-fetch-site", b"").decode("latin-1") in SAME_SITE:
            return await _answer(send, 303, "", [(b"set-cookie", cookie), (b"location", address.encode())])
        from html import escape

        await _answer(send, 200, ONWARD.format(address=escape(address)), [(b"set-cookie", cookie)])


def _take_token(scope: Scope) -> bytes | None:
    """The token of the address, which is taken out of it: the access log writes what stands in the scope."""
    query: str = scope.get("query_string", b"").decode("latin-1")
    pairs = parse_qsl(query, keep_blank_values=True)
    tokens = [value for name, value in pairs if name == PARAMETER]
    if not tokens:
        return None
    scope["query_string"] = urlencode([pair for pair in pairs if pair[0] != PARAMETER]).encode()
    return str(tokens[0]).encode(errors="replace")


def _here(scope: Scope) -> str:
    """The path of a request, percent-encoded, with what is left of its query; never the address of another host."""
    from urllib.parse import quote

    path = "/" + quote(scope["path"]).lstrip("/")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _of(scope: Scope) -> dict[str, bytes]:
    pairs: Iterable[tuple[bytes, bytes]] = scope.get("headers", ())
    return {name.decode("latin-1").lower(): value for name, value in pairs}


def _cookie(header: bytes, name: str) -> bytes:
    try:
        cookies = SimpleCookie(header.decode("latin-1"))
    except CookieError:
        return b""
    return cookies[name].value.encode("latin-1", "replace") if name in cookies else b""


def _same(given: bytes, secret: bytes) -> bool:
    """Whether two secrets are equal, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given, secret)


def _same_origin(scope: Scope, headers: dict[str, bytes]) -> bool:
    """Whether a page of this very server asks, where a page asks at all: another port of this host is another one."""
    origin = headers.get("origin")
    if origin is None:
        return True
    scheme = {"ws": "http", "wss": "https"}.get(str(scope.get("scheme")), str(scope.get("scheme")))
    return origin == f"{scheme}://".encode() + headers.get("host", b"")


async def _answer(send: Send, status: int, text: str, more: Headers | None = None) -> None:
    body = text.encode()
    headers: Headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"content-security-policy", BARE),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        *(more or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _without_referrer(send: Send) -> Send:
    async def send_on(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"referrer-policy", b"no-referrer")]
        await send(message)

    return send_on
