"""The trained networks that come with the package: packed and measured."""
