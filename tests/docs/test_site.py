"""The site made of the documentation: P11. Its strict mode fails on broken links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mkdocs.commands import build
from mkdocs.config import load_config

from infra.site import site_hooks

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build.build(load_config(str(ROOT / "infra" / "site" / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


def test_every_page_is_published_as_html_and_as_markdown(site: Path) -> None:
    sources = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(sources) > 80
    for source in sources:
        page = source.parent if source.name == "README.md" else source.with_suffix("")
        assert (site / page / "index.html").is_file(), source
        assert (site / source).is_file(), source


def test_nothing_is_loaded_from_other_servers(site: Path) -> None:
    """Closed networks read it too, and no one learns who reads it."""
    loaded = re.compile(r"""<(?:script|img|iframe|source)[^>]+src(?:set)?=["']?https?:|<link[^>]+href=["']?https?:""")
    pages = list(site.rglob("*.html"))
    assert pages
    assert [page for page in pages if loaded.search(page.read_text())] == []


def test_lists_are_rendered_as_lists(site: Path) -> None:
    raw = re.compile(r"^(?:- |\d\. )\S", re.MULTILINE)
    for page in site.rglob("*.html"):
        prose = re.sub(r"<pre.*?</pre>|<script.*?</script>", "", page.read_text(), flags=re.DOTALL)
        assert not raw.search(prose), page


def test_links_of_llms_txt_resolve(site: Path) -> None:
    text = (site / "llms.txt").read_text()
    found = re.findall(r"^- \[.+?\]\((\S+?)\)", text, re.MULTILINE)
    assert len(found) > 30
    assert [path for path in found if not (site / path).is_file()] == []


def test_links_of_published_markdown_resolve(site: Path) -> None:
    for page in site.rglob("*.md"):
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
        for path in re.findall(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)", prose):
            assert (page.parent / path).exists(), f"{page}: {path}"


def test_what_belongs_to_a_list_item_is_indented() -> None:
    text = "1. Do this:\n\n   ```\n   - a\n     b\n   ```\n   - part\n     of it\n2. Then\n\nEnd\n    code"
    assert site_hooks.indent_items(text).splitlines() == [
        "1. Do this:",
        "",
        "    ```",
        "    - a",
        "      b",
        "    ```",
        "    - part",
        "        of it",
        "2. Then",
        "",
        "End",
        "    code",
    ]


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("[sleep](sleep.md#wake)", "[sleep](sleep.md#wake)"),
        ("[policy](../../SECURITY.md)", "[policy](../security.md)"),
        ("[a test](../../tests/docs/test_site.py)", "a test"),
        ("`[code](../../tests/x.py)`", "`[code](../../tests/x.py)`"),
        ("```\n[code](../../tests/x.py)\n```", "```\n[code](../../tests/x.py)\n```"),
        ("[elsewhere](https://example.com/a.md)", "[elsewhere](https://example.com/a.md)"),
    ],
)
def test_links_to_files_outside_the_site(text: str, rewritten: str) -> None:
    assert site_hooks.rewrite_links(text, "docs/how-to/forks.md") == rewritten
