"""What Eph writes to GitHub: comments, checks, deployments."""
