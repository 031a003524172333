"""Variables that Eph sets, and placeholders in those of the repository. Rows: T1, D3."""

from __future__ import annotations

from programs import variables

URLS = {"web": "https://shop-1.preview.test:8443", "api-v1": "https://api-v1--shop-1.preview.test:8443"}
URL = "postgresql://shop:p%40ss%7Bhost%7D@db.internal:6432/shop_1?sslmode=disable"


def test_public_services_have_a_url_and_a_host() -> None:
    assert variables.public_variables(URLS) == {
        "WEB_PUBLIC_URL": URLS["web"],
        "WEB_PUBLIC_HOST": "shop-1.preview.test",
        "API_V1_PUBLIC_URL": URLS["api-v1"],
        "API_V1_PUBLIC_HOST": "api-v1--shop-1.preview.test",
    }
    assert variables.url_variable("api-v1") == "API_V1_URL"


def test_placeholders_are_filled_and_everything_else_stays() -> None:
    values = variables.address_values(URLS["web"], URLS, {"api-v1": "http://inside:1", "worker": "http://127.0.0.1:2"})
    values |= variables.database_values("main", URL)
    env = {
        "CORS": "{url},{url:api-v1}",
        "ALLOWED": "{host} {host:api-v1}",
        "JOBS": "{url:worker}",
        "DB": "{database.main.user}@{database.main.host}:{database.main.port}/{database.main.name}",
        "JSON": '{"url": {}, "a": {b}}',
        "OTHER": "{nothing} ${HOME} {url:web",
    }
    assert variables.fill(env, values) == {
        **env,
        "CORS": f"{URLS['web']},{URLS['api-v1']}",
        "ALLOWED": "shop-1.preview.test api-v1--shop-1.preview.test",
        "JOBS": "http://127.0.0.1:2",
        "DB": "shop@db.internal:6432/shop_1",
    }


def test_a_value_is_not_filled_twice() -> None:
    """S3: a password may contain what looks like a placeholder."""
    values = variables.address_values(URLS["web"], URLS, {}) | variables.database_values("main", URL)
    assert variables.fill_text("{database.main.password}", values) == "p@ss{host}"
    assert variables.fill_text("{database.main.url}", values) == URL


def test_every_known_placeholder_has_a_value() -> None:
    values = variables.address_values(URLS["web"], URLS, {}) | variables.database_values("main", URL)
    assert sorted(variables.known_placeholders(URLS, ["main"])) == sorted(values)


def test_a_suite_gets_no_variable_about_a_database() -> None:
    env = {"A": "1", **variables.libpq_variables("main")}
    assert variables.without_databases(env) == {"A": "1"}
