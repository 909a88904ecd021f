# Fills the registries and turns on what mmacda replaces in MMEngine. For configs
# whose runtime comes from another framework.
custom_imports = dict(
    imports=['mmacda', 'mmacda.patches'], allow_failed_imports=False)
