"""Prices as people read them."""


def as_text(cents: int) -> str:
    return f"total {cents / 100:.2f}"
