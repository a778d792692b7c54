"""Braze's REST API: `POST /users/track`, and what its answers mean."""
