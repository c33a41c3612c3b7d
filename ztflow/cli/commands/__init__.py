"""One module per command; each is a function Typer calls, and imports what it needs when it runs."""
