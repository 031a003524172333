"""The shop's integration tests: asks the preview as a customer would, and writes what came of it as JUnit XML."""

import http.client
import os
import sys
import traceback
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

URL = urlsplit(os.environ["PREVIEW_URL"])
# Names under .localhost are this machine; not every system knows.
ADDRESS = "127.0.0.1" if URL.hostname.endswith(".localhost") else URL.hostname
SIGN_IN = {"X-Eph-Preview-Token": os.environ["PREVIEW_TOKEN"]} if "PREVIEW_TOKEN" in os.environ else {}


def get(path):
    secure = URL.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(ADDRESS, URL.port or (443 if secure else 80), timeout=30)
    connection.request("GET", path, headers={"Host": URL.netloc, **SIGN_IN})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_it_is_well():
    assert get("/healthz") == (200, "ok")


def test_the_page_is_of_this_commit():
    assert os.environ["EPH_COMMIT"] in get("/")[1]


def test_every_product_has_its_price():
    status, page = get("/")
    assert status == 200
    assert "Apples, 1 kg" in page
    assert page.count("<tr><td>") >= 3, "products are missing"


def test_what_is_not_there_is_not_found():
    assert get("/no-such-page")[0] == 404


def main():
    failed, cases = 0, []
    for name, case in [(name, case) for name, case in globals().items() if name.startswith("test_")]:
        try:
            case()
            cases.append(f"<testcase classname='shop' name={quoteattr(name)}/>")
        except Exception:  # noqa: BLE001 - whatever is wrong with a case is its failure
            failed += 1
            traceback.print_exc()
            cases.append(f"<testcase classname='shop' name={quoteattr(name)}><failure/></testcase>")
        print(name, flush=True)
    Path("junit.xml").write_text(f"<testsuite>{''.join(cases)}</testsuite>")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
