"""What the site makes of the repository: pages, tables and blocks to run."""
