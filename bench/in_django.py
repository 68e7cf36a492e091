"""`python -m bench.in_django MODULE ARGUMENT...`: set Django up, then run the module's `main`, which may import models at its top."""

import importlib
import os
import sys

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    importlib.import_module(sys.argv[1]).main(sys.argv[2:])
