"""Why an image was found, isn't usable, or couldn't be looked up. Most sentences continue one that names the image."""

from __future__ import annotations

# --- What was found, and why it isn't used


def git_note(notes: str) -> str:
    return f"git note {notes}"


NOT_ON_COMMIT = "not found on the commit"


def note_without_image(repository: str) -> str:
    return f"on the commit contains no image of {repository}"


NO_TAG_MATCHES = "matches no tag in the registry"


def first_checked(limit: int) -> str:
    return f", of which {limit} were checked"


def none_usable(matches: str, checked: str, rejections: str) -> str:
    return f"matches {matches}{checked}, none of them usable: {rejections}"


def built(moment: str) -> str:
    return f", built {moment}"


def newest_match(tag: str, built: str, matches: str, checked: str) -> str:
    return f": {tag}{built}, the newest of {matches}{checked}"


NO_LINUX = "no Linux image"


def architectures_missing(missing: str, available: str) -> str:
    return f"does not support {missing}, only {available}"


def label_missing(key: str) -> str:
    return f"has no label {key}"


def label_differs(key: str, value: str) -> str:
    return f"has the label {key}={value!r}"


def label_required(found: str, required: str) -> str:
    return f"{found}; {required!r} is required"


def invalid_reference(error: Exception) -> str:
    return f"contains an invalid image reference: {error}"


def other_repository(name: str, repository: str) -> str:
    return f"contains {name}, which is not in the repository {repository}"


NO_BUILD_DATE = "has no build date, which max_age requires"


def too_old(built: str, max_age: str) -> str:
    return f"was built {built}, which is older than {max_age} (max_age)"


# --- The registry

OLD_FORMAT = "has an old format without a configuration: push it in the OCI or Docker v2 format"


def digest_differs(digest: str) -> str:
    return f"can't be read: the registry's content for {digest}… has another digest"


def too_many_tags(limit: int) -> str:
    return f"can't be scanned: the repository has more than {limit} tags; use tag_template"


def access_denied(host: str) -> str:
    return (
        f"not accessible: {host} denies this server access (see the setting kubernetes.pull_secret_file), or "
        "the repository doesn't exist"
    )


NOT_IN_REGISTRY = "not found in the registry"


def responds_with(host: str, status: int) -> str:
    return f"not accessible: {host} responds with {status}"


TAGS_ON_OTHER_HOST = "can't be scanned: the registry's list of tags continues on another host"
NOT_API_V2 = "can't be read: the registry's response doesn't follow API v2"


def invalid_json(host: str) -> str:
    return f"can't be read: {host} returned invalid JSON"


def redirects_endlessly(host: str) -> str:
    return f"can't be read: {host} redirects endlessly"


def invalid_redirect(host: str) -> str:
    return f"not accessible: {host} redirects to an invalid URL"


def no_tls(host: str) -> str:
    return f"not accessible: {host} doesn't use TLS (see the setting kubernetes.plain_http)"


def redirect_not_allowed(host: str) -> str:
    return f"not accessible: the registry redirects to {host}, which is not in the setting images.hosts"


def not_accessible(error: Exception) -> str:
    return f"not accessible: {error}"


def not_http(host: str) -> str:
    return f"not accessible: {host} is not a valid host, or its response is not HTTP"


def asks_to_wait(host: str) -> str:
    return f"unavailable: {host} asks to wait"


def asks_to_wait_with(host: str, status: int) -> str:
    return f"unavailable: {host} asks to wait ({status})"


def unavailable(host: str, status: int) -> str:
    return f"unavailable: {host} responds with {status}"


UNKNOWN_HOST = "unknown host name"


def private_network(host: str) -> str:
    return (
        f"{host} is in a private network; an operator must add it to kubernetes.registries or images.hosts to allow it"
    )


def response_too_large(limit: int) -> str:
    return f"can't be read: the response has more than {limit} bytes"


def timed_out(host: str) -> str:
    return f"unavailable: {host} timed out"


def untrusted_certificate(host: str) -> str:
    return f"not accessible: the certificate of {host} is not trusted"


def no_response(host: str, kind: str) -> str:
    return f"unavailable: {host} does not respond ({kind})"


def pull_secret_unreadable(kind: str) -> str:
    return (
        "not accessible: a file of the settings kubernetes.pull_secret_file and kubernetes.pull_secrets is not a "
        f"readable Docker configuration with 'auths' ({kind})"
    )


# --- Credentials that a cloud issues


def invalid_helper(entry: str, kinds: str) -> str:
    return f"{entry!r} isn't HOST=KIND or HOST=KIND:FILE with one of the kinds {kinds}"


def not_an_ecr_registry(host: str) -> str:
    return f"{host!r} isn't a registry of ECR, such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com"


def ecr_with_file(entry: str) -> str:
    return f"{entry!r} names a file, but ecr uses AWS's default credentials; remove the file"


def acr_without_file(entry: str) -> str:
    return f"{entry!r} names no file; acr needs one with tenant, client_id and client_secret, as acr:/etc/eph/acr.json"


def key_file_unreadable(path: object, names: str, kind: str) -> str:
    return (
        f"not accessible: {path}, which the setting images.credential_helpers names, isn't a readable JSON file with "
        f"{names} ({kind})"
    )


def token_service_without_tls(host: str) -> str:
    return f"not accessible: {host} would receive credentials without TLS; use an https URL"


def login_refused(host: str, status: int, reason: str) -> str:
    return (
        f"not accessible: {host} issues no token ({status}{f', {reason}' if reason else ''}); check the account in the "
        "setting images.credential_helpers"
    )


def aws_refused(reason: str) -> str:
    return (
        f"not accessible: AWS issues no password for ECR ({reason}); ephd's AWS credentials need "
        "ecr:GetAuthorizationToken"
    )


def aws_unavailable(reason: str) -> str:
    return f"unavailable: AWS can't issue a password for ECR now ({reason})"


# --- Which registries are allowed


def registry_not_allowed(registries: str) -> str:
    return f"not allowed: this server allows images only from {registries}"


def credentials_redirected(host: str) -> str:
    return (
        f"not accessible: the registry redirects to {host} with credentials, but the setting images.hosts "
        "does not include that host"
    )


def no_token(host: str) -> str:
    return f"not accessible: {host} refers to a token server that issues no token"


def invalid_token_url(host: str) -> str:
    return f"not accessible: {host} refers to an invalid token URL"
