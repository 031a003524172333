"""The bar: a strip that the gateway adds to a preview's pages, with what it is and where its logs are (P13)."""
