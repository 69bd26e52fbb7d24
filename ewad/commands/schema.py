"""`ewad schema`: what a configuration may say, for editors and for the reference."""

from __future__ import annotations

import json

import click

from ewad.config import schema


@click.command("schema")
@click.option(
    "--markdown", is_flag=True, help="Print the reference of all tables and keys instead, in Markdown."
)
def command(markdown: bool) -> None:
    """Print the JSON schema of ewad.toml, by which editors complete and check it."""
    click.echo(schema.markdown() if markdown else json.dumps(schema.json_schema(), indent=2))
