"""What the tests of crowd datasets share."""
import logging

import pytest
from mmengine.logging import MMLogger


@pytest.fixture
def warned(caplog):
    """Returns the warnings that MMEngine's logger has got so far."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield lambda: [record.getMessage() for record in caplog.records
                   if record.levelno == logging.WARNING]
    logger.removeHandler(caplog.handler)
