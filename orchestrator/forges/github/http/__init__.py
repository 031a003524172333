"""HTTP to GitHub: transport, rate limits, caching."""
