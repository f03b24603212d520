"""The recipes that ship with tlkit: a TOML file each, holding only what differs from the defaults."""
