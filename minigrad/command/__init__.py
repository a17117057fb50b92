"""The command line `minigrad`, also `python -m minigrad`: one file for each family of subcommands."""
