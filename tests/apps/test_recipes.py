"""Applications of common shapes, previewed in a whole Eph with the eph.yaml of their recipe. Rows: T1, D1, D2, D3, P3.

Their packages come from the machine's package indexes, as they would for anyone.
"""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import httpx
import pytest

from tests.apps import compose_site, recipe_site
from tests.apps.package_index import package_index
from tests.e2e.previews import Page, Preview
from tests.e2e.site import Site, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("name", recipe_site.recipes())
def test_a_recipe_is_short(name: str) -> None:
    assert len(recipe_site.recipes()[name].splitlines()) <= recipe_site.MOST_LINES


def preview(site: Site, branch: str = "feature") -> Preview:
    number, sha = site.open_pull(branch)
    return site.wait_for_preview(branch, number, sha, recipe_site.BUILD_TIMEOUT)


def close(site: Site, made: Preview) -> None:
    site.forge.close_pull("acme/shop", made.number)
    site.wait_until_gone(made)


@pytest.mark.exhaustive
def test_flask() -> None:
    with recipe_site.recipe_site("flask_notes", "Flask") as site:
        made = preview(site)
        assert site.page(made.host).data["notes"] == ["first note"]
        more = (
            (recipe_site.APPS / "flask_notes" / "app.py").read_text().replace('"notes": notes', '"notes": notes[::-1]')
        )
        site.wait_for_commit(made, site.push(made, {"app.py": more}), recipe_site.BUILD_TIMEOUT)
        close(site, made)


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
    made = preview(site)
    wait_until("the worker checks posts", lambda: "" if state(site, made)["posts"][0]["checked"] else "not yet")
    assert upload(site, made, "cat") == 201

    site.push(made, {"posts/migrations/0002_more.py": recipe_site.django_migration("SELECT * FROM nowhere")})
    site.wait_for_comment(made.number, 'relation "nowhere" does not exist', timeout=recipe_site.BUILD_TIMEOUT)
    assert state(site, made)["commit"] == made.commit

    fixed = recipe_site.django_migration("INSERT INTO posts_post (text, checked) VALUES ('second', false)")
    site.wait_for_commit(made, site.push(made, {"posts/migrations/0002_more.py": fixed}), recipe_site.BUILD_TIMEOUT)
    assert state(site, made)["uploads"] == ["cat"]
    assert [post["text"] for post in state(site, made)["posts"]] == ["welcome", "second"]

    other = preview(site, "other")
    assert state(site, other)["uploads"] == []
    assert [post["text"] for post in state(site, other)["posts"]] == ["welcome"]
    close(site, made)
    close(site, other)


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
        made = preview(site)
        assert state(site, made)["orders"] == ["tea"]


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
@pytest.mark.exhaustive
def test_go_and_a_second_pull_request_from_the_build_cache() -> None:
    """T1 P3: with the lock file unchanged, the second pull request's build downloads nothing."""
    with package_index() as index, recipe_site.recipe_site("go_orders", "Go", index.local_toml) as site:
        first = preview(site)
        assert state(site, first)["orders"] == ["tea"]
        assert any(url.endswith("/github.com/lib/pq/@v/v1.10.9.zip") for url in index.requested)
        assert step_states(site, first, "Restore cache", "Build", "Save cache") == [None, "succeeded", "succeeded"]
        requested = list(index.requested)

        second = preview(site, "other")
        assert state(site, second)["orders"] == ["tea"]
        assert step_states(site, second, "Restore cache", "Build") == ["succeeded", "succeeded"]
        assert index.requested == requested

        assert "acme/shop" in site.eph("cache", "list").stdout
        assert site.eph("cache", "clear", "acme/shop", "--yes").returncode == 0
        assert json.loads(site.eph("cache", "list", "--output", "json").stdout) == {"items": []}
        assert state(site, second)["orders"] == ["tea"]


def step_states(site: Site, made: Preview, *names: str) -> list[str | None]:
    """How each step of the newest build ended; None if there was none."""
    ended = {item["step"]: item["state"] for item in site.api(f"environments/{made.name}/steps")["steps"]}
    return [ended.get(name) for name in names]


def state(site: Site, made: Preview) -> dict[str, Any]:
    page: Page = site.page(made.host)
    assert page.status == 200, page
    return dict(json.loads(page.text))


def upload(site: Site, made: Preview, name: str) -> int:
    url = f"http://127.0.0.1:{site.gateway_port}/upload/{name}"
    return site.http.post(url, content=b"picture", headers={"Host": made.host}).status_code
