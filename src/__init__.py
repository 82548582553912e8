"""The library behind the stages and commands."""
