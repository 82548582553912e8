"""The library behind the stages and commands."""

from src.isolation import ignore_settings

ignore_settings()
