"""`/problems/{slug}`: what a problem means and what to do, from docs/problems.md, so that the
path of a problem's `type` leads somewhere at every gateway."""

import re
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gateway.web.problem import NOT_FOUND
from gateway.web.routes import Answer, Operation, Parameter
from gateway.web.schemas import STRING

MARKDOWN = "text/markdown; charset=utf-8"
_HERE = Path(__file__).resolve()
# In an installed package the page is beside this module; in a checkout it is among the docs.
_PLACES = (_HERE.with_name("problems.md"), _HERE.parents[2] / "docs" / "problems.md")
_SECTION = re.compile(r"^## `([a-z-]+)`\n(.*?)(?=^## |\Z)", re.M | re.S)


def read_pages() -> Mapping[str, bytes]:
    """The page of each problem, by its slug. A page links to another by its slug alone."""
    (path, *_) = (place for place in _PLACES if place.exists())
    text = path.read_text(encoding="utf-8")
    return {
        slug: f"# `{slug}`\n{rest}".replace("](#", "](").encode()
        for slug, rest in _SECTION.findall(text)
    }


class PagesDoor:
    """Reads the pages once."""

    def __init__(self) -> None:
        self._pages = read_pages()

    async def read(self, request: Request) -> Response:
        page = self._pages.get(request.path_params["slug"])
        return NOT_FOUND.response() if page is None else Response(page, media_type=MARKDOWN)

    def operations(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "GET",
                "/problems/{slug}",
                self.read,
                "readProblem",
                "Read what a problem means and what to do",
                {200: Answer("The page, in Markdown", {MARKDOWN: STRING})},
                (NOT_FOUND,),
                parameters=(Parameter("slug", "The last part of the type of a problem"),),
                is_open=True,
            ),
        )
