"""What people read about secrets in AWS Secrets Manager."""

from __future__ import annotations

EXAMPLE = "shop/stripe, its ARN, or shop/stripe#key"


def secret(reference: str) -> str:
    return f"the AWS secret {reference}"


def unreachable(problem: str) -> str:
    return f"AWS can't be reached ({problem}); check the credentials and secret_providers.aws"


def failed(code: str) -> str:
    return f"AWS responded with {code}; check the credentials and secret_providers.aws"


def denied(secret: str, code: str) -> str:
    return f"AWS denies access to {secret} ({code}); allow Eph's role secretsmanager:GetSecretValue on it"


def not_an_object(secret: str) -> str:
    return f"{secret} is not a JSON object; leave out the key"
