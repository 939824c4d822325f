"""The project's settings over a state folder of the test run's own."""

import atexit
import os
import shutil
import tempfile

_STATE = tempfile.mkdtemp(prefix="harness-tests-")
atexit.register(shutil.rmtree, _STATE, ignore_errors=True)
os.environ["HARNESS_STATE_DIR"] = _STATE
os.environ["HARNESS_HOST_NAME"] = "test-host"
os.environ["HARNESS_ROOTS"] = "/"
os.environ["HARNESS_STARTS_PER_MINUTE"] = "0"

from harness_site.settings import *  # noqa: E402, F403

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Pages are rendered without a collected manifest.
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT = HARNESS_STATE_DIR / "static"  # noqa: F405  # one of the settings imported above
STATIC_ROOT.mkdir()
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
