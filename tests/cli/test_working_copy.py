"""Packing a clone's files for `eph deploy` (M1): what is sent, what isn't, and that the clone stays as it is."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from orchestrator.cli import recipe_overrides, working_copy
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.recipe_overrides import RecipeOverrides
from orchestrator.cli.working_copy import PackOptions
from orchestrator.config.eph_yaml.yaml_reader import YamlLimits
from orchestrator.sources.recipe_reader import parse_file
from programs.kit.git import commit_trees, mirrors
from programs.kit.git.uploads import UploadStore
from tests.cli import clones
from tests.cli.clones import Clone

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DEFAULTS = PackOptions()
LIMIT = 10_000_000


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return clones.create(tmp_path / "clone")


def upload(clone: Clone, tmp_path: Path, options: PackOptions = DEFAULTS) -> tuple[str, dict[str, str]]:
    """The commit, and its files as the server reads them."""
    store = UploadStore(tmp_path / "uploads", LIMIT)
    with working_copy.packed(clone.folder, options) as bundle:
        snapshot = store.accept(1, bundle.path, "ada", AT)
        assert snapshot.commit == bundle.commit
    mirror = Path(store.clone_url(1, snapshot.commit))
    entries = commit_trees.list_entries(mirror, snapshot.commit)
    blobs = {os.fsdecode(each.path): each.object_id for each in entries if each.size is not None}
    read = {path: mirrors.git(["-C", str(mirror), "cat-file", "blob", blob]) for path, blob in blobs.items()}
    return snapshot.commit, {path: text.decode() for path, text in read.items()}


def test_uncommitted_files_are_packed_and_the_clone_is_not_touched(clone: Clone, tmp_path: Path) -> None:
    clone.write({"kept.txt": "edited", "new/page.html": "new", "staged.txt": "first", "debug.log": "noise"})
    clone.git("add", "staged.txt")
    clone.write({"staged.txt": "second"})
    (clone.folder / "gone.txt").unlink()
    before = clone.state()
    _, found = upload(clone, tmp_path)
    assert found == {
        ".gitignore": "*.log\n",
        "eph.yaml": clones.EPH_YAML,
        "kept.txt": "edited",
        "new/page.html": "new",
        "staged.txt": "second",
    }
    assert clone.state() == before


def test_the_same_files_give_the_same_commit(clone: Clone, tmp_path: Path) -> None:
    clone.write({"kept.txt": "edited"})
    first, second = upload(clone, tmp_path)[0], upload(clone, tmp_path)[0]
    clone.write({"kept.txt": "edited again"})
    assert first == second != upload(clone, tmp_path)[0]


def test_ephignore_also_excludes_committed_files(clone: Clone, tmp_path: Path) -> None:
    clone.commit({"docs/a.md": "a", "docs/b.md": "b", ".ephignore": "docs/*\n!docs/b.md\nbig.bin\n"})
    clone.write({"big.bin": "x"})
    assert set(upload(clone, tmp_path)[1]) == {
        ".ephignore",
        ".gitignore",
        "docs/b.md",
        "eph.yaml",
        "gone.txt",
        "kept.txt",
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".env", "A=b"),
        ("deploy/.env.production", "A=b"),
        ("keys/server.pem", "x"),
        ("id_ed25519", "x"),
        ("config.py", "KEY = 'AKIAABCDEFGHIJKLMNOP'"),
        ("notes.txt", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc"),
        (".env.sample", "KEY=AKIAABCDEFGHIJKLMNOP"),
        ("deploy.pub", "-----BEGIN RSA PRIVATE KEY-----\nabc"),
    ],
)
def test_files_that_look_like_secrets_are_refused_unless_forced(
    clone: Clone, tmp_path: Path, path: str, text: str
) -> None:
    clone.write({path: text, ".env.example": "A=\nKEY=AKIAIOSFODNN7EXAMPLE\n"})
    with pytest.raises(CliError, match="look like secrets") as error, working_copy.packed(clone.folder, PackOptions()):
        pass
    assert path in error.value.message
    assert ".env.example" not in error.value.message
    assert upload(clone, tmp_path, PackOptions(allow_secrets=True))[1][path] == text


def push(clone: Clone, branch: str = "main") -> None:
    """As far as the clone knows."""
    clone.git("update-ref", f"refs/remotes/origin/{branch}", "HEAD")


def refused(clone: Clone, options: PackOptions = DEFAULTS) -> bool:
    try:
        with working_copy.packed(clone.folder, options):
            return False
    except CliError as error:
        return "look like secrets" in error.message


def test_a_pushed_file_that_looks_like_a_secret_is_packed_until_it_changes(clone: Clone, tmp_path: Path) -> None:
    """Everyone who can read the repository has it already."""
    clone.commit({"tests/fixture.key": "not secret"})
    assert refused(clone), "nothing of this clone was pushed"
    push(clone)
    clone.commit({"kept.txt": "not pushed"})
    assert "tests/fixture.key" in upload(clone, tmp_path)[1]
    clone.write({"tests/fixture.key": "real"})
    assert refused(clone)


def test_a_commit_that_was_not_pushed_is_checked(clone: Clone, tmp_path: Path) -> None:
    push(clone)
    clone.git("checkout", "-qb", "feat")
    clone.commit({".env": "A=b"})
    clone.commit({"kept.txt": "later"})
    assert refused(clone)
    clone.git("checkout", "-q", "main")
    assert not refused(clone)
    assert refused(clone, PackOptions(ref="feat")), "a branch that only this clone has"
    assert upload(clone, tmp_path, PackOptions(allow_secrets=True, ref="feat"))[1][".env"] == "A=b"


def test_after_a_merge_files_of_every_pushed_branch_are_known(clone: Clone) -> None:
    push(clone)
    clone.git("checkout", "-qb", "other")
    clone.commit({"tests/other.key": "not secret"})
    push(clone, "other")
    clone.git("checkout", "-q", "main")
    clone.commit({"tests/main.key": "not secret"})
    push(clone)
    clone.git("merge", "-q", "other")
    assert not refused(clone)
    clone.commit({"tests/new.key": "real"})
    assert refused(clone)


def test_a_link_and_a_submodule_are_no_secrets(clone: Clone) -> None:
    (clone.folder / "link").symlink_to("kept.txt")
    clone.git("update-index", "--add", "--cacheinfo", f"160000,{clone.git('rev-parse', 'HEAD')},module")
    assert not refused(clone)


def test_odd_states_of_a_clone(clone: Clone, tmp_path: Path) -> None:
    """A subfolder, a second work tree, a merge conflict, a file in place of a folder, odd names, a nested clone."""
    clone.commit({"both.txt": "1", "folder/file": "x"})
    clone.git("checkout", "-qb", "other")
    clone.commit({"both.txt": "2"})
    clone.git("checkout", "-q", "main")
    clone.commit({"both.txt": "3"})
    clone.git("worktree", "add", "-q", str(tmp_path / "second"), "other")
    assert upload(Clone(tmp_path / "second"), tmp_path)[1]["both.txt"] == "2"
    with pytest.raises(subprocess.CalledProcessError):
        clone.git("merge", "-q", "other")
    clones.create(clone.folder / "nested")
    (clone.folder / "folder" / "file").unlink()
    (clone.folder / "folder").rmdir()
    clone.write({"folder": "a file", "ä ö\n'.txt": "odd", "sub/here.txt": "x"})
    found = upload(Clone(clone.folder / "sub"), tmp_path)[1]
    assert "<<<<<<<" in found["both.txt"]
    assert (found["folder"], found["ä ö\n'.txt"]) == ("a file", "odd")
    assert not any(path.startswith("nested") for path in found)


def test_a_clone_without_a_commit(tmp_path: Path) -> None:
    made = Clone(tmp_path / "fresh")
    made.folder.mkdir()
    made.git("init", "-q")
    made.write({"eph.yaml": clones.EPH_YAML})
    assert upload(made, tmp_path)[1] == {"eph.yaml": clones.EPH_YAML}


def test_outside_of_a_clone_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="isn't a working copy") as error, working_copy.packed(tmp_path, PackOptions()):
        pass
    assert "--ref" in error.value.hint


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://git.example.com/demo/shop.git", "demo/shop"),
        ("git@git.example.com:demo/shop.git", "demo/shop"),
        ("ssh://git@git.example.com:22/group/demo/shop", "demo/shop"),
        ("/srv/git/demo/shop.git/", "demo/shop"),
    ],
)
def test_the_repository_is_that_of_the_remote(clone: Clone, url: str, name: str) -> None:
    clone.git("remote", "set-url", "origin", url)
    assert working_copy.repository_name(clone.folder) == name


def test_without_a_remote_the_server_decides(clone: Clone) -> None:
    clone.git("remote", "remove", "origin")
    assert working_copy.repository_name(clone.folder) == ""


WITH_IMAGES = """# kept
name: shop
environment:
  images:
    - {name: web, repository: example.com/shop, tag_pattern: "pr-*", max_age: 7d, fallback_tag: latest}
services:
  - name: web
    command: ./run
    env: {COLOUR: red, OTHER: "1"}
"""


def test_variables_and_images_become_part_of_the_commit_only(clone: Clone, tmp_path: Path) -> None:
    clone.write({"eph.yaml": WITH_IMAGES})
    overrides = RecipeOverrides({"COLOUR": "blue", "NEW": "2"}, {"web": "example.com:5000/shop:try-1"})
    plain = upload(clone, tmp_path)[0]
    commit, found = upload(clone, tmp_path, PackOptions(overrides=overrides))
    made = YAML(typ="safe").load(found["eph.yaml"])
    assert made["environment"] == {
        "images": [{"name": "web", "repository": "example.com:5000/shop", "tag_template": "try-1"}],
        "env": {"COLOUR": "blue", "NEW": "2"},
    }
    assert made["services"][0]["env"] == {"COLOUR": "blue", "OTHER": "1"}
    assert "# kept" in found["eph.yaml"]
    assert (clone.folder / "eph.yaml").read_text() == WITH_IMAGES
    assert commit != plain


@pytest.mark.parametrize("name", ["example.com:5000/shop", "example.com:5000/shop:try-1"])
def test_an_image_can_be_chosen_by_digest(name: str) -> None:  # M1, I2
    digest = "sha256:" + "1" * 64
    made = recipe_overrides.apply('version: "1.0"\n' + WITH_IMAGES, RecipeOverrides(images={"web": f"{name}@{digest}"}))
    image = parse_file(made.encode(), YamlLimits()).config.environment.images[0]
    assert (image.repository, image.tag_template, image.tag_pattern) == ("example.com:5000/shop", digest, None)


def test_images_at_the_top_of_the_file_can_be_replaced_too() -> None:  # Y2
    text = "name: shop\nimages: [{name: web, repository: example.com/shop, tag_pattern: a}]\n"
    made = YAML(typ="safe").load(
        recipe_overrides.apply(text, RecipeOverrides(images={"web": "example.com/shop:try-1"}))
    )
    assert made["images"] == [{"name": "web", "repository": "example.com/shop", "tag_template": "try-1"}]


WITH_SIZES = """version: "1.0"
name: shop
services:
  - {name: web, command: ./web, port: 8080, resources: {cpu: "1"}}
  - {name: mailer, command: ./mailer, public: false, health: none}
labels: {no-mail: {disable: [mailer]}}
sizes:
  small:
    resources: {memory: 512Mi}
    services: {web: {cpu: 250m}}
"""


def test_services_are_turned_off_and_a_size_is_selected() -> None:  # Y5
    made = recipe_overrides.apply(WITH_SIZES, RecipeOverrides(disabled=("mailer",), size="small"))
    document = YAML(typ="safe").load(made)
    assert [(item["name"], item["resources"]) for item in document["services"]] == [("web", {"cpu": "250m"})]
    assert document["environment"]["resources"] == {"memory": "512Mi"}
    assert parse_file(made.encode(), YamlLimits()).config.services[0].name == "web", "the server accepts it"


@pytest.mark.parametrize("wrong", [RecipeOverrides(disabled=("mail",)), RecipeOverrides(size="tiny")])
def test_an_unknown_service_or_size_is_refused_with_those_that_exist(wrong: RecipeOverrides) -> None:
    with pytest.raises(CliError) as raised:
        recipe_overrides.apply(WITH_SIZES, wrong)
    assert raised.value.code is ExitCode.USAGE
    assert any(name in raised.value.hint for name in ("mailer", "small"))


def test_a_branch_is_packed_as_the_remote_has_it(clone: Clone, tmp_path: Path) -> None:
    clone.git("checkout", "-qb", "feat")
    pushed = clone.commit({"kept.txt": "pushed"})
    clone.git("update-ref", "refs/remotes/origin/feat", pushed)
    clone.commit({"kept.txt": "not pushed"})
    clone.git("checkout", "-q", "main")
    clone.write({"kept.txt": "dirty", ".env": "A=b"})
    assert upload(clone, tmp_path, PackOptions(ref="feat"))[1]["kept.txt"] == "pushed"
    with pytest.raises(CliError, match="no branch or tag"):
        upload(clone, tmp_path, PackOptions(ref="lost"))


@pytest.mark.parametrize(
    "reference", ["example.com/shop", "example.com:5000/shop", "a/b@sha256:00", "a/b:c@latest", "a/b:{commit_sha}"]
)
def test_an_image_needs_a_tag(clone: Clone, tmp_path: Path, reference: str) -> None:
    clone.write({"eph.yaml": WITH_IMAGES})
    with pytest.raises(CliError, match="tag"):
        upload(clone, tmp_path, PackOptions(overrides=RecipeOverrides(images={"web": reference})))
    with pytest.raises(CliError, match="no image 'api'"):
        upload(clone, tmp_path, PackOptions(overrides=RecipeOverrides(images={"api": "a/b:c"})))
