"""The checker behind the run-time check of jaxtyping's shapes in the tests: an int is a fine float."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
