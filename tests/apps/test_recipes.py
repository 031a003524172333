"""Applications of common shapes, previewed in a whole Eph with the eph.yaml of their recipe. Rows: T1, D1, D2, D3, P3.

Their packages come from the machine's package indexes, as they would for anyone.
"""

from __future__ import annotations

import json
import re
import shutil

import httpx
import pytest

from tests.apps import compose_site, package_index, recipe_site
from tests.e2e.previews import Preview
from tests.e2e.site import Site, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1800)]

CACHED = ["succeeded", "succeeded"]
"""The states of the steps "Restore cache" and "Build"."""


@pytest.mark.parametrize("name", recipe_site.recipes())
def test_a_recipe_is_short(name: str) -> None:
    assert len(recipe_site.recipes()[name].splitlines()) <= recipe_site.MOST_LINES


@pytest.mark.exhaustive
def test_flask() -> None:
    with recipe_site.recipe_site("flask_notes", "Flask") as site:
        made = recipe_site.preview(site)
        assert site.page(made.host).data["notes"] == ["first note"]
        more = (
            (recipe_site.APPS / "flask_notes" / "app.py").read_text().replace('"notes": notes', '"notes": notes[::-1]')
        )
        site.wait_for_commit(made, site.push(made, {"app.py": more}), recipe_site.BUILD_TIMEOUT)
        recipe_site.close(site, made)


@pytest.mark.exhaustive
def test_django_with_worker_and_uploads() -> None:
    with recipe_site.recipe_site("django_board", "Django") as site:
        assert use_board(site) == CACHED


@pytest.mark.exhaustive
def test_django_with_its_compose_file() -> None:
    """T4: the repository's own Dockerfile and compose.yaml."""
    with compose_site.compose_site("django_board", "Django with Docker Compose") as site:
        use_board(site)


def use_board(site: Site) -> list[str | None]:
    """Returns how the second pull request's cache and build ended."""
    made = recipe_site.preview(site)
    wait_until(
        "the worker checks posts", lambda: "" if recipe_site.state(site, made)["posts"][0]["checked"] else "not yet"
    )
    assert upload(site, made, "cat") == 201

    site.push(made, {"posts/migrations/0002_more.py": recipe_site.django_migration("SELECT * FROM nowhere")})
    site.wait_for_comment(made.number, 'relation "nowhere" does not exist', timeout=recipe_site.BUILD_TIMEOUT)
    assert recipe_site.state(site, made)["commit"] == made.commit

    fixed = recipe_site.django_migration("INSERT INTO posts_post (text, checked) VALUES ('second', false)")
    site.wait_for_commit(made, site.push(made, {"posts/migrations/0002_more.py": fixed}), recipe_site.BUILD_TIMEOUT)
    assert recipe_site.state(site, made)["uploads"] == ["cat"]
    assert [post["text"] for post in recipe_site.state(site, made)["posts"]] == ["welcome", "second"]

    other = recipe_site.preview(site, "other")
    assert recipe_site.state(site, other)["uploads"] == []
    assert [post["text"] for post in recipe_site.state(site, other)["posts"]] == ["welcome"]
    cached = recipe_site.step_states(site, other, "Restore cache", "Build")
    recipe_site.close(site, made)
    recipe_site.close(site, other)
    return cached


@pytest.mark.exhaustive
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js")
def test_fastapi_and_vite() -> None:
    with recipe_site.recipe_site("fastapi_vite", "FastAPI and Vite") as site:
        made = recipe_site.ready(site)
        assert todos(site, made) == ["write a recipe"]

        source = (recipe_site.APPS / "fastapi_vite" / "api" / "main.py").read_text()
        recipe_site.push(site, made, {"api/main.py": source.replace('recipe"]', 'recipe", "cook it"]')})
        assert todos(site, made) == ["write a recipe", "cook it"]

        other = recipe_site.ready(site, "other")
        assert recipe_site.step_states(site, other, "Restore cache", "Build") == CACHED
        assert todos(site, other) == ["write a recipe"]
        recipe_site.close(site, made)
        recipe_site.close(site, other)


def todos(site: Site, made: Preview) -> list[str]:
    """What the page's script gets from the API, whose URL it knows from its build."""
    web = site.page(made.host)
    assert "<title>Todos</title>" in web.text, web
    script = re.search(r'src="(/assets/[^"]+\.js)"', web.text)
    assert script
    api = re.search(r"http://[a-z0-9.-]+:\d+(?=/todos)", site.page(made.host, script[1]).text)
    assert api, "the page's build knows the API's URL"
    origin = f"http://{made.host}:{site.gateway_port}"
    answer = site.http.get(
        f"http://127.0.0.1:{site.gateway_port}/todos", headers={"Host": httpx.URL(api[0]).host, "Origin": origin}
    )
    assert answer.headers["access-control-allow-origin"] == origin
    return list(answer.json())


@pytest.mark.exhaustive
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js")
def test_node() -> None:
    with recipe_site.recipe_site("node_orders", "Node.js") as site:
        made = recipe_site.preview(site)
        assert recipe_site.state(site, made)["orders"] == ["tea"]


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
@pytest.mark.exhaustive
def test_go_and_a_second_pull_request_from_the_build_cache() -> None:
    """T1 P3: with the lock file unchanged, the second pull request's build downloads nothing."""
    with package_index.go_modules() as index, recipe_site.recipe_site("go_orders", "Go", index.local_toml) as site:
        first = recipe_site.preview(site)
        assert recipe_site.state(site, first)["orders"] == ["tea"]
        assert any(url.endswith("/github.com/lib/pq/@v/v1.10.9.zip") for url in index.requested)
        assert recipe_site.step_states(site, first, "Restore cache", "Build", "Save cache") == [
            None,
            "succeeded",
            "succeeded",
        ]
        requested = list(index.requested)

        source = (recipe_site.APPS / "go_orders" / "main.go").read_text()
        newest = source.replace("ORDER BY id", "ORDER BY id DESC")
        schema = (recipe_site.APPS / "go_orders" / "schema.sql").read_text()
        live = site.push(first, {"main.go": newest, "schema.sql": f"{schema}{recipe_site.COFFEE}"})
        site.wait_for_commit(first, live, recipe_site.BUILD_TIMEOUT)
        assert recipe_site.state(site, first)["orders"] == ["coffee", "tea"]
        site.push(first, {"schema.sql": "SELECT * FROM nowhere;"})
        site.wait_for_comment(first.number, 'relation "nowhere" does not exist', timeout=recipe_site.BUILD_TIMEOUT)
        assert recipe_site.state(site, first)["commit"] == live, "the last good commit is still live"

        second = recipe_site.preview(site, "other")
        assert recipe_site.state(site, second)["orders"] == ["tea"]
        assert recipe_site.step_states(site, second, "Restore cache", "Build") == CACHED
        assert index.requested == requested

        assert "acme/shop" in site.eph("cache", "list").stdout
        assert site.eph("cache", "clear", "acme/shop", "--yes").returncode == 0
        assert json.loads(site.eph("cache", "list", "--output", "json").stdout) == {"items": []}
        assert recipe_site.state(site, second)["orders"] == ["tea"]


def upload(site: Site, made: Preview, name: str) -> int:
    url = f"http://127.0.0.1:{site.gateway_port}/upload/{name}"
    return site.http.post(url, content=b"picture", headers={"Host": made.host}).status_code
