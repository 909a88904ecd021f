# Fills the registries. For configs whose runtime comes from another framework.
custom_imports = dict(imports=['mmacda'], allow_failed_imports=False)
