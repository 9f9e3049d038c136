"""The sections of the bench, one matter each; :data:`bench.__main__.SECTIONS` names them."""
