"""Users, repositories, their files, branches and commits, hooks."""

from __future__ import annotations

import base64
import binascii

from orchestrator.demo.github.api.http import ApiResponse, Call, paged
from orchestrator.demo.github.state import commit_reports, git_repositories, serializers
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.hub import GitHubApiError, invalid, not_found


def me(call: Call) -> ApiResponse:
    return ApiResponse(serializers.user(call.hub, call.require_login()))


def user(call: Call) -> ApiResponse:
    return ApiResponse(serializers.user(call.hub, call.hub.user(call.params["login"])["login"]))


def repository(call: Call) -> ApiResponse:
    repo = call.repo()
    has = call.hub.permission(repo, call.login) if call.login else "read"
    permissions = {"admin": has == "admin", "push": has in ("admin", "write"), "pull": has != "none"}
    return ApiResponse({**serializers.listed_repository(call.hub, repo), "permissions": permissions})


def my_repositories(call: Call) -> ApiResponse:
    login = call.require_login()
    mine = [repo for repo in call.hub.repositories() if call.hub.permission(repo, login) in ("write", "admin")]
    return paged(call, [serializers.listed_repository(call.hub, repo) for repo in mine])


def permission(call: Call) -> ApiResponse:
    repo, login = call.repo("write"), call.params["login"]
    shape = serializers.user(call.hub, call.hub.user(login)["login"])
    has = call.hub.permission(repo, login)
    return ApiResponse({"permission": has, "role_name": has, "user": shape})


def content(call: Call) -> ApiResponse:
    repo = call.repo()
    path = call.params.get("path", "").strip("/")
    sha = git_repositories.resolve(call.hub.path(repo), call.query.get("ref") or repo["default_branch"])
    if sha is None:
        raise GitHubApiError(404, f"No commit found for the ref {call.query.get('ref')}")
    if path:
        git_repositories.check_path(path)
        found = git_repositories.entries(call.hub.path(repo), sha, path)
        if not found:
            raise not_found()
        if found[0].type == "blob":
            return ApiResponse(
                serializers.content(call.hub, repo, found[0], git_repositories.blob(call.hub.path(repo), found[0].sha))
            )
    inside = git_repositories.entries(call.hub.path(repo), sha, f"{path}/" if path else "")
    return ApiResponse([serializers.content(call.hub, repo, entry, None) for entry in inside])


def put_content(call: Call) -> ApiResponse:
    repo, said = call.repo("write"), call.json_object()
    try:
        data = base64.b64decode(str(said.get("content") or ""), validate=False)
    except binascii.Error:
        raise invalid("Contents", "content", "content is not valid Base64") from None
    path, branch = call.params["path"], said.get("branch") or repo["default_branch"]
    git = call.hub.path(repo)
    before = git_repositories.resolve(git, branch)
    exists = before is not None and bool(git_repositories.entries(git, before, git_repositories.check_path(path)))
    if exists and not said.get("sha"):
        raise GitHubApiError(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    sha = git_repositories.push(git, branch, {path: data}, said.get("message") or f"Change {path}", call.login)
    entry = git_repositories.entries(git, sha, path)[0]
    shape = {"content": serializers.content(call.hub, repo, entry, data)}
    shape["commit"] = serializers.git_commit(call.hub, repo, git_repositories.commit(git, sha))
    return ApiResponse(shape, 200 if exists else 201)


def branches(call: Call) -> ApiResponse:
    repo = call.repo()
    found = git_repositories.refs(call.hub.path(repo)).items()
    heads = [(name.removeprefix("refs/heads/"), sha) for name, sha in found if name.startswith("refs/heads/")]
    return paged(call, [serializers.branch(call.hub, repo, name, sha) for name, sha in heads])


def branch(call: Call) -> ApiResponse:
    repo, name = call.repo(), call.params["branch"]
    sha = git_repositories.refs(call.hub.path(repo)).get(f"refs/heads/{name}")
    if sha is None:
        raise GitHubApiError(404, "Branch not found")
    return ApiResponse(serializers.branch(call.hub, repo, name, sha))


def commits(call: Call) -> ApiResponse:
    repo = call.repo()
    git = call.hub.path(repo)
    start = commit_reports.resolve_commit(call.hub, repo, call.query.get("sha") or repo["default_branch"])
    names = git_repositories.text(git, "rev-list", "--max-count=300", start).split()
    return paged(call, [serializers.commit(call.hub, repo, git_repositories.commit(git, name)) for name in names])


def commit(call: Call) -> ApiResponse:
    repo = call.repo()
    sha = commit_reports.resolve_commit(call.hub, repo, call.params["sha"])
    return ApiResponse(serializers.commit(call.hub, repo, git_repositories.commit(call.hub.path(repo), sha)))


def git_commit(call: Call) -> ApiResponse:
    repo = call.repo()
    sha = git_repositories.resolve(call.hub.path(repo), call.params["sha"])
    if sha is None:
        raise not_found()
    return ApiResponse(serializers.git_commit(call.hub, repo, git_repositories.commit(call.hub.path(repo), sha)))


def git_tree(call: Call) -> ApiResponse:
    """One folder alone; by its own id, or a commit's."""
    repo, sha = call.repo(), call.params["sha"]
    if not git_repositories.SHA.fullmatch(sha):
        raise not_found()
    try:
        found = git_repositories.entries(call.hub.path(repo), sha, "")
    except git_repositories.GitError:
        raise not_found() from None
    listed = [{"path": item.path, "mode": item.mode, "type": item.type, "sha": item.sha} for item in found]
    return ApiResponse({"sha": sha, "tree": listed, "truncated": False})


def git_blob(call: Call) -> ApiResponse:
    repo, sha = call.repo(), call.params["sha"]
    if not git_repositories.SHA.fullmatch(sha):
        raise not_found()
    try:
        data = git_repositories.blob(call.hub.path(repo), sha)
    except git_repositories.GitError:
        raise not_found() from None
    content = base64.b64encode(data).decode()
    return ApiResponse({"sha": sha, "size": len(data), "encoding": "base64", "content": content})


def ref(call: Call) -> ApiResponse:
    repo, name = call.repo(), f"refs/{call.params['ref']}"
    sha = git_repositories.refs(call.hub.path(repo)).get(name)
    if sha is None:
        raise not_found()
    return ApiResponse(serializers.ref(call.hub, repo, name, sha))


def matching_refs(call: Call) -> ApiResponse:
    repo, start = call.repo(), f"refs/{call.params['ref']}"
    found = [(name, sha) for name, sha in git_repositories.refs(call.hub.path(repo)).items() if name.startswith(start)]
    tags = git_repositories.annotated(call.hub.path(repo))
    return paged(
        call, [serializers.ref(call.hub, repo, name, sha, "tag" if sha in tags else "commit") for name, sha in found]
    )


def create_tag(call: Call) -> ApiResponse:
    """The object alone: a ref is made apart, as GitHub wants it."""
    repo, said = call.repo("write"), call.json_object()
    sha = commit_reports.resolve_commit(call.hub, repo, str(said.get("object") or ""))
    made = git_repositories.make_tag(
        call.hub.path(repo), str(said.get("tag") or ""), sha, str(said.get("message") or "")
    )
    return ApiResponse(serializers.tag(call.hub, repo, made, sha), 201)


def tag(call: Call) -> ApiResponse:
    repo, sha = call.repo(), call.params["sha"]
    target = git_repositories.tag_target(call.hub.path(repo), sha)
    if target is None:
        raise not_found()
    return ApiResponse(serializers.tag(call.hub, repo, sha, target))


def create_ref(call: Call) -> ApiResponse:
    repo, said = call.repo("write"), call.json_object()
    name, sha = str(said.get("ref") or ""), str(said.get("sha") or "")
    sha = (
        sha
        if git_repositories.tag_target(call.hub.path(repo), sha)
        else commit_reports.resolve_commit(call.hub, repo, sha)
    )
    if not name.startswith(("refs/heads/", "refs/tags/")):
        raise invalid("Reference", "ref", "ref must begin with refs/heads/ or refs/tags/")
    if name in git_repositories.refs(call.hub.path(repo)):
        raise GitHubApiError(422, "Reference already exists")
    git_repositories.set_ref(call.hub.path(repo), name, sha)
    return ApiResponse(serializers.ref(call.hub, repo, name, sha), 201)


def change_ref(call: Call) -> ApiResponse:
    repo, name = call.repo("write"), f"refs/{call.params['ref']}"
    sha = commit_reports.resolve_commit(call.hub, repo, str(call.json_object().get("sha") or ""))
    if name not in git_repositories.refs(call.hub.path(repo)):
        raise GitHubApiError(422, "Reference does not exist")
    git_repositories.set_ref(call.hub.path(repo), name, sha)
    return ApiResponse(serializers.ref(call.hub, repo, name, sha))


def delete_ref(call: Call) -> ApiResponse:
    repo, name = call.repo("write"), f"refs/{call.params['ref']}"
    if name not in git_repositories.refs(call.hub.path(repo)) or not name.startswith(("refs/heads/", "refs/tags/")):
        raise GitHubApiError(422, "Reference does not exist")
    git_repositories.set_ref(call.hub.path(repo), name, None)
    return ApiResponse(None, 204)


def hooks(call: Call) -> ApiResponse:
    repo = call.repo("admin")
    return paged(call, [serializers.hook(call.hub, repo, doc) for doc in call.hub.store.find("hook", repo["id"])])


def create_hook(call: Call) -> ApiResponse:
    repo, said = call.repo("admin"), call.json_object()
    config = said.get("config")
    if not isinstance(config, dict) or not str(config.get("url", "")).startswith(("http://", "https://")):
        raise invalid("Hook", "url", "config.url is not an http or https URL")
    doc: Document = {"name": "web", "active": said.get("active", True), "events": said.get("events") or ["push"]}
    made = call.hub.store.add("hook", {**doc, "config": config, "created_at": call.hub.timestamp()}, repo["id"])
    return ApiResponse(serializers.hook(call.hub, repo, made), 201)


def hook(call: Call) -> ApiResponse:
    repo = call.repo("admin")
    return ApiResponse(
        serializers.hook(call.hub, repo, commit_reports.get_owned(call.hub, repo, "hook", call.params["number"]))
    )


def change_hook(call: Call) -> ApiResponse:
    repo, said = call.repo("admin"), call.json_object()
    doc = commit_reports.get_owned(call.hub, repo, "hook", call.params["number"])
    config = {**doc["config"], **(said.get("config") or {})}
    kept: Document = {key: said[key] for key in ("active", "events") if key in said}
    new = {**doc, **kept, "config": config}
    call.hub.store.save("hook", new)
    return ApiResponse(serializers.hook(call.hub, repo, new))


def delete_hook(call: Call) -> ApiResponse:
    repo = call.repo("admin")
    call.hub.store.delete("hook", commit_reports.get_owned(call.hub, repo, "hook", call.params["number"])["id"])
    return ApiResponse(None, 204)
