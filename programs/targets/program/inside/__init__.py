"""What runs inside the sandbox, next to the repository's code. Imports nothing of Eph: only this folder is visible."""
