"""Questions to somebody's Open Policy Agent, over TCP.

The session is that of opa-python-client, which keeps connections. Here it reads no more of an
answer than one can be long, follows no redirection and unpacks nothing: a server may be
anybody's. One of ours is asked by `gateway.pdp.opa_line`.
"""

# opa_client annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
import json

import aiohttp
from opa_client.opa_async import AsyncOpaClient

MAX_REPLY_BYTES = 1024 * 1024


class ReplyError(Exception):
    """What the server sent is no answer."""


class _Session(AsyncOpaClient):
    """The library's client, with a session of ours where that must differ."""

    _opening: asyncio.Lock | None = None

    async def session(self) -> aiohttp.ClientSession:
        """The session, opened where it is not open yet."""
        if self._session is None:
            self._opening = self._opening or asyncio.Lock()
            async with self._opening:
                if self._session is None:
                    await self._init_session()
        if self._session is None:
            raise aiohttp.ClientError("the client is closed")
        return self._session


class OpaClient:
    """A client of the server at `host` and `port`."""

    def __init__(
        self,
        *,
        host: str = "localhost",
        port: int = 8181,
        timeout_s: float,
        tls: bool = False,
        token: str | None = None,
    ) -> None:
        self._library = _Session(
            host=host, port=port, ssl=tls, token=token, timeout=timeout_s, retries=0
        )

    async def result(self, package: str, rule: str, given: object) -> object:
        """What a rule says of an input, as JSON.

        Raises:
            ReplyError: The reply is no such thing, or the rule is undefined.
            Exception: Whatever the HTTP client raises where the server does not answer.
        """
        session = await self._library.session()
        url = f"{self._library.root_url}/data/{package.replace('.', '/')}/{rule}"
        headers = {"Accept-Encoding": "identity"}
        async with session.post(
            url, json={"input": given}, allow_redirects=False, headers=headers
        ) as response:
            if response.status != 200:
                raise aiohttp.ClientError(f"the server answers {response.status}")
            text = await _read(response)
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ReplyError("the reply is no JSON") from error
        if not isinstance(body, dict) or "result" not in body:
            raise ReplyError("the answer is undefined: is the bundle loaded?")
        return body["result"]

    async def close(self) -> None:
        await self._library.close_connection()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > MAX_REPLY_BYTES:
            raise ReplyError("the reply is too long")
    return bytes(read)
