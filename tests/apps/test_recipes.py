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
        use_board(site)


@pytest.mark.exhaustive
def test_django_with_its_compose_file() -> None:
    """T4: the repository's own Dockerfile and compose.yaml."""
    with compose_site.compose_site("django_board", "Django with Docker Compose") as site:
        use_board(site)


def use_board(site: Site) -> None:
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
    recipe_site.close(site, made)
    recipe_site.close(site, other)


@pytest.mark.exhaustive
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js")
def test_fastapi_and_vite() -> None:
    with recipe_site.recipe_site("fastapi_vite", "FastAPI and Vite") as site:
        number, sha = site.open_pull("feature")
        site.wait_for_comment(number, "Ready", sha[:7], timeout=recipe_site.BUILD_TIMEOUT)
        host = site.wait_for_host(number)
        web = site.page(host)
        assert "<title>Todos</title>" in web.text, web
        script = re.search(r'src="(/assets/[^"]+\.js)"', web.text)
        assert script
        api = re.search(r"http://[a-z0-9.-]+:\d+(?=/todos)", site.page(host, script[1]).text)
        assert api, "the page's build knows the API's URL"
        origin = f"http://{host}:{site.gateway_port}"
        answer = site.http.get(
            f"http://127.0.0.1:{site.gateway_port}/todos",
            headers={"Host": httpx.URL(api[0]).host, "Origin": origin},
        )
        assert answer.json() == ["write a recipe"]
        assert answer.headers["access-control-allow-origin"] == origin


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

        second = recipe_site.preview(site, "other")
        assert recipe_site.state(site, second)["orders"] == ["tea"]
        assert recipe_site.step_states(site, second, "Restore cache", "Build") == ["succeeded", "succeeded"]
        assert index.requested == requested

        assert "acme/shop" in site.eph("cache", "list").stdout
        assert site.eph("cache", "clear", "acme/shop", "--yes").returncode == 0
        assert json.loads(site.eph("cache", "list", "--output", "json").stdout) == {"items": []}
        assert recipe_site.state(site, second)["orders"] == ["tea"]


def upload(site: Site, made: Preview, name: str) -> int:
    url = f"http://127.0.0.1:{site.gateway_port}/upload/{name}"
    return site.http.post(url, content=b"picture", headers={"Host": made.host}).status_code
