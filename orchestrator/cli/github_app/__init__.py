"""Creates a GitHub App by GitHub's manifest flow, and writes what Eph needs of it: settings, key and webhook secret."""
