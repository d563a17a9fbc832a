#!/usr/bin/env python
"""A small Django shop that keeps pages, fragments, sessions and values in Larder.

pip install django redis && python manage.py migrate && python manage.py runserver
"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    execute_from_command_line(sys.argv)
