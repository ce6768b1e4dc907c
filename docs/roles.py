"""For the site: makes Markdown of what docstrings have that is none, names like ``:func:`minidl.sum``` and examples."""

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:func|class|meth|mod|attr|data):`~?([^`]+)`")
EXAMPLE = re.compile(r"^( *)>>> (?:.*\S.*\n?)+", re.MULTILINE)  # from a prompt to an empty line


class Roles(griffe.Extension):
    """Shows names as code, and examples as code blocks."""

    def on_object(self, *, obj: griffe.Object, **_kwargs: Any) -> None:
        if obj.docstring:
            text = ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = EXAMPLE.sub(_fenced, text)


def _fenced(example: re.Match[str]) -> str:
    return f"{example[1]}```pycon\n{example[0].rstrip()}\n{example[1]}```\n"
