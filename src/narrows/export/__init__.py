"""A trained model in forms that others read."""
