"""The npm package emulate as the demo's Git host."""
