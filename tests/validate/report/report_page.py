"""A report as its reader and its browser get it."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """What a page loads, its text, its ids and whether its tags nest."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append((tag, named))
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in named:
            self.ids.append(named["id"])
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            if name in named and not named[name].startswith("data:image/"):
                (self.references if named[name].startswith("#") else self.loads).append(named[name])
        for place in re.findall(r"url\(([^)]*)\)", " ".join(value or "" for value in named.values())):
            (self.references if place.startswith("#") else self.loads).append(place)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> does not nest"

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def flat(text: str) -> str:
    """Cells of a table side by side."""
    return " ".join(re.sub(r"\n\s*", "", text).split())
