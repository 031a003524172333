"""The recipes for Rails, Next.js, a monorepo and a static site, each in a whole Eph. Rows: T1, T9, D2, P3, L5, P5.

The second pull request of each uses the build's cache. Those that run processes also try the eph.yaml that ``eph init``
writes for the application.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from programs.targets.static.target import TARGET
from tests.apps import gem_server, recipe_site
from tests.apps.recipe_site import APPS
from tests.e2e.site import Site, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.exhaustive, pytest.mark.timeout(1800)]

needs_node = pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js")
CACHED = ["succeeded", "succeeded"]


@pytest.mark.skipif(not gem_server.is_rails_installed(), reason="needs Ruby with Rails")
def test_rails() -> None:
    second = "db/migrate/20261102120000_add_more.rb"
    migration = 'class AddMore < ActiveRecord::Migration[6.1]\n  def up\n    execute "{}"\n  end\nend\n'
    with (
        gem_server.gem_server("rails_tickets") as gems,
        recipe_site.recipe_site("rails_tickets", "Rails", gems.index.local_toml, {"Gemfile.lock": gems.lock}) as site,
    ):
        made = recipe_site.preview(site)
        assert recipe_site.state(site, made)["tickets"] == ["first ticket"]
        assert any("/rails-6" in url for url in gems.downloads)

        broken = site.push(made, {second: migration.format("SELECT * FROM nowhere")})
        recipe_site.wait_for_failure(site, made, broken, 'relation "nowhere" does not exist')
        assert recipe_site.state(site, made)["commit"] == made.commit

        fixed = site.push(made, {second: migration.format("INSERT INTO tickets (title) VALUES ('second')")})
        site.wait_for_commit(made, fixed, recipe_site.BUILD_TIMEOUT)
        assert recipe_site.state(site, made)["tickets"] == ["first ticket", "second"]

        downloads = gems.downloads
        other = recipe_site.preview(site, "other", recipe_site.written_by_init("rails_tickets"))
        assert recipe_site.state(site, other)["tickets"] == ["first ticket"]
        assert recipe_site.step_states(site, other, "Restore cache", "Build") == CACHED
        assert gems.downloads == downloads
        recipe_site.close(site, made)
        recipe_site.close(site, other)


@needs_node
def test_nextjs() -> None:
    with recipe_site.recipe_site("next_orders", "Next.js") as site:
        made = recipe_site.ready(site)
        assert recipe_site.state(site, made, "/api/orders") == {"commit": made.commit, "orders": ["tea"]}
        assert "<li>tea</li>" in site.page(made.host).text

        broken = site.push(made, {"migrations/2_more.sql": "-- Up Migration\nSELECT * FROM nowhere;\n"})
        recipe_site.wait_for_failure(site, made, broken, 'relation "nowhere" does not exist')
        assert recipe_site.state(site, made, "/api/orders")["commit"] == made.commit

        more = "-- Up Migration\nINSERT INTO orders (item) VALUES ('cake');\n"
        page = (APPS / "next_orders/app/page.jsx").read_text().replace("<ul>", '<ul className="orders">')
        recipe_site.push(site, made, {"migrations/2_more.sql": more, "app/page.jsx": page})
        assert recipe_site.state(site, made, "/api/orders")["orders"] == ["tea", "cake"]
        assert '<ul class="orders">' in site.page(made.host).text

        other = recipe_site.ready(site, "other", recipe_site.written_by_init("next_orders"))
        assert recipe_site.state(site, other, "/api/orders")["orders"] == ["tea"]
        assert recipe_site.step_states(site, other, "Restore cache", "Build") == CACHED
        recipe_site.close(site, made)
        recipe_site.close(site, other)


@needs_node
def test_monorepo_deploys_only_changes_of_its_services() -> None:
    with recipe_site.recipe_site("monorepo_books", "Monorepo") as site:
        number, sha = site.open_pull("docs", {"docs/index.md": "# All books\n"})
        explained = "changes no file that matches the paths"
        site.wait_for_comment(number, explained)

        made = recipe_site.preview(site, "feature", {"apps/web/note.txt": "new"})
        assert recipe_site.state(site, made) == {"commit": made.commit, "page": "Books", "books": ["Emma"]}
        assert explained in site.comment(number)
        assert site.stacks() == [made.number]

        titles = "export const shown = (title) => title.toUpperCase();\n"
        pushed = site.push(made, {"packages/titles/titles.js": titles})
        site.wait_for_commit(made, pushed, recipe_site.BUILD_TIMEOUT)
        assert recipe_site.state(site, made)["books"] == ["EMMA"]

        broken = site.push(made, {"apps/api/migrations/2_more.sql": "-- Up Migration\nSELECT * FROM nowhere;\n"})
        recipe_site.wait_for_failure(site, made, broken, 'relation "nowhere" does not exist')
        assert recipe_site.state(site, made)["commit"] == pushed

        sha = site.forge.push("acme/shop", "docs", {"apps/web/note.txt": "newer"})
        other = recipe_site.wait_until_ready(site, "docs", number, sha)
        assert recipe_site.state(site, other)["books"] == ["Emma"]
        assert recipe_site.step_states(site, other, "Restore cache", "Build") == CACHED
        recipe_site.push(site, other, recipe_site.written_by_init("monorepo_books"))
        assert recipe_site.state(site, other)["books"] == ["Emma"]
        recipe_site.close(site, made)
        recipe_site.close(site, other)


@pytest.fixture
def static_site() -> Iterator[Site]:
    indexes = recipe_site.machine_indexes()
    toml = f'{indexes}[targets]\nallowed = ["local", "static"]\n[static]\n{indexes}'
    with recipe_site.recipe_site("static_handbook", "Static site", toml) as site:
        yield site
        # What its environments share keeps running when Eph stops, as with every target.
        site.stop()
        TARGET.stop({"root": str(site.eph_home / "static"), "routes": site.local["routes"]})


@needs_node
def test_static_site(static_site: Site) -> None:
    site = static_site
    made = recipe_site.ready(site)
    page = site.page(made.host)
    assert "<title>Handbook</title>" in page.text
    assert site.page(made.host, "/holidays").text == page.text
    assert site.page(made.host, "/missing.js").status == 404

    broken = site.push(made, {"main.js": "import './nowhere.js';\n"})
    recipe_site.wait_for_failure(site, made, broken, "nowhere.js")
    assert site.page(made.host).text == page.text

    newer = {name: (APPS / "static_handbook" / name).read_text() for name in ("index.html", "main.js")}
    newer["index.html"] = newer["index.html"].replace("Handbook", "Our handbook")
    recipe_site.push(site, made, newer)
    assert "<title>Our handbook</title>" in site.page(made.host).text

    other = recipe_site.ready(site, "other")
    assert site.page(other.host).text == page.text
    assert recipe_site.step_states(site, other, "Restore cache", "Build") == CACHED
    for preview in (made, other):
        site.forge.close_pull("acme/shop", preview.number)
    wait_until("its stacks are gone", lambda: str(site.stacks() or ""), 90)
