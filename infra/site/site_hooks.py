"""Makes one site of docs/ and the pages at the top of the repository.

README.md is the home page, and its section "Documentation" is the navigation, so that a page is listed once. Each page
is also published as Markdown, at its address with ``.md``, and llms.txt lists all pages for programs that read them
(llmstxt.org). Links to source files become plain text, because the site doesn't contain these files.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = "decisions/README.md"
TOP = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")
_GROUP = re.compile(r"^\*\*(?P<name>.+)\*\*$")
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_ITEM = re.compile(r"^ *(?:[-*]|\d+\.) +(?=\S)")
_SENTENCE = re.compile(r"^.+?\.(?=\s|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Section:
    """A group of pages in README.md. ``pages`` maps the path in the site to the link's text."""

    name: str
    pages: dict[str, str]


_published: dict[str, str] = {}


def sections(readme: str) -> list[Section]:
    """The groups of the section "Documentation"."""
    text = readme.partition("\n## Documentation\n")[2].partition("\n## ")[0]
    found: list[Section] = []
    for line in text.splitlines():
        if group := _GROUP.match(line):
            found.append(Section(group["name"], {}))
        for link in _LINK.finditer(line):
            if path := site_path(link["path"]):
                found[-1].pages[path] = link["text"][:1].upper() + link["text"][1:]
    return found


def site_path(path: str) -> str:
    """Where the site has a file of the repository; empty if it has none."""
    return TOP.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else "")


def rewrite_links(text: str, source: str) -> str:
    """``source``: the page's path in the repository. Links in code stay as they are."""
    here = posixpath.dirname(site_path(source))

    def replace(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["path"]))
        found = site_path(path)
        if not found:
            return link["text"]
        return f"[{link['text']}]({posixpath.relpath(found, here or '.')}{link['anchor'] or ''})"

    parts = _CODE.split(text)
    return "".join(part if position % 2 else _LINK.sub(replace, part) for position, part in enumerate(parts))


def indent_items(text: str) -> str:
    """Indents what belongs to a list item by four spaces a level. CommonMark indents it as far as the text, which
    Python-Markdown takes for the end of the list."""
    lines: list[str] = []
    offsets: list[int] = []
    in_code = False
    for line in text.splitlines():
        bare = line.lstrip(" ")
        indent = len(line) - len(bare)
        while bare and offsets and indent < offsets[-1] and not in_code:
            offsets.pop()
        shift = 4 * len(offsets) - (offsets[-1] if offsets else 0)
        lines.append(" " * (indent + shift) + bare if bare else "")
        in_code ^= bare.startswith("```")
        if not in_code and (item := _ITEM.match(line)):
            offsets.append(item.end())
    return "\n".join(lines)


def first_sentence(page: str) -> str:
    """Of the first paragraph, without markup."""
    for block in page.split("\n\n"):
        if block and not block.startswith(("#", "```", "|", "<", "-", "Row")):
            plain = " ".join(_LINK.sub(lambda link: link["text"], block).split())
            found = _SENTENCE.match(plain)
            return found[0] if found else plain
    return ""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    readme = (ROOT / "README.md").read_text()
    nav: list[object] = [{"Home": "index.md"}]
    for section in sections(readme):
        pages: list[object] = []
        for path, text in section.pages.items():
            pages.append({text: _decisions() if path == DECISIONS else path})
        nav.append({section.name: pages})
    config.nav = nav
    return config


def _decisions() -> list[object]:
    return [DECISIONS, *(f"decisions/{path.name}" for path in sorted((DOCS / "decisions").glob("[0-9]*.md")))]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    _published.clear()
    for source, path in TOP.items():
        files.append(File.generated(config, path, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs calls it by these names
    source = next((name for name, path in TOP.items() if path == page.file.src_uri), f"docs/{page.file.src_uri}")
    text = rewrite_links(markdown, source).replace('="docs/images/', '="images/')
    _published[page.file.src_uri] = text
    return indent_items(text)


def on_post_build(config: MkDocsConfig) -> None:
    site = Path(config.site_dir)
    for path, text in _published.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (site / "llms.txt").write_text(_llms_txt(_published))


def _llms_txt(pages: dict[str, str]) -> str:
    readme = (ROOT / "README.md").read_text()
    summary = " ".join(readme.split("\n\n")[1].split())
    lines = ["# Eph", "", f"> {summary}"]
    for section in sections(readme):
        lines += ["", f"## {section.name}", ""]
        for path, text in section.pages.items():
            about = first_sentence(pages[path])
            lines.append(f"- [{text}]({path})" + (f": {about}" if about else ""))
    return "\n".join(lines) + "\n"
