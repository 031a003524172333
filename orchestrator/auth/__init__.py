"""Who people and programs are, and what they can do. Shared by the API, the dashboard and the gateway."""
