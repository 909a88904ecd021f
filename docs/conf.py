"""The site: `make docs`."""
import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ['CUDA_VISIBLE_DEVICES'] = ''
warnings.filterwarnings('ignore')

from mmacda.version import __version__  # noqa: E402

project = 'mmacda'
author = 'the authors of mmacda'
copyright = author
version = release = __version__

extensions = [
    'myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon',
    'sphinx_copybutton', 'tools.dev.pages.extension'
]
exclude_patterns = ['**/.ipynb_checkpoints']
# The pages are hidden from no one: `docs/README` and the like do not exist.
myst_enable_extensions = ['dollarmath', 'deflist', 'colon_fence',
                          'attrs_block', 'attrs_inline']
myst_heading_anchors = 4
# Links to files of the repository become downloads; text in `<...>` stays.
myst_all_links_external = False
suppress_warnings = ['myst.header']  # pages of families begin with theirs
# Notebooks are run by the tests, not here.
nb_execution_mode = 'off'
nb_merge_streams = True
# Options begin with two hyphens, and commands have straight quotes.
smartquotes = False

napoleon_google_docstring = True
napoleon_numpy_docstring = False
autodoc_member_order = 'bysource'
autodoc_typehints = 'none'
autodoc_preserve_defaults = True
add_module_names = False

html_math_renderer = 'mathml'
html_theme = 'furo'
html_title = f'mmacda {release}'
html_static_path = ['static']
html_css_files = ['site.css']
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
copybutton_exclude = '.linenos, .gp, .go'
