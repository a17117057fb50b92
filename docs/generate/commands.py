"""The command line, from its parsers, and the recipes of `minigrad train`."""

from __future__ import annotations

from dataclasses import fields

import mkdocs_gen_files

from minigrad.command.main import build_parser
from minigrad.train.recipes import RECIPES, Recipe

parser, commands = build_parser()
with mkdocs_gen_files.open("reference/command-line.md", "w") as file:
    file.write(
        "# Command line\n\n*To look up a command's arguments. `minigrad COMMAND --help` prints the same.*\n\n"
        f"```text\n{parser.format_help()}```\n"
    )
    for name, command in commands.items():
        file.write(f"\n## minigrad {name}\n\n```text\n{command.format_help()}```\n")

with mkdocs_gen_files.open("reference/recipes.md", "w") as file:
    file.write(
        "# Recipes\n\n*To look up how a network is trained with `minigrad train MODEL --recipe NAME`, and which paper "
        "says so.*\n"
    )
    for name, recipe in RECIPES.items():
        file.write(f"\n## {name}\n\n{recipe.source}\n\n| setting | value |\n| --- | --- |\n")
        for field in fields(Recipe):
            value = getattr(recipe, field.name)
            if field.name != "source" and value != field.default and value != {}:
                file.write(f"| `{field.name}` | `{value}` |\n")
