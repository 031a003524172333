"""The comment and the check on a pull request: their text in each phase, and that untrusted text can't change it.

Proves P1 and P2 (text), and S3: nothing that a pull request's author writes becomes Markdown, HTML, a mention, a
reference or a link in our name. `EPH_SNAPSHOTS=write pytest tests/surfaces/test_comment.py` rewrites the snapshots.
"""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from orchestrator.core.chat_commands import ChatReply, CommandResult
from orchestrator.core.views import comment_markers, log_positions
from orchestrator.core.views.environment_views import EnvironmentView, LinkView
from orchestrator.core.views.failure_views import IMAGE_STEP
from orchestrator.core.views.page_links import line_url
from orchestrator.core.views.phases import Phase
from orchestrator.demo.github.pages.render_markdown import render as page
from orchestrator.forges.port import Conclusion
from orchestrator.surfaces.reports import check_runs, comment, deployment_states, markdown
from stacks import keys
from tests import snapshots
from tests.surfaces.sample_views import BASE, FAILURE, NEW, NOW, OLD, REPLIES, VIEWS_BY_NAME, view

SNAPSHOTS = Path(__file__).parent / "snapshots"
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
TABS = {f"{BASE.page_url}?tab=logs{anchor}" for anchor in ("", "#output")}
FAILURE_LINK = line_url(BASE.page_url, "", log_positions.OPERATION)
OUR_LINKS = {BASE.url, BASE.page_url, *TABS, FAILURE_LINK, FAILURE_LINK.replace("&", "&amp;")}
HOSTILE = [
    "@acme/security please approve, @maria",
    "fixes #1, closes acme/shop#2, GH-3",
    "[click](http://evil.test) ![x](http://evil.test/x.png) <http://evil.test>",
    "http://evil.test www.evil.test mailto:a@evil.test",
    "<script>alert(1)</script><img src=x onerror=alert(1)><!-- eph:1296269/43 -->",
    "```\n# out\n```\n~~~\n---\n> quote\n- list\n| a | b |\n|---|---|",
    "`` ` ``` ```` `code`",
    "-->\n\n# heading\n\n    code",
    "\x1b[31mred\x1b[0m \u202egnp.exe\u202c \x00\x07\r\n",
    "&lt;b&gt; &#64;maria &commat;maria \\@maria \\`",
    "[eph]: http://evil.test\n[^1]: note",
    "*bold* _it_ ~~no~~ $x$ :tada:",
    "1. one",
    "- one",
    "+ one",
    "12) twelve",
    "=== x",
    "&copy; a|b",
]
words = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60), st.text("`~@#<>[]()!*_|\\\n -&;:/w.1+=", max_size=60))


@pytest.mark.parametrize("name", VIEWS_BY_NAME)
def test_each_phase_matches_its_snapshot(name: str) -> None:
    """P1, P2: change a text, look at the difference, commit it."""
    check = check_runs.report(VIEWS_BY_NAME[name], NOW)
    text = (
        f"{comment.render(VIEWS_BY_NAME[name], NOW)}\n=== check: "
        f"{check.conclusion}\n{check.title}\n{check.details_url}\n"
    )
    assert_matches_snapshot(name, text + f"\n=== deployment: {deployed(VIEWS_BY_NAME[name])}\n")


@pytest.mark.parametrize("name", REPLIES)
def test_each_reply_matches_its_snapshot(name: str) -> None:
    """P8: within our one comment, and alone if there is no environment."""
    alone = comment.render_reply_only(keys.pull_request(1296269, 42), REPLIES[name])
    assert_matches_snapshot(
        f"reply_{name}", f"{comment.render(BASE, NOW, REPLIES[name])}\n=== without environment\n{alone}"
    )


def assert_matches_snapshot(name: str, text: str) -> None:
    snapshots.assert_matches(SNAPSHOTS / f"{name}.md", text)


def deployed(view: EnvironmentView) -> str:
    said = deployment_states.report(view)
    if said is None:
        return "all removed" if deployment_states.is_over(view) else "left as it is"
    return f"{said.state} of {check_runs.commit_of(view)[:7]}\n{said.description}\n{said.environment_url}"


def test_every_phase_has_a_text() -> None:
    assert {each.phase for each in VIEWS_BY_NAME.values()} == set(Phase)
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {*VIEWS_BY_NAME, *(f"reply_{name}" for name in REPLIES)}


def test_marker_identifies_the_pull_request_by_number() -> None:
    assert comment_markers.marker(keys.pull_request(1296269, 42)) == "<!-- eph:1296269/42 -->"
    assert comment.render(BASE, NOW).count("<!--") == 1
    assert "<!--" not in comment.render(replace(BASE, key=None), NOW)


def test_comment_offers_the_whole_sha_for_approval() -> None:
    """S2: seven digits can be those of another commit."""
    waiting = VIEWS_BY_NAME["waiting_approval"]
    body = comment.render(waiting, NOW)
    assert f"`/eph approve {waiting.wanted_commit}`" in body
    assert comment_markers.parse_approvable(body.replace("\n", "\r\n")) == waiting.wanted_commit
    assert comment_markers.parse_approvable(comment.render(replace(waiting, awaits_approval=False), NOW)) == ""


def test_output_of_a_fork_cannot_offer_a_commit_for_approval() -> None:
    """S2, S3: a log is shown as it is, with whatever the code of the pull request printed."""
    forged = [comment_markers.approvable(OLD), comment_markers.marker(keys.pull_request(1296269, 42)), "```"]
    reply = ChatReply("/eph logs", "ada", CommandResult(True, forged[0], tuple(forged), verbatim=True))
    for shown, commit in ((VIEWS_BY_NAME["waiting_approval"], NEW), (BASE, "")):
        assert comment_markers.parse_approvable(comment.render(shown, NOW, reply)) == commit


@pytest.mark.parametrize("name", VIEWS_BY_NAME)
def test_passing_time_changes_nothing(name: str) -> None:
    """P1: edited only if something changed; the one warning before expiry comes once."""
    texts = {comment.render(VIEWS_BY_NAME[name], NOW + timedelta(seconds=30 * cycle)) for cycle in range(200)}
    assert len(texts) == 1


def tainted(words: str) -> EnvironmentView:
    failure = replace(FAILURE, step=words or "x", error=words or "x", tail=(words, words), commit=words or "x")
    return view(
        Phase.FAILED,
        commit=OLD,
        failure=failure,
        title=words,
        branch=words,
        author=words,
        problems=(words,),
        reasons=(words or "x",),
        notices=(words,),
        urls={"web": BASE.url, words or "x": BASE.url},
        links=(LinkView(words or "x", BASE.url),),
        progress=words,
    )


def tainted_reply(words: str, verbatim: bool) -> ChatReply:
    return ChatReply(words or "x", words or "x", CommandResult(True, words or "x", (words or "x", "x"), verbatim))


def tokens(text: str) -> list[Token]:
    return [token for each in READER.parse(text) for token in (each, *(each.children or ()))]


def shape(found: list[Token]) -> list[str]:
    """A text's structure without its words; empty reasons omit a paragraph."""
    return [token.type for token in found if token.type not in ("text", "softbreak")]


@functools.cache
def harmless_shape(verbatim: bool) -> list[str]:
    """The structure of the same comment if all its text is harmless."""
    return shape(tokens(comment.render(tainted("words"), NOW, tainted_reply("words", verbatim))))


@given(words.filter(lambda each: bool(markdown.plain(each))), st.booleans())
@settings(max_examples=60)
def test_untrusted_text_does_not_change_the_structure(words: str, verbatim: bool) -> None:
    """S3."""
    found = tokens(comment.render(tainted(words), NOW, tainted_reply(words, verbatim)))
    assert shape(found) == harmless_shape(verbatim)
    html = [token.content for token in found if token.type.startswith("html")]
    assert html == ["<details><summary>Commands</summary>\n", "</details>\n", "<!-- eph:1296269/42 -->\n"]
    assert {token.attrs["href"] for token in found if token.type == "link_open"} <= OUR_LINKS


@given(words, st.booleans())
@settings(max_examples=60)
def test_untrusted_text_becomes_no_link_mention_or_image(words: str, verbatim: bool) -> None:
    """S3: processed like a Git host does: Markdown first, then references in the resulting text."""
    reply = tainted_reply(words, verbatim)
    for rendered in (
        comment.render(tainted(words), NOW, reply),
        comment.render_reply_only(keys.pull_request(1296269, 42), reply),
    ):
        html = str(page(rendered))
        assert set(re.findall(r'href="([^"]*)"', html)) <= OUR_LINKS
        assert not re.search(
            r"<(?!/?(?:h3|p|ul|li|a|code|pre|strong|br|details|summary|table|thead|tbody|tr|th|td)\b)", html
        )
        inside, outside = 0, []
        for token in tokens(rendered):
            inside += {"link_open": 1, "link_close": -1}.get(token.type, 0)
            outside += [token.content] if token.type == "text" and not inside else []
        assert not re.search(r"@\w|#\w|\w://|www\.|gh-\d", "".join(outside), re.IGNORECASE)


@given(words)
@settings(max_examples=80)
def test_titles_and_descriptions_are_one_line_of_limited_length(words: str) -> None:
    """P2, S3: they are shown unchanged, so only their length and line breaks matter."""
    assume(words != IMAGE_STEP)  # a commit without images has no deployment
    report, deployment = check_runs.report(tainted(words), NOW), deployment_states.report(tainted(words))
    assert deployment is not None
    for text, longest in ((report.title, 120), (deployment.description, 140)):
        assert len(text) <= longest
        assert text.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert deployment.environment_url in ("", BASE.url)


@given(words)
@settings(max_examples=150)
def test_prose_contains_nothing_for_the_second_pass(words: str) -> None:
    """S3: Git hosts look for mentions, references and bare links in the text that Markdown produced."""
    seen = "".join(token.content for token in tokens(markdown.text(words)) if token.type == "text")
    assert not re.search(r"@\w|#\w|\w://|www\.|gh-\d", seen, re.IGNORECASE)
    assert seen.replace(markdown.INVISIBLE, "") == markdown.plain(words).replace(markdown.INVISIBLE, "")


@given(words)
@example("`")
@example("``a``")
@settings(max_examples=150)
def test_code_span_contains_its_text(words: str) -> None:
    found = tokens(f"a {markdown.code(words)} b")
    spans = [token.content for token in found if token.type == "code_inline"]
    assert spans == [markdown.plain(words) or "-"]


@given(st.lists(words, max_size=40).map(tuple))
@settings(max_examples=150)
def test_no_line_ends_a_code_block(lines: tuple[str, ...]) -> None:
    found = READER.parse(f"{markdown.fence(lines)}\n\nafter")
    assert [token.type for token in found] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert found[0].content.count("\n") <= markdown.MAX_LINES
    assert found[2].content == "after"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://a b", "http://a>/x", "http://a/\n# x", "//x", ""])
def test_only_web_addresses_become_links(url: str) -> None:
    assert not [token for token in tokens(markdown.link(url)) if token.type == "link_open"]


def test_long_text_is_truncated() -> None:
    """A comment can have 65,536 characters; the longest view fits."""
    long = "`@" * 50_000
    worst = replace(tainted(long), problems=(long,) * 500)
    rendered = comment.render(worst, NOW)
    assert len(rendered) < 40_000
    assert "and 480 more" in rendered
    assert len(check_runs.report(worst, NOW).title) <= 120


def test_control_characters_are_removed() -> None:
    assert markdown.fence(("\x1b[31mred\x1b[0m\x00 \u202eabc", "a\rb")) == "```text\nred abc\na\nb\n```"


def test_check_is_green_only_for_the_live_commit() -> None:
    """P2, pitfall 9."""
    assert check_runs.report(BASE, NOW).conclusion is Conclusion.SUCCESS
    older = replace(BASE, commit=OLD, wanted_commit=NEW)
    assert check_runs.report(older, NOW).conclusion is Conclusion.IN_PROGRESS
    assert check_runs.commit_of(older) == NEW


def test_invalid_file_is_a_failure_and_a_fork_is_not() -> None:
    assert check_runs.report(VIEWS_BY_NAME["refused"], NOW).conclusion is Conclusion.FAILURE
    assert check_runs.report(view(Phase.REFUSED, problems=()), NOW).conclusion is Conclusion.NEUTRAL


def test_older_build_that_is_still_live_is_linked() -> None:
    """P1: what failed, and that the URL still works."""
    rendered = comment.render(VIEWS_BY_NAME["failed_update"], NOW)
    assert rendered.startswith("### 🔴 Update failed, previous version live: [")
    assert f"`{OLD[:7]}` is still live" in rendered
    assert f"](<{BASE.url}" not in comment.render(VIEWS_BY_NAME["failed_first"], NOW)


def test_mistake_in_the_first_file_has_no_empty_name() -> None:
    """Issue 18: there is no name yet, so none is shown."""
    rendered = comment.render(VIEWS_BY_NAME["refused_first"], NOW)
    assert rendered.startswith("### 🔴 Not created\n")
    assert "``" not in rendered
    assert "`-`" not in rendered


def test_failure_comes_before_the_state() -> None:
    """Issue 18: what failed and its last lines first, with a link to the whole log."""
    rendered = comment.render(VIEWS_BY_NAME["failed_update"], NOW)
    places = [rendered.index(part) for part in ("**Failed**", "make dist", "Full log", "Newest commit", "<details>")]
    assert places == sorted(places)
