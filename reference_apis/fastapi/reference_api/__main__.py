"""
How is the API started?

    python -m reference_api CONFIG.json
"""

import sys

from reference_api.app import create_app
from reference_api.serving import serve

if __name__ == "__main__":
    serve(create_app, sys.argv[1:], "python -m reference_api CONFIG.json")
