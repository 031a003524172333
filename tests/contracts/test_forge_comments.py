"""What people say in comments, on every Git host: the fake, the client on the sandbox, and on a GitHub of others.

Rows: P8 (found by polling, answered by a reaction), L4 (a quiet look is free), S2 (whose word it is).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.forge.port import NotThere, Reaction, Unsupported
from tests.contracts.forge_hosts import Host, need, repository

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def pull(host: Host) -> int:
    host.push("one", {"message.txt": "one\n"})
    return host.open_pull("one")


def test_comments_are_found_with_who_said_them(host: Host) -> None:
    need(host, "comments")
    forge, shop = repository(host)
    number = pull(host)
    assert forge.comments_since(shop, LONG_AGO, ("/eph",)) == []
    host.ask(number, "thanks")
    first, second = host.ask(number, "/eph up"), host.ask(number, "please\n/EPH why")
    found = forge.comments_since(shop, LONG_AGO, ("/eph",))
    assert [(item.id, item.number, item.author) for item in found] == [
        (first, number, host.writer),
        (second, number, host.writer),
    ]
    assert (found[0].body, found[0].by_program, found[0].answered) == ("/eph up", False, frozenset())


def test_older_ones_are_left_out(host: Host) -> None:
    need(host, "comments")
    forge, shop = repository(host)
    host.ask(pull(host), "/eph up")
    assert forge.comments_since(shop, datetime.now(UTC) + timedelta(minutes=1), ("/eph",)) == []


def test_our_own_comment_is_a_programs(host: Host) -> None:
    """P8: what Eph writes, it never obeys."""
    need(host, "strangers", "comments")
    forge, shop = repository(host)
    number = pull(host)
    forge.upsert_comment(shop, number, "<!-- eph -->", "/eph down\n<!-- eph -->")
    [found] = forge.comments_since(shop, LONG_AGO, ("/eph",))
    assert found.by_program


def test_a_reaction_is_remembered_by_the_host(host: Host) -> None:
    """P8, L2: a client that remembers nothing finds what was answered; somebody else's thumb is not ours."""
    need(host, "reactions")
    forge, shop = repository(host)
    comment = host.ask(pull(host), "/eph up")
    host.like(comment)
    assert forge.comments_since(shop, LONG_AGO, ("/eph",))[0].answered == frozenset()
    for reaction in (Reaction.SEEN, Reaction.SEEN, Reaction.DONE):
        forge.react(shop, comment, reaction)
    assert host.reactions(comment) == {"eyes", "+1"}
    host.rewrite(comment, "/eph down")
    [found] = host.client().comments_since(shop, LONG_AGO, ("/eph",))
    assert (found.body, found.answered) == ("/eph down", {Reaction.SEEN, Reaction.DONE})


def test_a_comment_that_is_gone_takes_no_reaction(host: Host) -> None:
    forge, shop = repository(host)
    pull(host)
    with pytest.raises(NotThere):
        forge.react(shop, 4711, Reaction.DONE)


def test_a_host_without_them_says_so(host: Host) -> None:
    if "reactions" not in host.lacks:
        pytest.skip("this host has both")
    forge, shop = repository(host)
    for _ in range(2):
        with pytest.raises(Unsupported, match="does not list"):
            forge.comments_since(shop, LONG_AGO, ("/eph",))
    comment = host.ask(pull(host), "/eph up")
    with pytest.raises(Unsupported, match="has no reactions"):
        forge.react(shop, comment, Reaction.SEEN)


def test_a_label_is_put_on_and_may_be_there_already(host: Host) -> None:
    forge, shop = repository(host)
    number = pull(host)
    host.label(number, "bug")
    forge.add_label(shop, number, "bug")
    forge.add_label(shop, number, "size: s/m")
    assert forge.pulls(shop).open[0].labels == {"bug", "size: s/m"}


def test_a_look_at_silent_repositories_is_free(host: Host) -> None:
    """L4: whatever was said before."""
    need(host, "etags")
    forge, shop = repository(host)
    comment = host.ask(pull(host), "/eph up")
    forge.comments_since(shop, LONG_AGO, ("/eph",))
    forge.react(shop, comment, Reaction.DONE)
    forge.comments_since(shop, LONG_AGO, ("/eph",))
    before = forge.cost()
    for _ in range(5):
        forge.comments_since(shop, LONG_AGO, ("/eph",))
    after = forge.cost()
    assert (after.counted - before.counted, after.free - before.free) == (0, 5)
