"""Comments by people, on every Git host: the fake, the client on the sandbox, and on a GitHub we didn't write.

Rows: P8 (found by polling, answered by a reaction), L4 (a quiet cycle is free), S2 (who wrote it).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.forges.port import ForgeNotFound, ForgeUnsupported, Reaction
from tests.contracts.forge_hosts import Host, repository, require_support

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def open_pull(host: Host) -> int:
    host.push("one", {"message.txt": "one\n"})
    return host.open_pull("one")


def test_comments_are_found_with_their_authors(host: Host) -> None:
    require_support(host, "comments")
    forge, shop = repository(host)
    number = open_pull(host)
    assert forge.comments_since(shop, LONG_AGO, ("/eph",)) == []
    host.comment_as_writer(number, "thanks")
    first, second = host.comment_as_writer(number, "/eph up"), host.comment_as_writer(number, "please\n/EPH why")
    found = forge.comments_since(shop, LONG_AGO, ("/eph",))
    assert [(item.id, item.number, item.author) for item in found] == [
        (first, number, host.writer),
        (second, number, host.writer),
    ]
    assert (found[0].body, found[0].by_bot, found[0].our_reactions) == ("/eph up", False, frozenset())


def test_older_ones_are_left_out(host: Host) -> None:
    require_support(host, "comments")
    forge, shop = repository(host)
    host.comment_as_writer(open_pull(host), "/eph up")
    assert forge.comments_since(shop, datetime.now(UTC) + timedelta(minutes=1), ("/eph",)) == []


def test_our_own_comment_is_by_a_bot(host: Host) -> None:
    """P8: Eph never executes what it wrote itself."""
    require_support(host, "strangers", "comments")
    forge, shop = repository(host)
    number = open_pull(host)
    forge.upsert_comment(shop, number, "<!-- eph -->", "/eph down\n<!-- eph -->")
    [found] = forge.comments_since(shop, LONG_AGO, ("/eph",))
    assert found.by_bot


def test_reaction_is_stored_by_the_host(host: Host) -> None:
    """P8, L2: a client without a cache finds what was answered; someone else's reaction isn't ours."""
    require_support(host, "comments", "reactions")
    forge, shop = repository(host)
    comment = host.comment_as_writer(open_pull(host), "/eph up")
    host.react_as_other(comment)
    assert forge.comments_since(shop, LONG_AGO, ("/eph",))[0].our_reactions == frozenset()
    for reaction in (Reaction.SEEN, Reaction.SEEN, Reaction.DONE):
        forge.react(shop, comment, reaction)
    assert host.reactions(comment) == {"eyes", "+1"}
    host.edit_comment(comment, "/eph down")
    [found] = host.client().comments_since(shop, LONG_AGO, ("/eph",))
    assert (found.body, found.our_reactions) == ("/eph down", frozenset({Reaction.SEEN, Reaction.DONE}))


def test_reacting_to_a_deleted_comment_is_an_error(host: Host) -> None:
    """A host without reactions may answer that instead."""
    forge, shop = repository(host)
    open_pull(host)
    errors = (ForgeNotFound, ForgeUnsupported) if "reactions" in host.unsupported else (ForgeNotFound,)
    with pytest.raises(errors):
        forge.react(shop, 4711, Reaction.DONE)


def test_host_without_comments_reports_it(host: Host) -> None:
    if "comments" not in host.unsupported:
        pytest.skip("this host lists comments")
    forge, shop = repository(host)
    for _ in range(2):
        with pytest.raises(ForgeUnsupported, match="comments"):
            forge.comments_since(shop, LONG_AGO, ("/eph",))


def test_host_without_reactions_reports_it(host: Host) -> None:
    if "reactions" not in host.unsupported:
        pytest.skip("this host has reactions")
    forge, shop = repository(host)
    comment = host.comment_as_writer(open_pull(host), "/eph up")
    for _ in range(2):
        with pytest.raises(ForgeUnsupported, match="reactions"):
            forge.react(shop, comment, Reaction.SEEN)


def test_label_is_added_and_may_exist_already(host: Host) -> None:
    forge, shop = repository(host)
    number = open_pull(host)
    host.label(number, "bug")
    forge.add_label(shop, number, "bug")
    forge.add_label(shop, number, "size: s/m")
    assert forge.pulls(shop).open[0].labels == {"bug", "size: s/m"}


def test_polling_silent_repositories_is_free(host: Host) -> None:
    """L4: whatever was written before."""
    require_support(host, "etags")
    forge, shop = repository(host)
    comment = host.comment_as_writer(open_pull(host), "/eph up")
    forge.comments_since(shop, LONG_AGO, ("/eph",))
    forge.react(shop, comment, Reaction.DONE)
    forge.comments_since(shop, LONG_AGO, ("/eph",))
    before = forge.usage()
    for _ in range(5):
        forge.comments_since(shop, LONG_AGO, ("/eph",))
    after = forge.usage()
    assert (after.counted - before.counted, after.free - before.free) == (0, 5)
